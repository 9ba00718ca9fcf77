from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from outrig.core.session import with_fields
from outrig.errors import StoreError
from outrig.store import removal, tree
from outrig.store.sessions import SessionStore
from tests import records


@pytest.fixture
def store(session_root: Path) -> SessionStore:
    return SessionStore(session_root)


def furnished(store: SessionStore, **how: object) -> tuple[str, Path]:
    """A session with everything that outrig writes."""
    session = records.done(store, **how)
    directory = Path(os.path.realpath(store.directory(session.id)))
    records.say(directory, ("stdout", b"hello\n"))
    (directory / "logs/build.log").touch()
    (directory / "config.toml").touch()
    (directory / "intent.json").write_text("{}")
    (directory / ".session.json.1-aa.tmp").touch()
    (directory / "etc").mkdir()
    (directory / "etc/passwd").touch()
    (directory / "home/.cache/deep").mkdir(parents=True)
    (directory / "home/.cache/deep/file").touch()
    return session.id, directory


def rest(store: SessionStore) -> set[str]:
    dots = (".root-id", ".open", ".locks", ".names", ".events")
    return {path.name for path in store.root.iterdir()} - set(dots)


def test_everything_of_outrig_goes(store):
    session, directory = furnished(store, name="mine")
    assert removal.remove(store, session) is None
    assert not directory.exists()
    assert rest(store) == set()
    assert store.named("mine") is None
    assert list((store.root / ".names").iterdir()) == []


def test_what_the_user_put_there_is_kept_and_named(store):
    session, directory = furnished(store)
    (directory / "notes.txt").write_text("mine")
    (directory / "logs/extra.txt").write_text("mine too")
    kept = removal.remove(store, session)
    assert kept == (store.root / f"{session}.kept", ("logs", "notes.txt"))
    assert rest(store) == {f"{session}.kept"}
    assert (store.root / f"{session}.kept/notes.txt").read_text() == "mine"
    assert os.listdir(store.root / f"{session}.kept/logs") == ["extra.txt"]
    assert store.ids() == []


def test_what_was_kept_earlier_is_not_overwritten(store):
    session, directory = furnished(store)
    (store.root / f"{session}.kept").mkdir()
    (directory / "notes.txt").touch()
    kept = removal.remove(store, session)
    assert kept
    assert kept.path.name == f"{session}.kept2"


@pytest.mark.parametrize("mode", ["bind", "copy"])
def test_a_workspace_of_the_sessions_own_goes(store, mode):
    """In mode bind it holds the session's .git."""
    session, directory = furnished(store, workspace={"mode": mode})
    (directory / "workspace/sub").mkdir(parents=True)
    assert removal.remove(store, session) is None
    assert not directory.exists()


# ---------------------------------------------------------------- links


def test_links_are_removed_and_never_followed(store, tmp_path):
    session, directory = furnished(store)
    precious = tmp_path / "precious"
    (precious / "sub").mkdir(parents=True)
    (precious / "sub/file").write_text("keep me")
    (directory / "home/link").symlink_to(precious)
    (directory / "home/.cache/deep/up").symlink_to("../../../../..")
    (directory / "home/.cache/file").symlink_to(precious / "sub/file")
    assert removal.remove(store, session) is None
    assert (precious / "sub/file").read_text() == "keep me"


@pytest.mark.parametrize("name", ["logs", "home", "etc", "config.toml", "session.json"])
def test_a_link_in_the_place_of_something_of_outrigs_leads_nowhere(store, tmp_path, name):
    session, directory = furnished(store)
    precious = tmp_path / "precious"
    precious.mkdir()
    for inside in ("stdout.log", "timing", "session.json", "file"):
        (precious / inside).write_text("keep me")
    os.rename(directory / name, tmp_path / "moved")
    (directory / name).symlink_to(precious)
    removal.remove(store, session)
    assert sorted(os.listdir(precious)) == ["file", "session.json", "stdout.log", "timing"]
    assert store.ids() == []


# ---------------------------------------------------------------- --session-dir


def test_an_explicit_directory_that_outrig_made_goes(store, tmp_path):
    session, directory = furnished(store, session_dir=tmp_path / "run")
    assert removal.remove(store, session) is None
    assert not directory.exists()
    assert rest(store) == set()


def test_an_explicit_directory_of_the_users_stays_empty(store, tmp_path):
    (tmp_path / "run").mkdir()
    session, directory = furnished(store, session_dir=tmp_path / "run")
    assert removal.remove(store, session) is None
    assert os.listdir(directory) == []


def test_what_the_user_put_into_an_explicit_directory_stays_where_it_is(store, tmp_path):
    session, directory = furnished(store, session_dir=tmp_path / "run")
    (directory / "report.html").touch()
    assert removal.remove(store, session) == (directory, ("report.html",))
    assert os.listdir(directory) == ["report.html"]
    assert rest(store) == set()


