from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from outrig.core.engine import UNLINKED, Ref, Seen
from outrig.core.session import with_fields, with_resource
from outrig.errors import EngineUnreachableError, SessionBusyError, StoreError
from outrig.runner.discard import Discarder, Doomed, doomed_by_id
from outrig.store import finding, lock, tree
from outrig.store.sessions import SessionStore
from tests import records
from tests.fakes import FakeEngine

if TYPE_CHECKING:
    from pathlib import Path


class Daemon:
    """The two calls that discarding makes; a real engine's are tested through the command line."""

    def __init__(self, *seen: Seen, silent: bool = False) -> None:
        self.containers = list(seen)
        self.silent = silent
        self.asked: list[str | None] = []

    def connect(self, endpoint: str | None) -> Any:
        self.asked.append(endpoint)
        if self.silent:
            raise EngineUnreachableError("no engine answers")
        return self

    def seen(self, root: str) -> list[Seen]:
        return [one for one in self.containers if one.root == root]

    def remove(self, ref: Ref) -> None:
        self.containers = [one for one in self.containers if one.ref != ref]


@pytest.fixture
def store(session_root: Path) -> SessionStore:
    return SessionStore(session_root)


def container(store: SessionStore, session: str, state: str) -> Seen:
    return Seen(
        ref=Ref(engine="docker", endpoint="unix:///e.sock", id=f"{session}-{state}"),
        name=f"outrig-{session}",
        session=session,
        root=store.root_id(),
        attempt="a",
        role="agent",
        state=state,
    )


def left_running(store: SessionStore, **fields: Any) -> str:
    """A session whose outrig was killed: unfinished, unattended, its container noted."""
    held = records.begin(store, engine="unix:///e.sock", **fields)
    held.update(
        lambda one: with_resource(one, kind="container", role="agent", ref="c1", attempt="a")
    )
    held.close()
    return held.id


def discard(store: SessionStore, session: str, daemon: Daemon, *, force: bool = False) -> list[str]:
    notices: list[str] = []
    discarder = Discarder(connect=daemon.connect, notice=notices.append, force=force)
    discarder.discard(doomed_by_id(store, session))
    return notices


def test_an_ended_session_needs_no_engine(store):
    session = records.done(store).id
    daemon = Daemon(silent=True)
    discard(store, session, daemon)
    assert daemon.asked == []
    assert store.ids() == []
    assert list((store.root / ".locks").glob(f"{session}.*")) == []


@pytest.mark.parametrize("force", [False, True])
def test_one_that_somebody_attends_is_refused(store, force):
    held = records.begin(store)
    with pytest.raises(SessionBusyError, match=f"{held.id} is running"):
        discard(store, held.id, Daemon(), force=force)
    assert store.load(held.id).status == "running"
    held.close()


def test_one_whose_container_runs_is_refused_without_force(store):
    session = left_running(store)
    daemon = Daemon(container(store, session, "running"))
    with pytest.raises(SessionBusyError, match="still runs") as caught:
        discard(store, session, daemon)
    assert caught.value.hint == f"outrig discard --force {session}"
    assert store.exists(session)
    assert not store.attended(session)


def test_with_force_its_container_goes_and_no_other(store):
    session = left_running(store)
    other = container(store, "20200101T000000-0000", "running")
    daemon = Daemon(container(store, session, "running"), other)
    discard(store, session, daemon, force=True)
    assert daemon.containers == [other]
    assert daemon.asked == ["unix:///e.sock"]
    assert store.ids() == []


@pytest.mark.parametrize("state", ["exited", "created", "dead"])
def test_one_whose_container_has_ended_goes_with_it(store, state):
    session = left_running(store)
    daemon = Daemon(container(store, session, state))
    discard(store, session, daemon)
    assert daemon.containers == []
    assert store.ids() == []


def test_a_paused_container_runs(store):
    session = left_running(store)
    with pytest.raises(SessionBusyError):
        discard(store, session, Daemon(container(store, session, "paused")))


def test_a_silent_engine_is_no_proof_that_nothing_runs(store):
    session = left_running(store)
    with pytest.raises(EngineUnreachableError, match="cannot tell whether"):
        discard(store, session, Daemon(silent=True))
    assert store.exists(session)
    notices = discard(store, session, Daemon(silent=True), force=True)
    assert notices == [f"{session}: no engine answers; its container may still be there"]
    assert store.ids() == []


def test_one_that_never_had_a_container_goes_without_an_engine(store):
    held = records.begin(store)
    held.close()
    discard(store, held.id, Daemon(silent=True))
    assert store.ids() == []


def test_a_corrupt_record_goes_once_nothing_of_it_runs(store):
    session = left_running(store)
    (store.directory(session) / "session.json").write_text("{")
    daemon = Daemon(container(store, session, "running"))
    with pytest.raises(SessionBusyError):
        discard(store, session, daemon)
    discard(store, session, daemon, force=True)
    assert (daemon.containers, store.ids()) == ([], [])


def test_another_tools_unfinished_session_needs_force_and_no_engine(store):
    records.adopt_rust_record(store, "20260801T235959-ffff")
    daemon = Daemon(silent=True)
    with pytest.raises(SessionBusyError, match="another tool"):
        discard(store, "20260801T235959-ffff", daemon)
    discard(store, "20260801T235959-ffff", daemon, force=True)
    assert (daemon.asked, store.ids()) == ([], [])


