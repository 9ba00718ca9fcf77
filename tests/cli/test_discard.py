from __future__ import annotations

import json
import signal

import pytest

from outrig.store.sessions import SessionStore
from tests import records
from tests.cli import terminals
from tests.conftest import leftovers


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


def test_yes_removes_and_prints_the_id(outrig, store):
    session = records.done(store, name="mine")
    records.say(store.directory(session.id), ("stdout", b"x"))
    done = outrig("discard", "-y", "mine").ok()
    assert (done.out, done.err) == (f"{session.id}\n", "")
    assert store.ids() == []
    assert outrig("rm", "-y", session.id).code == 1


def test_without_a_terminal_it_refuses_and_names_the_flag(outrig, store):
    session = records.done(store)
    done = outrig("discard", session.id, stdin=b"y\n")
    assert done.code == 2
    assert "-y" in done.err
    assert store.exists(session.id)


@pytest.mark.parametrize(("typed", "goes"), [(b"y\n", True), (b"n\n", False), (b"\n", False)])
def test_it_asks_naming_exactly_what(outrig, store, typed, goes):
    one = records.done(store, name="one")
    two = records.done(store, at=records.NOON.replace(hour=13), command=["\x1b[2Jevil"])
    shown = terminals.screen(outrig, "discard", "one", "@last", typed=typed)
    for session in (one, two):
        assert f"{session.id}  completed  1m30s  host" in shown
        assert str(store.directory(session.id)) in shown
    assert "Remove these 2 sessions? [y/N]" in shown
    assert terminals.is_harmless(shown)
    assert store.ids() == ([] if goes else [two.id, one.id])


def test_several_without_asking_need_exact_ids(outrig, store):
    ids = [records.done(store, at=records.NOON.replace(minute=one)).id for one in range(3)]
    done = outrig("discard", "-y", ids[0], "@last")
    assert done.code == 1
    assert "exact id" in done.err
    assert len(store.ids()) == 3
    assert outrig("discard", "-y", *ids[:2], ids[0]).ok().out.split() == ids[:2]
    assert store.ids() == ids[2:]


def test_one_that_is_refused_spares_the_others(outrig, store):
    good = records.done(store)
    held = records.begin(store, at=records.NOON.replace(hour=13))
    done = outrig("discard", "-y", good.id, held.id)
    assert done.code == 1
    assert f"session {held.id} is running" in done.err
    assert len(store.ids()) == 2
    held.close()


def test_what_is_kept_is_named(outrig, store):
    session = records.done(store)
    (store.directory(session.id) / "note\x1b[2Js.txt").touch()
    done = outrig("discard", "-y", session.id).ok()
    assert f"kept what outrig did not write: {store.root}/{session.id}.kept (notes.txt)" in done.err


@pytest.mark.parametrize("break_it", ["corrupt", "half-written", "dangling", "foreign", "file"])
def test_what_is_not_well_goes_by_its_exact_id(outrig, store, break_it):
    store.make_root()
    session = "20260718T091502-a41c"
    path = store.root / session
    if break_it == "foreign":
        records.adopt_rust_record(store, session)
    elif break_it == "dangling":
        path.symlink_to("/nowhere")
    elif break_it == "file":
        path.touch()
    else:
        path.mkdir()
        (path / "session.json").write_text("{" if break_it == "corrupt" else "")
    assert outrig("discard", "-y", "a41c").code == 1
    assert store.exists(session)
    outrig("discard", "-y", session).ok()
    assert store.ids() == []


def test_by_directory(outrig, store, tmp_path, home):
    records.done(store, session_dir=tmp_path / "run")
    (home.config / "outrig").mkdir(parents=True)
    (home.config / "outrig/config.toml").write_text("session-root = [broken")
    outrig("discard", "-y", "--session-dir", tmp_path / "run").ok()
    assert not (tmp_path / "run").exists()
    assert store.ids() == []


@pytest.mark.parametrize("args", [[], ["-y"], ["x", "--session-dir", "y"], ["-y", ""]])
def test_usage_errors(outrig, args):
    assert outrig("discard", *args).code == 2


# ---------------------------------------------------------------- on the real engine


@pytest.mark.docker
def test_a_killed_outrig_leaves_what_discard_removes(run, outrig, engine_client, tmp_path):
    process = run.start("--name", "long", "--", "sleep", "300")
    record = run.until_status("running")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "running (unattended)" in outrig("ls").ok().out
    assert json.loads(outrig("ls", "--json").ok().out)[0]["attended"] is False
    refused = outrig("discard", "-y", "long")
    assert refused.code == 1
    assert f"outrig discard --force {record['id']}" in refused.err
    assert len(leftovers(engine_client, run.root)) == 1
    outrig("discard", "-y", "--force", "long").ok()
    assert leftovers(engine_client, run.root) == []
    assert not (run.root / record["id"]).exists()


@pytest.mark.docker
def test_a_finished_run_goes_whole(run, outrig):
    run("--", "sh", "-c", "mkdir -p ~/a/b; touch ~/a/b/c; chmod 0 ~/a/b; echo hi").ok()
    session = run.record()["id"]
    done = outrig("discard", "-y", session).ok()
    assert (done.out, done.err) == (f"{session}\n", "")
    assert run.sessions() == []


@pytest.mark.docker
def test_what_another_uid_made_in_its_home_goes_too(run, outrig):
    """For a caller who is not root, by a helper container that runs as that uid."""
    deep = "mkdir -p ~/a/b; touch ~/a/b/c; ln -s /etc ~/a/b/link; chmod 0 ~/a/b ~/a"
    run("-u", "4242:4242", "--", "sh", "-c", deep).ok()
    session = run.record()["id"]
    done = outrig("discard", "-y", session).ok()
    assert (done.out, done.err) == (f"{session}\n", "")
    assert run.sessions() == []
