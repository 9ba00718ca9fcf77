"""A commit lands on a branch: each row of the table, and refused landings change no byte."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrig.errors import WorkspaceError
from outrig.workspace import journal, landing, moving
from outrig.workspace.landing import BranchMovedError, Checkout, Landing, OverlapError
from tests.workspace.repositories import WHO, Tree, everything, made

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """`main`, and `work` that changes, adds, removes, and turns files into directories and back."""
    found = made(tmp_path / "repo")
    found.write(_gitignore="*.log\n", keep="k", change="1", gone="1", was__dir="d", now="file")
    found.write(deep__er__gone="1", other="o")
    (found.path / "link").symlink_to("keep")
    found.commit("base")
    found.git("checkout", "-q", "-b", "work")
    found.write(change="2", gone=None, deep__er__gone=None, new="n", sub__new="n", was__dir=None)
    (found.path / "was").rmdir()
    found.write(was="a file now", now=None, now2="x")
    found.write(now__inside="1") if not (found.path / "now").exists() else None
    (found.path / "run").write_text("#!/bin/sh\n")
    (found.path / "run").chmod(0o755)
    (found.path / "link").unlink()
    (found.path / "link").symlink_to("new")
    found.commit("work")
    found.git("checkout", "-q", "main")
    return found


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


def _stage(tree: Tree) -> None:
    tree.write(change="mine")
    tree.git("add", "change")


def _stage_and_put_back(tree: Tree) -> None:
    _stage(tree)
    tree.write(change="1")


def _stage_new(tree: Tree) -> None:
    tree.write(new="mine")
    tree.git("add", "new")
    tree.write(new=None)


def _stage_below(tree: Tree) -> None:
    tree.write(sub="a file")
    tree.git("add", "sub")


def _exec_bit(tree: Tree) -> None:
    (tree.path / "change").chmod(0o755)


def _conflict(tree: Tree) -> None:
    blob = tree.git("rev-parse", "main:keep")
    entry = "".join(f"100644 {blob} {stage}\tkeep\n" for stage in (1, 2, 3))
    tree.git("update-index", "--index-info", stdin=f"0 {'0' * 40}\tkeep\n{entry}")


def _link_away(tree: Tree) -> None:
    (tree.path / "sub").symlink_to(tree.path.parent / "elsewhere")


def _linked_parent(tree: Tree) -> None:
    (tree.path / "deep").rename(tree.path.parent / "elsewhere/deep")
    (tree.path / "deep").symlink_to(tree.path.parent / "elsewhere/deep")


def _fifo(tree: Tree) -> None:
    os.mkfifo(tree.path / "new")


def _nested(tree: Tree) -> None:
    made(tree.path / "new")


OVERLAPS: dict[str, tuple[Callable[[Tree], object], list[tuple[bytes, str]]]] = {
    "changed": (lambda tree: tree.write(change="mine"), [(b"change", "changed")]),
    "mode": (_exec_bit, [(b"change", "changed")]),
    "removed": (lambda tree: tree.write(gone=None), [(b"gone", "changed")]),
    "staged": (_stage, [(b"change", "staged")]),
    "staged-put-back": (_stage_and_put_back, [(b"change", "staged")]),
    "staged-new": (_stage_new, [(b"new", "staged")]),
    "staged-file-as-directory": (_stage_below, [(b"sub", "staged")]),
    "untracked": (lambda tree: tree.write(new="mine"), [(b"new", "untracked")]),
    "untracked-same": (lambda tree: tree.write(new="n"), [(b"new", "untracked")]),
    "untracked-directory": (lambda tree: tree.write(new__x="1"), [(b"new/x", "untracked")]),
    "untracked-above": (lambda tree: tree.write(sub="1"), [(b"sub", "untracked")]),
    "untracked-beside": (lambda tree: tree.write(was__more="1"), [(b"was/more", "untracked")]),
    "ignored-beside": (lambda tree: tree.write(was__x_log="1"), [(b"was/x.log", "untracked")]),
    "unmerged": (_conflict, [(b"keep", "unmerged")]),
    "link-away": (_link_away, [(b"sub", "untracked")]),
    "linked-parent": (_linked_parent, [(b"deep/er/gone", "changed")]),
    "fifo": (_fifo, [(b"new", "untracked")]),
    "nested": (_nested, []),
    "several": (
        lambda tree: tree.write(change="mine", new="mine", other="mine"),
        [(b"change", "changed"), (b"new", "untracked")],
    ),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_an_overlap_is_listed_and_not_a_byte_changes(tree: Tree, name: str) -> None:
    (tree.path.parent / "elsewhere").mkdir()
    tree.git("status")  # which writes the index once more
    dirty, expected = OVERLAPS[name]
    dirty(tree)
    before = everything(tree.path.parent)
    with pytest.raises(OverlapError) as caught:
        landing.land(checkout(tree), order(tree))
    assert everything(tree.path.parent) == before
    found = [(one.path, one.why) for one in caught.value.overlaps]
    assert found == expected or (name == "nested" and found[0][0].startswith(b"new/.git/"))


def test_a_touched_file_is_no_change(tree: Tree) -> None:
    os.utime(tree.path / "change", (1, 1))
    landing.land(checkout(tree), order(tree))
    assert tree.status() == []


def test_what_a_filter_made_of_a_file_is_no_change(tree: Tree) -> None:
    """The index vouches for it; the new content comes as the commit has it."""
    tree.git("config", "core.autocrlf", "true")
    tree.commit("lines", change="a\nb\n")
    tree.git("checkout", "-q", "-b", "further")
    tree.commit("further", change="a\nb\nc\n")
    tree.git("checkout", "-q", "main")
    (tree.path / "change").unlink()
    tree.git("checkout", "-q", "--", "change")
    assert (tree.path / "change").read_bytes() == b"a\r\nb\r\n"
    os.utime(tree.path / "change", (10**9, 10**9))
    tree.git("status")
    landing.land(checkout(tree), order(tree, new="further"))
    assert (tree.path / "change").read_bytes() == b"a\nb\nc\n"
    assert tree.status() == []


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


# ---------------------------------------------------------------- the end in the middle

DIE = """
import os, sys
from pathlib import Path
sys.path.insert(0, {repo!r})
from outrig.workspace import journal, landing, moving, overlap
from outrig.workspace.repository import Repository
from outrig.workspace.landing import Checkout, Landing