def test_another_machines_unfinished_session_needs_force_whatever_an_engine_here_says(store):
    session = left_running(store)
    store.update(session, lambda one: with_fields(one, machine="another"))
    daemon = Daemon()
    with pytest.raises(SessionBusyError, match="another machine"):
        discard(store, session, daemon)
    discard(store, session, daemon, force=True)
    assert (daemon.asked, store.ids()) == ([], [])


def test_checking_removes_nothing(store):
    session = records.done(store).id
    discarder = Discarder(connect=Daemon().connect, notice=pytest.fail)
    discarder.check(doomed_by_id(store, session))
    assert store.load(session).id == session


# ---------------------------------------------------------------- by directory


def by_directory(directory: Path) -> Doomed:
    found = finding.open_directory(directory)
    return Doomed(found.session.id, found.session, found.directory, found.store)


def discard_directory(directory: Path) -> None:
    discarder = Discarder(connect=Daemon().connect, notice=pytest.fail)
    discarder.discard(by_directory(directory))


def test_by_directory_the_link_in_the_root_goes_too(store, tmp_path):
    records.done(store, session_dir=tmp_path / "run", name="mine")
    discard_directory(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert store.ids() == []
    assert store.named("mine") is None


def test_by_directory_one_that_was_moved_takes_its_dangling_link_along(store, tmp_path):
    records.done(store, session_dir=tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    discard_directory(tmp_path / "moved")
    assert not (tmp_path / "moved").exists()
    assert store.ids() == []


def test_by_directory_without_its_root(store, tmp_path):
    records.done(store, session_dir=tmp_path / "run")
    store.root.rename(tmp_path / "elsewhere")
    discard_directory(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not store.root.exists()


def test_by_directory_a_copy_goes_and_the_original_stays(store, tmp_path):
    import shutil  # noqa: PLC0415

    session = records.done(store)
    shutil.copytree(store.directory(session.id), tmp_path / "copy")
    discard_directory(tmp_path / "copy")
    assert store.load(session.id).fields == session.fields
    assert list((tmp_path / "copy").iterdir()) == []


def test_while_it_is_discarded_nobody_takes_it_up(store, monkeypatch):
    session = records.done(store).id
    seen = []
    doomed = doomed_by_id(store, session)
    really = lock.forget

    def forget(root, one):
        seen.append(store.attended(one))
        really(root, one)

    monkeypatch.setattr(lock, "forget", forget)
    Discarder(connect=Daemon().connect, notice=pytest.fail).discard(doomed)
    assert seen == [True]


def test_what_counts_is_the_record_once_nobody_else_can_write_it(store):
    held = records.begin(store)
    doomed = doomed_by_id(store, held.id)
    held.update(
        lambda one: with_resource(one, kind="container", role="agent", ref="c1", attempt="a")
    )
    held.close()
    daemon = Daemon(container(store, held.id, "running"))
    with pytest.raises(SessionBusyError, match="still runs"):
        Discarder(connect=daemon.connect, notice=pytest.fail).discard(doomed)


# ---------------------------------------------------------------- files of another uid


def of_another_user(store: SessionStore) -> str:
    """A session whose HOME holds what its caller may not remove."""
    session = records.done(store, user="5555:5555", engine="unix:///e.sock").id
    inner = store.directory(session) / "home/theirs"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    return session


@pytest.fixture
def refused_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first tree that is to be removed belongs to another uid."""
    asked: list[str] = []
    really = tree.remove

    def remove(name: str, above: int) -> None:
        asked.append(name)
        if len(asked) == 1:
            raise PermissionError(13, "Permission denied", "home/theirs")
        really(name, above)

    monkeypatch.setattr(tree, "remove", remove)
    return asked


def test_what_belongs_to_the_session_s_user_is_removed_as_that_user(store, refused_once):
    session = of_another_user(store)
    engine = FakeEngine()
    Discarder(connect=lambda _: engine, notice=print).discard(doomed_by_id(store, session))
    (helper,) = engine.prepared
    assert helper.user == "5555:5555"
    assert helper.labels["org.outrig.role"] == "helper"
    assert helper.network == UNLINKED
    assert [mount.source for mount in helper.mounts if mount.writable] == [
        str(store.directory(session) / "home")
    ]
    assert len(engine.removed) == 1
    assert store.ids() == []


@pytest.mark.usefixtures("refused_once")
def test_without_an_engine_the_refusal_stands_and_nothing_is_lost(store):
    session = of_another_user(store)
    notices: list[str] = []
    discarder = Discarder(connect=Daemon(silent=True).connect, notice=notices.append)
    with pytest.raises(StoreError, match="cannot remove all of"):
        discarder.discard(doomed_by_id(store, session))
    assert "no engine answers" in notices[0]
    assert store.load(session).id == session


@pytest.mark.usefixtures("refused_once")
def test_a_home_that_is_a_link_is_not_emptied(store, tmp_path):
    session = of_another_user(store)
    (store.directory(session) / "home").rename(tmp_path / "elsewhere")
    (store.directory(session) / "home").symlink_to(tmp_path / "elsewhere")
    engine = FakeEngine()
    Discarder(connect=lambda _: engine, notice=print).discard(doomed_by_id(store, session))
    assert engine.prepared == []
    assert (tmp_path / "elsewhere/theirs/file").exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_root_that_may_not_be_written_is_found_out_before_anything_goes(store, tmp_path):
    session = records.done(store).id
    store.root.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="may not be written by you"):
            Discarder(connect=Daemon().connect, notice=print).check(doomed_by_id(store, session))
    finally:
        store.root.chmod(0o700)
    assert store.load(session).id == session
