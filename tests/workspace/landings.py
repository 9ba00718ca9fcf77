"""How a branch of a test's repository is asked to land on another."""

from __future__ import annotations

import os

from outrig.workspace.landing import Checkout, Landing
from tests.workspace.repositories import WHO, Tree


def checkout(tree: Tree) -> Checkout:
    return Checkout(root=tree.path, repository=tree.repository, common_dir=tree.git_dir)


def order(tree: Tree, *, new: str = "work", ref: str = "main", files: bool = True) -> Landing:
    return Landing(
        ref=f"refs/heads/{ref}",
        old=tree.git("rev-parse", ref),
        new=tree.git("rev-parse", new),
        log="outrig accept",
        identity=WHO,
        with_files=files,
    )


def umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found
