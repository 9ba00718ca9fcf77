from __future__ import annotations

import contextlib
import os
import shutil
import signal
from datetime import UTC, datetime, timedelta

import pytest

from outrig.core.session import with_fields
from outrig.engine import connect
from outrig.store.sessions import SessionStore
from tests import records
from tests.cli import terminals
from tests.conftest import leftovers


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


def aged(store: SessionStore, *, days: float) -> str:
    """A session that ended so many days ago."""
    return records.done(store, at=datetime.now(UTC) - timedelta(days=days)).id


def test_old_ones_are_shown_and_go(outrig, store):
    young, old = aged(store, days=1), aged(store, days=40)
    shown = outrig("clean", "--dry-run").ok()
    assert shown.out.startswith(f"session  {old}  completed  ")
    assert shown.out.count("\n") == 1
    assert store.ids() == [young, old]
    assert outrig("clean", "-y").ok().out == shown.out
    assert store.ids() == [young]
    assert "nothing to clean" in outrig("clean", "-y").ok().err


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--older-than", "5d"], [0]),
        (["--older-than", "0s"], []),
        (["--keep", "2"], [0, 1]),
        (["--keep", "0", "--status", "failed"], [0, 1, 2]),
        (["--keep", "1", "--older-than", "15d"], [0, 1]),
    ],
)
def test_which(outrig, store, options, left):
    ids = [aged(store, days=days) for days in (1, 10, 20)]
    outrig("clean", "-y", *options).ok()
    assert store.ids() == [ids[one] for one in left]


@pytest.mark.parametrize(("typed", "goes"), [(b"y\n", True), (b"n\n", False)])
def test_it_asks_once(outrig, store, typed, goes):
    ids = [aged(store, days=days) for days in (40, 50)]
    shown = terminals.screen(outrig, "clean", typed=typed)
    assert shown.count("Remove all of this? [y/N]") == 1
    assert all(one in shown for one in ids)
    assert store.ids() == ([] if goes else ids)


def test_without_a_terminal_it_refuses(outrig, store):
    old = aged(store, days=40)
    done = outrig("clean")
    assert (done.code, "outrig clean -y" in done.err) == (2, True)
    assert store.ids() == [old]


def test_what_runs_is_never_touched(outrig, store):
    held = records.begin(store)
    foreign = "20260718T091502-a41c"
    records.adopt_rust_record(store, foreign)
    outrig("clean", "-y", "--older-than", "0s").ok()
    assert sorted(store.ids()) == sorted([held.id, foreign])
    held.close()


def test_what_is_still_there_is_named(outrig, store):
    one, two = aged(store, days=40), aged(store, days=50)
    noted = [{"kind": "container", "role": "agent", "ref": "0" * 64, "attempt": "a"}]
    store.update(
        one,
        lambda session: with_fields(session, resources=noted, engine="unix:///nowhere.sock"),
    )
    done = outrig("clean", "-y")
    assert done.code == 1
    assert f"session {one} is still there: cannot tell whether" in done.err
    assert store.ids() == [one]
    assert two not in done.err


@pytest.mark.parametrize("options", [["--older-than", "soon"], ["--status", "running"]])
def test_usage_errors(outrig, options):
    assert outrig("clean", *options).code == 2


# ---------------------------------------------------------------- on the real engine


def test_an_engine_that_is_silent_is_named_once(outrig, store):
    gone = "unix:///nowhere.sock"
    records.abandon(records.begin(store), gone)
    done = outrig("clean", "--dry-run", env={"DOCKER_HOST": gone}).ok()
    assert done.err.count("cannot look for what is left on an engine") == 1
    assert done.err.count("cannot tell what became of") == 1


@pytest.mark.docker
def test_a_container_whose_record_is_gone(run, outrig, engine_client):
    process = run.start("--", "sh", "-c", "echo hi; sleep 300")
    run.until_said(b"hi\n")
    process.send_signal(signal.SIGKILL)
    process.wait()
    name = run.record()["container_name"]
    assert "nothing to clean" in outrig("clean", "--older-than", "0s", "--dry-run").ok().err
    record = run.session / "session.json"
    kept = record.read_bytes()
    record.write_text("{")
    assert "nothing to clean" in outrig("clean", "-y").ok().err  # unreadable counts as present
    record.write_bytes(kept)
    shutil.rmtree(run.session)
    assert outrig("clean", "--dry-run").ok().out == f"container  {name}\n"
    assert len(leftovers(engine_client, run.root)) == 1
    outrig("clean", "-y").ok()
    assert leftovers(engine_client, run.root) == []


@pytest.mark.docker
def test_another_roots_container_is_not_ours(run, outrig, tmp_path):
    process = run.start("--", "sh", "-c", "echo hi; sleep 300")
    run.until_said(b"hi\n")
    done = outrig("clean", "-y", "--older-than", "0s", "--session-root", tmp_path / "other").ok()
    assert "nothing to clean" in done.err
    assert "nothing to clean" in outrig("clean", "-y", "--older-than", "0s").ok().err
    process.send_signal(signal.SIGTERM)
    process.wait()
    assert run.record()["status"] == "stopped"


@pytest.mark.docker
def test_unused_images(run, outrig, engine_client, home):
    tags = [f"outrig/clean-test:{number:016x}" for number in (1, 2)]
    for tag in tags:
        engine_client.images.get(run.image).tag(*tag.split(":"))
    try:
        outrig("run", "--image", tags[1], "--network", "none", "--", "true").ok()
        assert "outrig/clean-test" not in outrig("clean", "--dry-run").ok().out
        shown = outrig("clean", "--images", "--dry-run").ok().out
        assert [one for one in tags if f"image  {one}\n" in shown] == tags[:1]
        engine = connect(None, env=os.environ, home=home.path, cache=home.cache, slots=home.run)
        with contextlib.closing(engine):
            for _ in range(2):  # gone already is no error
                engine.remove_image(tags[0])
            assert engine.image(tags[0]) is None
    finally:
        engine_client.images.remove(tags[1])
