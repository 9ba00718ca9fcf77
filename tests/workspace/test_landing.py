"""A commit lands on a branch: each row of the table, and refused landings change no byte."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.errors import WorkspaceError
from outrig.workspace import journal, landing
from outrig.workspace.landing import BranchMovedError, Checkout, Landing
from tests.workspace.landings import checkout, order, umask
from tests.workspace.repositories import WHO, Tree, everything, made

if TYPE_CHECKING:
    from pathlib import Path


def test_checked_out_here_everything_moves(tree: Tree) -> None:
    changes = landing.land(checkout(tree), order(tree))
    assert tree.git("rev-parse", "main") == tree.git("rev-parse", "work")
    assert tree.status() == []
    assert tree.git("fsck", "--no-dangling") == ""
    assert (tree.path / "run").stat().st_mode & 0o777 == 0o777 & ~umask()
    assert (tree.path / "change").stat().st_mode & 0o777 == 0o666 & ~umask()
    assert (tree.path / "link").readlink().name == "new"
    assert not (tree.path / "deep").exists()
    assert b"change" in {one.path for one in changes}
    assert not (tree.git_dir / journal.NAME).exists()
    assert "outrig accept" in tree.git("reflog", "show", "main")


def test_and_back_again(tree: Tree) -> None:
    old = tree.git("rev-parse", "main")
    landing.land(checkout(tree), order(tree))
    there = order(tree)
    back = Landing(ref=there.ref, old=there.new, new=old, log="back", identity=WHO)
    landing.land(checkout(tree), back)
    assert tree.status() == []
    assert (tree.path / "was/dir").read_text() == "d"


def test_not_checked_out_only_the_ref_moves(tree: Tree) -> None:
    tree.git("branch", "idle")
    tree.write(change="dirty")
    before = everything(tree.path)
    assert landing.land(checkout(tree), order(tree, ref="idle")) == ()
    assert tree.git("rev-parse", "idle") == tree.git("rev-parse", "work")
    after = everything(tree.path)
    moved = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {name.removeprefix(f"{tree.git_dir}/") for name in moved} == {
        "refs/heads/idle",
        "logs/refs/heads/idle",
    }


def test_a_branch_unborn_is_born_with_its_files(tmp_path: Path) -> None:
    tree = made(tmp_path / "repo")
    blob = tree.git("hash-object", "-w", "--stdin", stdin="text")
    made_tree = tree.git("mktree", stdin=f"100644 blob {blob}\tfile\n")
    commit = tree.git("commit-tree", made_tree, "-m", "x")
    first = Landing(ref="refs/heads/main", old=None, new=commit, log="first", identity=WHO)
    landing.land(checkout(tree), first)
    assert tree.status() == []
    assert (tree.path / "file").read_text() == "text"


def test_what_is_not_touched_stays_as_it_is(tree: Tree) -> None:
    """Dirty, staged and untracked paths elsewhere, and the stash."""
    tree.write(keep="stashed")
    tree.git("stash")
    tree.write(keep="staged")
    tree.git("add", "keep")
    tree.write(keep="and dirty", other="dirty", mine="untracked", x_log="ignored")
    stash = tree.git("rev-parse", "stash")
    staged = tree.git("ls-files", "-s", "keep")
    before = everything(tree.path)
    landing.land(checkout(tree), order(tree))
    assert tree.status() == ["MM keep", " M other", "?? mine"]
    assert tree.git("ls-files", "-s", "keep") == staged
    assert tree.git("rev-parse", "stash") == stash
    after = everything(tree.path)
    for name in ("keep", "other", "mine", "x.log"):
        assert after[f"{tree.path}/{name}"] == before[f"{tree.path}/{name}"]


def test_a_file_outside_of_a_sparse_checkout_stays_outside(tree: Tree) -> None:
    tree.git("sparse-checkout", "set", "--no-cone", "/*", "!/change", "!/gone")
    landing.land(checkout(tree), order(tree))
    assert not (tree.path / "change").exists()
    assert tree.status() == []
    assert tree.git("ls-files", "-v", "change") == "S change"


def test_checked_out_elsewhere_is_refused_naming_it(tree: Tree) -> None:
    other = tree.path.parent / "other tree"
    tree.git("worktree", "add", "-q", "-b", "theirs", other)
    before = everything(tree.path.parent)
    with pytest.raises(WorkspaceError, match=str(other)):
        landing.land(checkout(tree), order(tree, ref="theirs"))
    assert everything(tree.path.parent) == before


def test_in_a_linked_worktree_its_own_index_and_files_move(tree: Tree) -> None:
    path = tree.path.parent / "linked"
    tree.git("worktree", "add", "-q", "-b", "theirs", path)
    linked = Tree(path)
    where = Checkout(
        root=path,
        repository=type(tree.repository)(git_dir=tree.git_dir / "worktrees/linked", env=os.environ),
        common_dir=tree.git_dir,
    )
    landing.land(where, order(tree, ref="theirs"))
    assert linked.status() == []
    assert (path / "new").exists()
    assert tree.status() == []
    assert not (tree.path / "new").exists()


def test_a_branch_that_moved_is_refused(tree: Tree) -> None:
    wanted = order(tree)
    tree.commit("later", later="1")
    before = everything(tree.path)
    with pytest.raises(BranchMovedError, match="no longer at"):
        landing.land(checkout(tree), wanted)
    assert everything(tree.path) == before


@pytest.mark.parametrize("name", ["MERGE_HEAD", "CHERRY_PICK_HEAD"])
def test_in_the_middle_of_a_merge_is_refused(tree: Tree, name: str) -> None:
    (tree.git_dir / name).write_text(tree.git("rev-parse", "work") + "\n")
    with pytest.raises(WorkspaceError, match="under way"):
        landing.land(checkout(tree), order(tree))


def test_gits_own_lock_is_respected(tree: Tree) -> None:
    (tree.git_dir / "index.lock").write_bytes(b"")
    before = everything(tree.path)
    with pytest.raises(WorkspaceError, match=r"index\.lock exists"):
        landing.land(checkout(tree), order(tree))
    assert everything(tree.path) == before


def test_two_at_once_do_not_meet(tree: Tree) -> None:
    with journal.alone(tree.git_dir), pytest.raises(WorkspaceError, match="another outrig"):
        landing.land(checkout(tree), order(tree))


def test_in_bind_mode_the_files_are_there_already(tree: Tree) -> None:
    tree.git("status")
    tree.write(change="2 and uncommitted", new="n")
    before = {name: value for name, value in everything(tree.path).items() if "/.git/" not in name}
    landing.land(checkout(tree), order(tree, files=False))
    after = {name: value for name, value in everything(tree.path).items() if "/.git/" not in name}
    assert before == after
    assert " M change" in tree.status()
    assert not [line for line in tree.status() if line[0] not in " ?"]  # nothing is staged


# ---------------------------------------------------------------- nothing of the repository runs


def test_no_hook_filter_or_monitor_runs(tree: Tree) -> None:
    program = f"touch {tree.path.parent}/ran; cat"
    tree.commit("attributes", _gitattributes="* filter=x diff=x merge=x text\n")
    tree.git("checkout", "-q", "work")
    tree.git("rebase", "-q", "main")
    tree.git("checkout", "-q", "main")
    for key in ("filter.x.clean", "filter.x.smudge", "filter.x.process", "core.fsmonitor"):
        tree.git("config", key, program)
    for name in ("post-checkout", "reference-transaction", "post-index-change", "post-merge"):
        hook = tree.git_dir / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{program}\n")
        hook.chmod(0o755)
    landing.land(
        checkout(tree),
        Landing(
            ref="refs/heads/main",
            old=(tree.git_dir / "refs/heads/main").read_text().strip(),
            new=(tree.git_dir / "refs/heads/work").read_text().strip(),
            log="x",
            identity=WHO,
        ),
    )
    assert (tree.path / "new").exists()
    assert not (tree.path.parent / "ran").exists()