def test_a_directory_that_now_holds_another_session_is_not_touched(store, tmp_path):
    session, directory = furnished(store, session_dir=tmp_path / "run")
    other = with_fields(store.load(session), id="20200101T000000-0000")
    (directory / "session.json").write_text(json.dumps(dict(other.fields)))
    before = sorted(os.listdir(directory))
    kept = removal.remove(store, session)
    assert kept
    assert kept.path == directory
    assert sorted(os.listdir(directory)) == before
    assert rest(store) == set()


def test_a_dangling_link_goes(store):
    store.make_root()
    (store.root / "20260501T134412-3f2a").symlink_to("/nowhere/at/all")
    assert removal.remove(store, "20260501T134412-3f2a") is None
    assert rest(store) == set()


def test_a_link_to_a_file_goes_and_the_file_stays(store, tmp_path):
    store.make_root()
    (tmp_path / "file").touch()
    (store.root / "20260501T134412-3f2a").symlink_to(tmp_path / "file")
    assert removal.remove(store, "20260501T134412-3f2a") is None
    assert (tmp_path / "file").exists()


# ---------------------------------------------------------------- odd ones, and halfway


def test_a_file_shaped_like_a_session_is_kept(store):
    store.make_root()
    (store.root / "20260501T134412-3f2a").write_text("mine")
    kept = removal.remove(store, "20260501T134412-3f2a")
    assert kept
    assert kept.path.read_text() == "mine"


def test_a_corrupt_record_goes_like_any_other(store):
    session, directory = furnished(store)
    (directory / "session.json").write_text("{")
    assert removal.remove(store, session) is None
    assert rest(store) == set()


def test_a_foreign_session_goes_with_its_logs_and_nothing_else(store):
    directory = records.adopt_rust_record(store, "20260718T091502-a41c")
    (directory / "logs").mkdir()
    (directory / "logs/db.stderr").touch()
    (directory / "home").mkdir()
    kept = removal.remove(store, "20260718T091502-a41c")
    assert kept
    assert kept.names == ("home",)


@pytest.mark.parametrize("calls", range(17))
def test_a_removal_killed_halfway_can_be_done_again(store, monkeypatch, calls):
    """Each unlink, rename and rmdir in turn is the last one before the kill."""
    session, directory = furnished(store)
    left = [calls]

    def killing(really):
        def act(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return really(*args, **kwargs)

        return act

    with monkeypatch.context() as patched:
        for name in ("unlink", "rename", "rmdir"):
            patched.setattr(os, name, killing(getattr(os, name)))
        with pytest.raises(KeyboardInterrupt):
            removal.remove(store, session)
    if (directory / "logs/stdout.log").exists():
        assert store.load(session).id == session
    if store.exists(session):
        assert removal.remove(store, session) is None
    removal.forget(store, session)
    assert rest(store) == set()


def test_what_may_be_refused_goes_first_so_that_a_refusal_costs_nothing(store, monkeypatch):
    session, directory = furnished(store)

    def refuse(*_args):
        raise PermissionError(1, "Operation not permitted", "home")

    monkeypatch.setattr(tree, "remove", refuse)
    with pytest.raises(StoreError, match="cannot remove all of") as caught:
        removal.remove(store, session)
    assert (caught.value.hint or "").endswith(
        f"sudo outrig discard --session-root {store.root} {session}"
    )
    assert (directory / "session.json").exists()
    assert (directory / "config.toml").exists()
    assert (directory / "logs/stdout.log").read_bytes() == b"hello\n"


# ---------------------------------------------------------------- trees


def test_a_tree_goes_however_deep_it_is(tmp_path):
    """Deeper than it opens descriptors, and not deeper than pytest could tidy up."""
    here = os.open(tmp_path, os.O_RDONLY)
    os.mkdir("top", dir_fd=here)
    inner = os.open("top", os.O_RDONLY, dir_fd=here)
    for _ in range(600):
        os.mkdir("d", dir_fd=inner)
        below = os.open("d", os.O_RDONLY, dir_fd=inner)
        os.close(inner)
        inner = below
    os.close(inner)
    tree.remove("top", here)
    assert os.listdir(here) == []
    os.close(here)


def test_a_tree_goes_whatever_its_permissions(tmp_path):
    locked = tmp_path / "top/locked/inner"
    locked.mkdir(parents=True)
    (locked / "file").touch()
    for path in (locked, locked.parent):
        path.chmod(0)
    here = os.open(tmp_path, os.O_RDONLY)
    tree.remove("top", here)
    os.close(here)
    assert os.listdir(tmp_path) == []


def test_a_link_given_as_a_tree_goes_alone(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").touch()
    (tmp_path / "link").symlink_to("real")
    here = os.open(tmp_path, os.O_RDONLY)
    tree.remove("link", here)
    os.close(here)
    assert os.listdir(tmp_path) == ["real"]
    assert os.listdir(tmp_path / "real") == ["file"]
