"""A user's repository, work of a session on it, and accepting that."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.runner import accept as accepting
from outrig.runner.accepted import Wish
from tests.runner.works import SIGNATURE, Worked
from tests.workspace.repositories import Tree, everything, made

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from outrig.errors import OutrigError
    from outrig.runner.accepted import Accepted


def users(top: Path) -> Tree:
    tree = made(top / "repo")
    tree.write(_gitignore="*.log\n", keep="k", change="1", gone="1", sub__x="1")
    tree.commit("base")
    return tree


def accept(worked: Worked, **wish: Any) -> Accepted:
    return accepting.accept(worked.found(), Wish(**wish), signature=SIGNATURE, env=os.environ)


def refused(worked: Worked, user: Tree, kind: type[OutrigError], **wish: Any) -> Any:
    """It is, and not a byte of the user's has changed."""
    before = everything(user.path)
    with pytest.raises(kind) as caught:
        accept(worked, **wish)
    assert everything(user.path) == before
    return caught.value


def work(worked: Worked) -> str:
    """Two commits, and an edit, a new file and a removal that are in none."""
    worked.commit("one", change="2")
    head = worked.commit("two", new="n")
    worked.tree.write(change="3", late="l", gone=None, noise_log="ignored")
    worked.end()
    return head


def subjects(user: Tree, ref: str = "main") -> list[str]:
    return user.git("log", "--format=%s", ref).splitlines()
