from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from outrig.core.ending import Ending
from outrig.store.sessions import SessionStore
from tests import records
from tests.cli import terminals

FAILED = Ending(status="failed", reason="exit", exit_code=3, agent_exit_code=3)
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\nsecond line"


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


@pytest.fixture
def git_repository(tmp_path):
    """A checkout without a commit, which is enough to be a project."""
    root = tmp_path / "code"
    for name in ("objects", "refs"):
        (root / ".git" / name).mkdir(parents=True)
    (root / ".git/HEAD").write_text("ref: refs/heads/main\n")
    return root


def at(minutes):
    return records.NOON + timedelta(minutes=minutes)


def test_nothing_yet(outrig, session_root):
    assert outrig("ls").ok().out.split() == [
        "ID",
        "STARTED",
        "DURATION",
        "STATUS",
        "IMAGE",
        "EXIT",
        "NAME",
    ]
    assert outrig("ls", "--json").ok().out == "[]\n"
    assert outrig("ls", "-q").ok().out == ""
    assert not session_root.exists()


def test_a_line_says_what_ran(outrig, store):
    one = records.done(store, at=at(0), name="mine")
    two = records.begin(store, at=at(1), agent_name="claude", task="fix the tests")
    records.finish(two, FAILED, after=250)
    lines = outrig("ls", env={"TZ": "UTC"}).ok().out.splitlines()
    assert lines[0].split() == ["ID", "STARTED", "DURATION", "STATUS", "IMAGE", "EXIT", "NAME"]
    assert lines[1].split() == [
        *(two.id, "2026-05-01", "12:01:00", "4m10s", "failed", "host", "3"),
        *("claude:", "fix", "the", "tests"),
    ]
    assert lines[2].split() == [
        *(one.id, "2026-05-01", "12:00:00", "1m30s", "completed", "host", "0", "mine")
    ]


def test_ps_is_ls(outrig, store):
    records.done(store)
    assert outrig("ps").ok().out == outrig("ls").ok().out


def test_the_newest_twenty_and_all_unfinished(outrig, store):
    old = records.begin(store, at=at(-500))
    ids = [records.done(store, at=at(number)).id for number in range(23)][::-1]
    assert outrig("ls", "-q").ok().out.split() == [*ids[:20], old.id]
    assert outrig("ls", "-q", "-n", "2").ok().out.split() == ids[:2]
    assert outrig("ls", "-q", "-n", "0").ok().out.split() == []
    assert outrig("ls", "-q", "--all").ok().out.split() == [*ids, old.id]
    assert len(json.loads(outrig("ls", "--json", "-n", "2").ok().out)) == 2
    old.close()


def test_who_looks_after_it(outrig, store):
    held = records.begin(store, name="one")
    assert "  running  " in outrig("ls").ok().out
    assert json.loads(outrig("ls", "--json").ok().out)[0]["attended"] is True
    session = records.abandon(held)
    done = outrig("ls").ok()
    assert "  running (unknown)  " in done.out
    assert done.err.count("\n") == 1
    assert f"cannot tell what became of {session}: " in done.err
    (found,) = json.loads(outrig("ls", "--json").ok().out)
    assert (found["attended"], found["unknown"]) == (False, True)
    assert outrig("ls", "-q", "--status", "running").ok().out == f"{session}\n"


def test_several_of_which_nothing_is_known_are_one_notice(outrig, store):
    for minute in range(3):
        records.abandon(records.begin(store, at=records.NOON.replace(minute=minute)))
    done = outrig("ls").ok()
    assert done.err.count("\n") == 1
    assert "cannot tell what became of 3 sessions: " in done.err


def test_one_whose_runner_died_early_is_finished_without_an_engine(outrig, store):
    session = records.begin(store)
    session.close()
    done = outrig("ls", "--json").ok()
    (found,) = json.loads(done.out)
    assert (found["status"], found["reason"], done.err) == ("lost", "container-gone", "")
    assert not store.is_open(session.id)


