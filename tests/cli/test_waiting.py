"""No command waits for a FIFO that a session left where git opens a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.store.sessions import SessionStore
from tests.runner.works import Worked, bound
from tests.workspace.repositories import WHO, Tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Outrig

PATIENCE = 25  # seconds; git is given 120


@pytest.fixture
def worked(session_root: Path, outrig: Outrig) -> Worked:
    """A session in the user's own tree, which has ended."""
    user = Tree(outrig.cwd)
    user.git("init", "-q", "-b", "main")
    user.commit("base", file="1", gone="1")
    session = bound(SessionStore(session_root), user)
    session.commit("agent", file="2")
    session.tree.write(late="1", gone=None)
    return session.end()


VERBS = (
    *(("accept", "--dry-run"), ("accept",), ("branch", "{}", "new"), ("archive",)),
    *(("diff",), ("patch",), ("undo", "--dry-run"), ("show",), ("discard", "-y")),
)
READ_OBJECTS = ("diff", "patch", "undo")


@pytest.mark.parametrize("place", ["index", "objects/pack/pack-0.idx"])
def test_it_is_named_instead(worked: Worked, outrig: Outrig, place: str) -> None:
    fifo = worked.tree.git_dir / place
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)
    for verb, *words in VERBS:
        argv = [word.format(worked.id) for word in words]
        named = argv if worked.id in argv else [*argv, worked.id]
        done = outrig(verb, *named, env=WHO, timeout=PATIENCE)
        if verb in ("show", "discard") or (place == "index" and verb in READ_OBJECTS):
            assert done.code == 0, done.err
        else:
            assert done.failed(1).err.startswith(f"error: {fifo} is a FIFO"), verb