root, old, new, at = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
calls = 0

def counted(really):
    def call(*args, **named):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), 9)
        return really(*args, **named)
    return call

for name in ("link", "rename", "unlink", "replace", "rmdir", "mkdir"):
    setattr(os, name, counted(getattr(os, name)))
where = Checkout(root=root, repository=Repository(git_dir=root / ".git", env=os.environ),
                 common_dir=root / ".git")
landing.land(where, Landing(ref="refs/heads/main", old=old, new=new, log="x", identity={who!r}))
print("done", calls)
"""


@pytest.fixture
def dying(tree: Tree, request: pytest.FixtureRequest) -> Callable[[int], bool]:
    """Land in a process that is killed at its n-th step on the disk; False once it came through."""
    program = DIE.format(repo=str(request.config.rootpath), who=WHO)

    def die(step: int) -> bool:
        wanted = order(tree)
        argv = [
            sys.executable,
            "-c",
            program,
            str(tree.path),
            str(wanted.old),
            wanted.new,
            str(step),
        ]
        done = subprocess.run(argv, check=False, capture_output=True)
        assert done.returncode in (0, -9), done.stderr
        # git, which holds the branch for it, hears of its end and lets go a moment later.
        patience = time.monotonic() + 30
        while (tree.git_dir / "HEAD.lock").exists() and time.monotonic() < patience:
            time.sleep(0.01)
        return done.returncode != 0

    return die


def contents(tree: Tree) -> dict[str, object]:
    """Everything but what a landing may touch on its way back: git's logs and objects."""
    found = everything(tree.path)
    aside = (f"{tree.git_dir}/logs", f"{tree.git_dir}/objects", f"{tree.git_dir}/refs")
    return {name: value for name, value in found.items() if not name.startswith(aside)}


def test_whoever_dies_on_the_way_changes_nothing_in_the_end(
    tree: Tree, dying: Callable[[int], bool]
) -> None:
    """Killed at every fifth step; the next landing puts everything back before it begins."""
    tree.write(other="dirty")
    tree.git("status")
    before = contents(tree)
    step, old = 1, tree.git("rev-parse", "main")
    while dying(step):
        if tree.git("rev-parse", "main") != old:
            break
        landing.settle(checkout(tree))
        assert contents(tree) == before, step
        step += 5
    assert step > 20
    assert landing.settle(checkout(tree)) == ()
    assert tree.git("rev-parse", "main") == tree.git("rev-parse", "work")
    assert tree.status() == [" M other"]
    assert not (tree.git_dir / journal.NAME).exists()
    assert not (tree.git_dir / "index.lock").exists()


def test_what_was_changed_after_a_crash_is_left_and_named(
    tree: Tree, dying: Callable[[int], bool]
) -> None:
    assert dying(30)
    (tree.path / "change").unlink(missing_ok=True)
    tree.write(change="mine, after the crash")
    assert landing.settle(checkout(tree)) == (b"change",)
    assert (tree.path / "change").read_text() == "mine, after the crash"


def test_a_failure_in_the_middle_is_taken_back(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(tree)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(moving, "swap_index", full)
    with pytest.raises(OSError, match="No space"):
        landing.land(checkout(tree), order(tree))
    assert contents(tree) == before


# ---------------------------------------------------------------- whatever the trees are

NAMES = st.sampled_from(["a", "b", "a/b", "a/c", "a/b/c", "d/e", "-x", "new\nline", "\udcff"])
FILES = st.dictionaries(NAMES, st.sampled_from(["1", "2", "#!x", "-> a"]), max_size=6)


def lay(tree: Tree, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = tree.path / name
        if any(parent.is_file() or parent.is_symlink() for parent in path.parents):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            continue
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)
            path.chmod(0o755 if text.startswith("#!") else 0o644)


def wipe(tree: Tree) -> None:
    tree.git("rm", "-rq", "--ignore-unmatch", ".")


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(old=FILES, new=FILES, own=FILES)
def test_it_lands_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory,
    old: dict[str, str],
    new: dict[str, str],
    own: dict[str, str],
) -> None:
    tree = made(tmp_path_factory.mktemp("p") / "repo")
    lay(tree, {**new, "always": "1"})
    work = tree.commit("new")
    tree.git("branch", "work")
    wipe(tree)
    lay(tree, {**old, "always": "1"})
    tree.commit("old")
    for name, text in own.items():
        path = tree.path / name
        if path.is_file() and not path.is_symlink():
            path.write_text(f"own {text}")
    lay(tree, {name: text for name, text in own.items() if not os.path.lexists(tree.path / name)})
    status = tree.status()
    before = everything(tree.path)
    with contextlib.suppress(OverlapError):
        refused = True
        landing.land(checkout(tree), order(tree))
        refused = False
    if refused:
        assert everything(tree.path) == before
        assert status
        return
    assert tree.git("rev-parse", "main") == work
    after = everything(tree.path)
    dirty = {line[3:].strip('"') for line in status}
    assert {line[3:].strip('"') for line in tree.status()} == dirty
    for line in dirty & set(own):
        assert after[str(tree.path / line)] == before[str(tree.path / line)]


def umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found
