"""`[git] sign = "always"` with the real programs: accept signs as the user's own git does."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.core.config import GitConfig
from outrig.errors import WorkspaceError
from outrig.runner import work as works
from outrig.runner.accept import accept
from outrig.runner.accepted import Wish
from outrig.store.sessions import SessionStore
from tests.runner.works import bound, own_tree
from tests.workspace import repositories

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Home
    from tests.workspace.repositories import Tree

WHO = "Ada <ada@example.org>"


@pytest.fixture
def user(home: Home) -> Tree:
    tree = repositories.made(home.path / "repo")
    tree.commit("base", file="1")
    return tree


def told(home: Home, text: str) -> None:
    (home.path / ".gitconfig").write_text(f"[user]\nname=Ada\nemail=ada@example.org\n{text}")


def accepted(home: Home, user: Tree, *, mode: str = "worktree") -> str:
    """The commit of what a session left uncommitted, and who accepted it signs."""
    store = SessionStore(home.sessions)
    begin = own_tree if mode == "worktree" else bound
    session = begin(store, user)
    session.commit("agent", agent="1")
    session.tree.write(loose="1")
    signature = works.signature(GitConfig(sign="always"), os.environ)
    done = accept(session.end().found(), Wish(), signature=signature, env=os.environ)
    assert done.commit
    return done.commit


@pytest.fixture
def ssh(home: Home) -> Path:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    key = home.path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    allowed = home.path / "allowed"
    allowed.write_text(f"ada@example.org {(home.path / 'key.pub').read_text()}")
    told(
        home,
        f'signingKey={key}\n[gpg]\nformat=ssh\n[gpg "ssh"]\nallowedSignersFile={allowed}\n',
    )
    return key


@pytest.mark.usefixtures("ssh")
def test_by_ssh(home: Home, user: Tree) -> None:
    commit = accepted(home, user)
    user.git("verify-commit", commit)
    assert user.git("log", "-1", "--format=%G? %GS", commit) == "G ada@example.org"
    assert user.git("log", "-1", "--format=%G?", f"{commit}~1") == "N"  # the agent's own is not


@pytest.fixture
def gpg(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    keys = home.run / "gnupg"  # the agent's socket has a short path there
    keys.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(keys))
    quick = ("--batch", "--passphrase", "", "--quick-gen-key", WHO, "ed25519", "sign")
    subprocess.run(["gpg", "--quiet", *quick], check=True, capture_output=True)
    told(home, "")
    yield
    subprocess.run(["gpgconf", "--kill", "all"], check=True)


@pytest.mark.usefixtures("gpg")
def test_by_gpg(home: Home, user: Tree) -> None:
    commit = accepted(home, user)
    user.git("verify-commit", commit)
    assert user.git("log", "-1", "--format=%G? %GS", commit) == f"G {WHO}"


def test_a_program_that_refuses_changes_nothing(home: Home, user: Tree, ssh: Path) -> None:
    ssh.unlink()
    (home.path / "key.pub").unlink()
    before = user.git("for-each-ref")
    with pytest.raises(WorkspaceError, match="key"):
        accepted(home, user)
    assert user.git("for-each-ref") == before
    assert user.status() == []


@pytest.mark.usefixtures("ssh")
def test_what_the_repository_names_is_not_asked(home: Home, user: Tree, tmp_path: Path) -> None:
    """A session with git = bind could have written that."""
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    for key in ("gpg.program", "gpg.ssh.program", "gpg.ssh.defaultKeyCommand"):
        user.git("config", key, program)
    commit = accepted(home, user)
    assert not ran.exists()
    user.git("config", "--unset", "gpg.ssh.program")
    user.git("verify-commit", commit)
