from __future__ import annotations

import json
import re

import pytest

from outrig.store.sessions import SessionStore
from tests import records
from tests.cli import terminals

ESCAPES = "\x1b]52;c;aGk=\x07\x1b[2J\u202e\x9b31mtext"


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


def test_the_newest_one_if_nothing_is_said(outrig, store):
    records.done(store, name="old")
    newest = records.done(store, at=records.NOON.replace(hour=13))
    assert f"id                 {newest.id}\n" in outrig("show").ok().out
    assert outrig("inspect").ok().out == outrig("show", "@last").ok().out
    assert "old" in outrig("show", "@last~1").ok().out


def test_what_people_look_for_comes_first(outrig, store):
    records.done(store, name="mine", agent_name="claude")
    lines = outrig("show", "mine").ok().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:5]] == [
        "id",
        "name",
        "status",
        "reason",
        "exit code",
    ]
    assert any(line.split() == ["command", "make", "test"] for line in lines)
    assert any(line.split() == ["duration", "1m30s"] for line in lines)


def test_json_is_the_record(outrig, store):
    session = records.done(store, from_a_later_version={"x": 1})
    assert json.loads(outrig("show", "--json").ok().out) == session.fields


def test_what_nobody_can_know_is_said(outrig, store):
    session = records.abandon(records.begin(store))
    done = outrig("show").ok()
    assert "running (unknown)" in done.out
    assert f"cannot tell what became of {session}: " in done.err
    assert outrig("logs").ok().out == ""


def test_nobody_is_asked_about_the_others(outrig, store):
    records.abandon(records.begin(store))
    records.done(store, at=records.NOON.replace(hour=13), name="done")
    assert outrig("show", "done").ok().err == ""


def test_by_directory_no_config_is_opened(outrig, store, home, tmp_path):
    session = records.done(store, session_dir=tmp_path / "run")
    config = home.config / "outrig/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("session-root = [broken")
    shown = outrig("show", "--json", "--session-dir", tmp_path / "run").ok()
    assert json.loads(shown.out)["id"] == session.id
    assert outrig("show", session.id).code == 1


def test_a_record_of_the_rust_tool(outrig, store):
    records.adopt_rust_record(store, "20260718T091502-a41c")
    assert "outrig-20260718T091502-a41c-db" in outrig("show", "a41c").ok().out


def test_a_record_cannot_command_the_terminal(outrig, store):
    records.done(store, agent_name="claude", task=f"one\n{ESCAPES}", labels={ESCAPES: ESCAPES})
    for options in ((), ("--json",)):
        assert terminals.is_harmless(outrig("show", *options).ok().out)
        assert terminals.is_harmless(terminals.screen(outrig, "show", *options))


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (["nope"], 1, 'no session matching "nope"'),
        ([""], 2, "an empty session name"),
        (["a", "--session-dir", "b"], 2, "give one of them"),
        (["--session-dir", "/nowhere"], 1, "no session in /nowhere"),
        (["2026"], 1, 'several sessions match "2026":\n20260501T13'),
    ],
)
def test_errors(outrig, store, args, code, error):
    records.done(store)
    records.done(store, at=records.NOON.replace(hour=13))
    done = outrig("show", *args)
    assert (done.code, done.out) == (code, "")
    assert error in done.err
    failed = outrig("show", "--json", *args)
    assert failed.code == code
    assert set(json.loads(failed.err)["error"]) == {"kind", "message", "hint"}


def test_a_corrupt_record_says_so(outrig, store):
    session = records.done(store).id
    (store.directory(session) / "session.json").write_text("")
    done = outrig("show", session)
    assert done.code == 1
    assert "session.json is empty" in done.err
    assert f"outrig discard {session}" in done.err


def test_what_a_session_left_takes_a_line_each_and_is_harmless(outrig, store):
    left = [
        {"kind": "git-hook", "path": ".git/hooks/pre-commit", "what": ""},
        {"kind": "environment", "path": "a\n\x1b]0;x\x07/.envrc", "what": "-> \x1b[2J"},
    ]
    records.done(store, workspace={"mode": "bind", "tamper": left})
    shown = outrig("show").ok().out
    assert re.search(r"\ntamper +git-hook \.git/hooks/pre-commit\n", shown)
    assert r'environment "a\n\u001b]0;x\u0007/.envrc" ->' in shown
    assert "\x1b" not in shown
