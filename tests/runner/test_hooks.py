from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from outrig.core.config import HooksConfig
from outrig.core.session import Session
from outrig.runner import hooks
from outrig.store.sessions import SessionStore
from tests import records

if TYPE_CHECKING:
    from pathlib import Path

KEEP = "import os, sys; open(sys.argv[1], 'w').write(os.environ['OUTRIG_EVENT'] + sys.stdin.read())"


def until(path: Path) -> str:
    """What is in a file, as soon as there is something."""
    deadline = time.monotonic() + 20
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, f"nothing in {path}"
        time.sleep(0.02)
    return path.read_text()


def test_without_hooks_nothing_listens():
    assert hooks.heard(HooksConfig(), {}) is None


@pytest.mark.parametrize(
    ("event", "argv"),
    [("ended", ("a",)), ("limit-hit", ("b",)), ("preparing", ()), ("timeout", ())],
)
def test_which_command_an_event_has(event, argv):
    assert hooks.command(HooksConfig(ended=("a",), limit_hit=("b",)), event) == argv


@pytest.mark.parametrize(
    ("event", "notify", "env", "said"),
    [
        ("ended", True, {"DISPLAY": ":0"}, True),
        ("ended", True, {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("ended", True, {}, False),
        ("ended", None, {"DISPLAY": ":0"}, False),
        ("running", True, {"DISPLAY": ":0"}, False),
    ],
)
def test_who_is_notified(event, notify, env, said):
    fields = {"schema": 1, "id": "x", "status": "completed", "command": ["make", "a\x1b[2J"]}
    session = Session({**fields, "notify": notify})
    argv = hooks.notification({"event": event}, session, env)
    assert bool(argv) == said
    if said:
        assert argv[:3] == ("notify-send", "--app-name=outrig", "outrig: x completed")
        assert "\x1b" not in argv[3]


def test_whoever_sees_the_end_notifies(tmp_path, home):
    """A supervisor, or the next command after a crash: both speak for the user's own config."""
    out, programs = tmp_path / "out", tmp_path / "bin"
    programs.mkdir()
    (programs / "notify-send").write_text(f'#!/bin/sh\nprintf "%s|" "$@" > {out}\n')
    (programs / "notify-send").chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "DISPLAY": ":0"}
    store = SessionStore(home.sessions, heard=hooks.of_user(env))
    records.done(store, name="mine", notify=True)
    assert until(out).startswith("--app-name=outrig|outrig: mine completed|")


def test_the_record_is_on_its_stdin(tmp_path, home):
    out = tmp_path / "out"
    config = HooksConfig(ended=(sys.executable, "-c", KEEP, str(out)))
    store = SessionStore(home.sessions, heard=hooks.heard(config, os.environ))
    session = records.done(store, task="words; $(touch x)")
    said = until(out)
    assert said.startswith("ended{")
    assert json.loads(said.removeprefix("ended")) == session.fields


def test_it_takes_no_time_of_ours_and_is_ended_when_its_own_is_over(tmp_path, home):
    log = home.state / "outrig/hooks.log"
    config = HooksConfig(running=("sh", "-c", "echo begun; sleep 1000 & wait"), timeout=1.0)
    store = SessionStore(home.sessions, heard=hooks.heard(config, os.environ))
    started = time.monotonic()
    records.done(store)
    assert time.monotonic() - started < 20  # it does not wait for the 1000 s
    assert "begun" in until(log)
    deadline = time.monotonic() + 20
    while "killed after 1.0 s" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_command_that_is_missing_harms_nothing(home):
    config = HooksConfig(planned=("/no/such/program",))
    store = SessionStore(home.sessions, heard=hooks.heard(config, os.environ))
    assert records.done(store).ended
    assert "/no/such/program: No such file" in until(home.state / "outrig/hooks.log")


def test_the_users_own_configuration(tmp_path, home, outrig):
    out = tmp_path / "out"
    (home.config / "outrig").mkdir(parents=True)
    argv = json.dumps([sys.executable, "-c", KEEP, str(out)])
    (home.config / "outrig/config.toml").write_text(f"[hooks]\ndiscarded = {argv}\n")
    session = records.done(SessionStore(home.sessions))
    outrig("discard", "-y", session.id).ok()
    assert session.id in until(out)


def test_a_repository_may_not_set_one(tmp_path, home, outrig):
    config = outrig.cwd / ".agents/outrig/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[hooks]\nended = ["touch", "/tmp/pwned"]\n')
    done = outrig("run", "--dry-run", "--", "true")
    assert "left out: hooks.ended" in done.ok().err