def test_json_is_every_field(outrig, store):
    session = records.done(store, labels={"team": "a"}, from_a_later_version=[1])
    assert json.loads(outrig("ls", "--json").ok().out) == [session.fields]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--status", "failed"], [2]),
        (["--status", "failed", "--status", "completed"], [2, 1, 0]),
        (["--agent", "claude"], [1]),
        (["--label", "team=a"], [1, 0]),
        (["--label", "team", "--label", "ci=1"], [0]),
        (["--since", "2026-05-01T12:30:00Z"], [2, 1]),
        (["--since", "2026-05-02", "--all"], []),
        (["--since", "1h"], []),
    ],
)
def test_narrowed(outrig, store, options, expected):
    ids = [
        records.done(store, at=at(0), labels={"team": "a", "ci": "1"}).id,
        records.done(store, at=at(30), labels={"team": "a"}, agent_name="claude").id,
    ]
    failed = records.begin(store, at=at(60))
    ids.append(failed.id)
    records.finish(failed, FAILED)
    found = outrig("ls", "-q", *options, env={"TZ": "UTC"}).ok().out.split()
    assert found == [ids[number] for number in expected]


def test_since_a_span_back(outrig, store):
    now = datetime.now(UTC)
    records.done(store, at=now - timedelta(hours=3))
    recent = records.done(store, at=now - timedelta(hours=1))
    assert outrig("ls", "-q", "--since", "2h").ok().out.split() == [recent.id]


@pytest.mark.parametrize(
    "options", [["--status", "odd"], ["--since", "yesteryear"], ["-n", "x"], ["-n", "1", "--all"]]
)
def test_usage_errors(outrig, options):
    done = outrig("ls", *options)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")


def test_an_explicit_directory_is_pointed_to(outrig, store, tmp_path):
    records.done(store, session_dir=tmp_path / "run", name="mine")
    assert f"mine -> {tmp_path}/run\n" in outrig("ls").ok().out


def test_the_same_from_any_directory_and_root(outrig, store, tmp_path):
    session = records.done(store)
    (tmp_path / "elsewhere").mkdir()
    for how in (
        {"cwd": tmp_path / "elsewhere"},
        {"env": {"OUTRIG_SESSION_ROOT": str(store.root)}},
    ):
        assert outrig("ls", "-q", **how).ok().out.split() == [session.id]
    assert outrig("ls", "-q", "--session-root", tmp_path / "none").ok().out == ""


