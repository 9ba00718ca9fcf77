"""What a repository's own config may not mount: each row of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.errors import WorkspaceError
from outrig.workspace.guarded import Guard, refuse_root

if TYPE_CHECKING:
    from pathlib import Path

EXCLUDE = ("*.pem", "/private/")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "repo"
    for name in (".git/hooks", ".vscode", "src/deep", "private/x", "vendor/lib/.git", "certs/a"):
        (top / name).mkdir(parents=True)
    (top / "certs/a/key.pem").write_text("key")
    (top / "linked").mkdir()
    (top / "linked/.git").write_text("gitdir: elsewhere")
    return top


@pytest.mark.parametrize(
    ("path", "read", "write"),
    [
        (".git", "its own .git", "its own .git"),
        (".git/hooks", "its own .git", "its own .git"),
        (".", "its own .git", "its own .git"),
        ("vendor/lib", "its own .git", "its own .git"),
        ("linked", "its own .git", "its own .git"),
        ("private", "shows private, which", "shows private, which"),
        ("private/x", "shows private/x, which", "shows private/x, which"),
        ("certs", "shows certs/a/key.pem, which", "shows certs/a/key.pem, which"),
        ("certs/a/key.pem", "shows certs/a/key.pem", "shows certs/a/key.pem"),
        (".vscode", None, "protect keeps .vscode from"),
        ("src", None, None),
        ("src/deep", None, None),
    ],
)
def test_each_row_of_the_table(tree, path, read, write):
    guard = Guard(root=tree, protect=(".vscode", ".envrc"), exclude=EXCLUDE)
    for writable, why in ((False, read), (True, write)):
        found = guard.why((tree / path).resolve(), writable=writable)
        if why is None:
            assert found is None
        else:
            assert why.replace("its own", "the repository's own") in str(found)


@pytest.mark.parametrize("mode", ["bind-ro", "worktree", "overlay", "copy"])
def test_a_tree_that_is_left_as_it_is_has_no_writable_back_door(tree, mode):
    guard = Guard(root=tree, mode=mode)
    assert guard.why(tree / "src", writable=False) is None
    said = f"is writable, and --workspace {mode} leaves your tree as it is"
    assert guard.why(tree / "src", writable=True) == said


def test_what_lies_outside_of_the_workspace_is_not_hidden_by_it(tree):
    guard = Guard(root=tree / "src", exclude=EXCLUDE)
    assert guard.why(tree / "certs", writable=True) is None


@pytest.mark.parametrize(("path", "fine"), [("src", True), (".", True), (".git", False)])
def test_a_workspace_of_a_repositorys_choice(tree, path, fine):
    if fine:
        refuse_root((tree / path).resolve(), tree, (".vscode",))
        return
    with pytest.raises(WorkspaceError, match="which acts on this machine"):
        refuse_root((tree / path).resolve(), tree, (".vscode",))
