"""A result and a branch meet: each way, conflicts named, and no object left behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from outrig.errors import WorkspaceError
from outrig.workspace import merge
from outrig.workspace.merge import ConflictError, DivergedError, Signature
from tests.workspace.repositories import WHO, Tree, everything, made

if TYPE_CHECKING:
    from pathlib import Path

    from outrig.workspace.merge import How

LINES = "".join(f"{number}\n" for number in range(20))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """`main` and `work` since `base`: each changed a file of its own."""
    found = made(tmp_path / "repo")
    found.commit("base", shared=LINES, gone="1", sub__file="1")
    found.git("branch", "base")
    found.git("checkout", "-q", "-b", "work")
    found.commit("one", mine="1", gone=None)
    found.commit("two", sub__file="2", sub__new="n")
    found.git("checkout", "-q", "main")
    return found


def join(tree: Tree, how: How = "auto", *paths: bytes, target: str = "main") -> str:
    return merge.joined(
        tree.repository,
        target=tree.git("rev-parse", target),
        result=tree.git("rev-parse", "work"),
        how=how,
        paths=paths,
        message="together",
        signature=Signature(identity=WHO),
        scratch=tree.path.parent / "scratch",
    )


def parents(tree: Tree, commit: str) -> list[str]:
    return tree.git("log", "-1", "--format=%P", commit).split()


@pytest.mark.parametrize("diverged", [False, True])
@pytest.mark.parametrize("how", ["auto", "merge", "squash", "ff"])
def test_each_way(tree: Tree, how: How, *, diverged: bool) -> None:
    if diverged:
        tree.commit("theirs", theirs="1")
    main, work = tree.git("rev-parse", "main", "work").split()
    if how == "ff" and diverged:
        with pytest.raises(DivergedError):
            join(tree, how)
        return
    done = join(tree, how)
    names = ["mine", "shared", "sub/file", "sub/new", *(["theirs"] if diverged else [])]
    assert tree.git("ls-tree", "-r", "--name-only", done).splitlines() == sorted(names)
    if how == "squash":
        assert parents(tree, done) == [main]
    elif how == "merge" or diverged:
        assert parents(tree, done) == [main, work]
    else:
        assert done == work


def test_a_new_commit_is_the_users(tree: Tree) -> None:
    done = join(tree, "squash")
    form = "--format=%an %ae %cn %ce %B"
    assert tree.git("log", "-1", form, done).strip() == "A a@example.org C c@example.org together"


def test_a_branch_that_has_it_all_stays(tree: Tree) -> None:
    tree.git("merge", "-q", "work")
    tree.commit("more", more="1")
    assert join(tree) == tree.git("rev-parse", "main")


def test_a_conflict_names_its_files_and_leaves_no_object(tree: Tree) -> None:
    tree.git("checkout", "-q", "work")
    tree.commit("shared", shared=LINES + "ours\n", sub__new="n")
    tree.git("checkout", "-q", "main")
    tree.commit("theirs", shared=LINES + "theirs\n", sub__new="other")
    before = everything(tree.path)
    aside = tree.path.parent / "aside"
    with merge.quarantined(tree.repository, aside) as repository:
        with pytest.raises(ConflictError) as caught:
            merge.joined(
                repository,
                target=tree.git("rev-parse", "main"),
                result=tree.git("rev-parse", "work"),
                how="auto",
                paths=(),
                message="m",
                signature=Signature(identity=WHO),
                scratch=tree.path.parent / "scratch",
            )
        assert any(aside.iterdir())
    assert caught.value.paths == (b"shared", b"sub/new")
    assert not aside.exists()
    assert everything(tree.path) == before


def test_a_driver_of_the_repositorys_configuration_is_none_of_ours(tree: Tree) -> None:
    """Asked for from outside of that repository, as accept does, it does not run."""
    tree.git("config", "merge.x.driver", f"touch {tree.path.parent}/ran")
    tree.commit("attributes", _gitattributes="* merge=x\n", shared=LINES + "theirs\n")
    tree.git("checkout", "-q", "work")
    tree.commit("shared", shared="ours\n" + LINES, _gitattributes="* merge=x\n")
    tree.git("checkout", "-q", "main")
    aside = made(tree.path.parent / "aside")
    (aside.git_dir / "objects/info/alternates").write_text(f"{tree.git_dir}/objects\n")
    merged = merge.merge(
        aside.repository, tree.git("rev-parse", "main"), tree.git("rev-parse", "work")
    )
    assert not merged.conflicts
    assert not (tree.path.parent / "ran").exists()


# ---------------------------------------------------------------- some paths


def test_only_the_paths_asked_for(tree: Tree) -> None:
    tree.commit("theirs", theirs="1")
    done = join(tree, "auto", b"sub")
    assert parents(tree, done) == [tree.git("rev-parse", "main")]
    changed = tree.git("diff", "--name-only", "main", done).splitlines()
    assert changed == ["sub/file", "sub/new"]


def test_a_path_may_be_a_deletion_and_its_name_is_no_prefix(tree: Tree) -> None:
    done = join(tree, "auto", b"gone", b"su")
    assert tree.git("diff", "--name-status", "main", done) == "D\tgone"


def test_a_conflict_elsewhere_does_not_matter(tree: Tree) -> None:
    tree.commit("theirs", mine="other")
    assert tree.text("sub/file", join(tree, "auto", b"sub")) == "2"
    with pytest.raises(ConflictError):
        join(tree, "auto", b"mine")


def test_paths_that_hold_nothing_are_refused(tree: Tree) -> None:
    with pytest.raises(WorkspaceError, match="nothing that the branch lacks"):
        join(tree, "auto", b"nowhere")


# ---------------------------------------------------------------- what was not committed


def snapshot(tree: Tree) -> str:
    """A tree of what is there, tracked or not."""
    index = {"GIT_INDEX_FILE": str(tree.path.parent / "snapshot")}
    tree.repository.run("read-tree", "--empty", more=index)
    where = {**index, "GIT_WORK_TREE": str(tree.path)}
    import subprocess  # noqa: PLC0415

    env = {**os.environ, **where}
    subprocess.run(["git", "add", "-A"], cwd=tree.path, env=env, check=True, capture_output=True)
    return tree.repository.run("write-tree", more=index).decode().strip()


def left(tree: Tree, *, head: str, base: str, start: str, end: str) -> dict[str, str]:
    found = merge.rest(
        tree.repository,
        head=head,
        base=base,
        start=start,
        end=end,
        unread=lambda path: path == b"large",
        scratch=tree.path.parent / "scratch",
    )
    names = tree.git("ls-tree", "-r", "--name-only", found).splitlines()
    return {name: tree.text(name, found) for name in names}


def test_what_is_uncommitted_is_taken_and_what_was_so_before_is_not(tree: Tree) -> None:
    base = tree.git("rev-parse", "main")
    tree.write(shared="the user's own", users="untracked before")
    start = snapshot(tree)
    tree.write(sub__file="agent", users2="x", gone=None)
    found = left(tree, head=base, base=base, start=start, end=snapshot(tree))
    assert found == {"shared": LINES.strip("\n"), "sub/file": "agent", "users2": "x"}


def test_a_file_of_the_users_that_the_session_changed_is_taken_whole(tree: Tree) -> None:
    base = tree.git("rev-parse", "main")
    tree.write(shared="the user's own\n")
    start = snapshot(tree)
    tree.write(shared="the user's own\nand more\n")
    found = left(tree, head=base, base=base, start=start, end=snapshot(tree))
    assert found["shared"] == "the user's own\nand more"


def test_what_no_snapshot_holds_is_not_deleted(tree: Tree) -> None:
    """Committed although it is ignored, or outside of a sparse checkout."""
    base = tree.git("rev-parse", "main")
    start = snapshot(tree)
    head = tree.commit("forced", forced="1", shared=None)
    tree.write(forced=None)
    found = left(tree, head=head, base=base, start=start, end=snapshot(tree))
    assert "forced" in found
    assert "shared" not in found


def test_what_a_snapshot_could_not_read_is_as_it_was_committed(tree: Tree) -> None:
    tree.commit("large", large="1")
    base = tree.git("rev-parse", "main")
    end = snapshot(tree)
    head = tree.commit("larger", large="2")
    found = left(tree, head=head, base=base, start=end, end=end)
    assert found["large"] == "2"


def test_committed_and_then_put_back_is_put_back(tree: Tree) -> None:
    base = tree.git("rev-parse", "main")
    start = snapshot(tree)
    head = tree.commit("change", shared="changed")
    tree.write(shared=LINES)
    found = left(tree, head=head, base=base, start=start, end=snapshot(tree))
    assert found["shared"] == LINES.strip("\n")


def test_a_submodule_stays_where_its_commit_is(tree: Tree) -> None:
    base = tree.git("rev-parse", "main")
    start = snapshot(tree)
    tree.git("update-index", "--add", "--cacheinfo", f"160000,{base},module")
    tree.git("commit", "-qm", "module")
    tree.write(module__file="as a snapshot may hold it")
    head = tree.git("rev-parse", "HEAD")
    end = merge.edited(
        tree.repository,
        tree.repository.tree(start),
        [one for one in tree.repository.changes(start, _with_file(tree, start)) if one.new],
        tree.path.parent / "scratch",
    )
    rest = merge.rest(
        tree.repository,
        head=head,
        base=base,
        start=start,
        end=end,
        unread=lambda path: path == b"large",
        scratch=tree.path.parent / "scratch",
    )
    assert tree.git("ls-tree", rest, "module").startswith("160000 commit")


def _with_file(tree: Tree, start: str) -> str:
    index = {"GIT_INDEX_FILE": str(tree.path.parent / "scratch2")}
    blob = tree.git("hash-object", "-w", "--stdin", stdin="text")
    tree.repository.run("read-tree", start, more=index)
    entry = f"100644 {blob}\tmodule/file\0".encode()
    tree.repository.run("update-index", "-z", "--index-info", stdin=entry, more=index)
    return tree.repository.run("write-tree", more=index).decode().strip()