def test_given_a_root_a_broken_global_config_does_no_harm(outrig, store, home):
    session = records.done(store)
    config = home.config / "outrig/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("session-root = [broken")
    assert outrig("ls").code == 1
    assert outrig("ls", "-q", "--session-root", store.root).ok().out.split() == [session.id]
    config.write_text(f'session-root = "{store.root}"\n')
    assert outrig("ls", "-q", env={"XDG_DATA_HOME": "/nowhere"}).ok().out.split() == [session.id]


# ---------------------------------------------------------------- entries that are not well


def test_what_cannot_be_read_is_named_and_breaks_nothing(outrig, store):
    good = records.done(store)
    (store.root / "20260501T134412-0001").mkdir()
    (store.root / "20260501T134412-0002").mkdir()
    (store.root / "20260501T134412-0002/session.json").write_text('{"id": "20')
    (store.root / "20260501T134412-0003").symlink_to("/nowhere/\x1b[2Jat/all")
    records.adopt_rust_record(store, "20260801T235959-ffff")
    (store.root / "notes.txt").touch()
    done = outrig("ls", "-q").ok()
    assert done.out.split() == ["20260801T235959-ffff", good.id]
    assert sorted(done.err.splitlines()) == [
        "[outrig] skipping 20260501T134412-0001: no session.json",
        "[outrig] skipping 20260501T134412-0002: session.json is not JSON",
        "[outrig] skipping 20260501T134412-0003: its directory /nowhere/at/all is gone",
    ]


def test_the_records_of_the_rust_tool_are_listed(outrig, store):
    for one in ("20260529T180344-0c7e", "20260718T091502-a41c", "20260801T235959-ffff"):
        records.adopt_rust_record(store, one)
    lines = [line.split() for line in outrig("ls", env={"TZ": "UTC"}).ok().out.splitlines()[1:]]
    assert [[line[0], *line[3:7]] for line in lines] == [
        ["20260801T235959-ffff", lines[0][3], "unknown", "localhost/tools:latest", "-"],
        ["20260718T091502-a41c", "6m37s", "completed", "standard", "0"],
        ["20260529T180344-0c7e", "1h40m", "failed", "standard", "143"],
    ]


def test_a_record_cannot_command_the_terminal(outrig, store):
    records.done(store, agent_name="claude", task=ESCAPES, image_config_name=f"img{ESCAPES}")
    for shown in (outrig("ls").ok().out, terminals.screen(outrig, "ls")):
        assert len(shown.splitlines()) == 2
        assert terminals.is_harmless(shown)
    for shown in (outrig("ls", "--json").ok().out, terminals.screen(outrig, "ls", "--json")):
        assert terminals.is_harmless(shown)
        assert json.loads(shown)[0]["task"] == ESCAPES


def test_a_terminals_width_is_kept(outrig, store):
    records.done(store, command=["x" * 300])
    shown = terminals.screen(outrig, "ls", columns=100)
    assert max(len(line) for line in shown.splitlines()) == 100
    assert "x" * 300 in outrig("ls").ok().out


def test_a_closed_pipe_is_no_traceback(outrig, store):
    for number in range(30):
        records.done(store, at=at(number))
    process = outrig.start("ls", "--json", "--all")
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    process.stdin.close()
    assert process.wait() == 141
    assert error == b""


# ---------------------------------------------------------------- projects and relations


def test_this_project_first_for_people_only(outrig, store, git_repository):
    theirs = records.done(store, at=at(3), project="/elsewhere/.git")
    ours = records.done(store, at=at(2), project=f"{git_repository}/.git")
    other = records.done(store, at=at(1))
    lines = outrig("ls", cwd=git_repository).ok().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [ours.id, "other", theirs.id, other.id]
    assert lines[2] == "other projects"
    inside = git_repository / "deep"
    inside.mkdir()
    assert outrig("ls", cwd=inside).ok().out.splitlines() == lines
    newest_first = [theirs.id, ours.id, other.id]
    assert outrig("ls", "-q", cwd=git_repository).ok().out.split() == newest_first
    as_json = json.loads(outrig("ls", "--json", cwd=git_repository).ok().out)
    assert [one["id"] for one in as_json] == newest_first
    assert "other projects" not in outrig("ls").ok().out


def test_a_project_by_name_and_by_directory(outrig, store, git_repository):
    ours = records.done(store, at=at(2), project=f"{git_repository}/.git")
    records.done(store, at=at(3), project="/elsewhere/.git")
    for named in (git_repository.name, str(git_repository), "."):
        found = outrig("ls", "-q", "--project", named, cwd=git_repository).ok().out.split()
        assert found == [ours.id]
    assert outrig("ls", "-q", "--project", "nosuch").ok().out == ""
    assert "is no directory" in outrig("ls", "--project", "./nosuch").failed(2).err


def test_sessions_by_what_they_have_to_do_with_others(outrig, store):
    main = records.done(store, at=at(0), kind="main", issue="#7", group="night")
    child = records.done(store, at=at(1), kind="subagent", parent=main.id, group="night")
    records.done(store, at=at(2), kind="cron")

    def found(*args):
        return outrig("ls", "-q", *args).ok().out.split()

    assert found("--issue", "#7") == [main.id]
    assert found("--group", "night") == [child.id, main.id]
    assert found("--parent", main.id) == [child.id]
    assert found("--kind", "subagent", "--kind", "main") == [child.id, main.id]
    assert found("--group", "night", "--limit", "1") == [child.id]
    assert "is no kind" in outrig("ls", "--kind", "robot").failed(2).err


def test_what_was_active_lately(outrig, store):
    now = datetime.now(UTC)
    records.done(store, at=now - timedelta(hours=5))
    long = records.begin(store, at=now - timedelta(hours=5))
    late = records.finish(long, after=4.9 * 3600)
    silent = records.begin(store, at=now - timedelta(hours=3))
    talking = records.begin(store, at=now - timedelta(hours=2))
    records.say(store.directory(talking.id), ("stdout", b"hello\n"))
    assert outrig("ls", "-q", "--active", "30m").ok().out.split() == [talking.id, late.id]
    assert silent.id in outrig("ls", "-q", "--active", "4h").ok().out
    silent.close()
    talking.close()
