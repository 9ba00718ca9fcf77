"""What a session did in a directory without git arrives there, or is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.errors import WorkspaceError
from outrig.workspace.landing import OverlapError
from tests.runner.accepts import accept
from tests.runner.works import copied
from tests.workspace.repositories import everything

if TYPE_CHECKING:
    from pathlib import Path

    from outrig.store.sessions import SessionStore


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain"
    (path / "sub").mkdir(parents=True)
    for name in ("change", "gone", "keep", "sub/x"):
        (path / name).write_text("1")
    return path


def test_a_directory_gets_the_changes(store: SessionStore, plain: Path) -> None:
    worked = copied(store, plain)
    worked.tree.write(change="2", gone=None, deep__new="n")
    worked.end()
    done = accept(worked)
    assert (plain / "change").read_text() == "2"
    assert not (plain / "gone").exists()
    assert (plain / "deep/new").read_text() == "n"
    assert (done.commit, done.into) == (None, str(plain))
    assert worked.found().session.fields["outcome"]["state"] == "accepted"


def test_some_paths_of_a_directory(store: SessionStore, plain: Path) -> None:
    worked = copied(store, plain)
    worked.tree.write(change="2", new="n")
    worked.end()
    assert accept(worked, paths=(b"new",)).open
    assert (plain / "change").read_text() == "1"
    assert not accept(worked, paths=(b"change",)).open
    assert (plain / "change").read_text() == "2"
    assert worked.found().session.fields["outcome"]["state"] == "accepted"


def test_a_directory_that_was_changed_since(store: SessionStore, plain: Path) -> None:
    worked = copied(store, plain)
    worked.tree.write(change="2", new="n")
    worked.end()
    (plain / "change").write_text("mine")
    (plain / "new").write_text("mine")
    before = everything(plain)
    with pytest.raises(OverlapError) as caught:
        accept(worked)
    assert [one.path for one in caught.value.overlaps] == [b"change", b"new"]
    assert everything(plain) == before


def test_a_directory_has_no_branch(store: SessionStore, plain: Path) -> None:
    worked = copied(store, plain).end()
    with pytest.raises(WorkspaceError, match="no branch"):
        accept(worked, into="main")
