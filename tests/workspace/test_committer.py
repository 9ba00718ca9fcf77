"""Who commits inside: the user's own identity, and nothing that a repository says."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.workspace.committer import identity

if TYPE_CHECKING:
    from pathlib import Path

ADA = "[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n"
BOTH = {
    **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "Ada Lovelace"),
    **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "ada@example.org"),
}


def env(home: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.environ["PATH"], **more}


def test_nobody(tmp_path):
    assert identity(env(tmp_path)) == {}


def test_the_global_configuration(tmp_path):
    (tmp_path / ".gitconfig").write_text(ADA)
    assert identity(env(tmp_path)) == BOTH


def test_the_other_global_places(tmp_path):
    (tmp_path / "xdg/git").mkdir(parents=True)
    (tmp_path / "xdg/git/config").write_text(ADA)
    assert identity(env(tmp_path, XDG_CONFIG_HOME=f"{tmp_path}/xdg")) == BOTH
    assert identity(env(tmp_path, GIT_CONFIG_GLOBAL=f"{tmp_path}/xdg/git/config")) == BOTH


def test_an_included_file(tmp_path):
    (tmp_path / ".gitconfig").write_text("[include]\n\tpath = more\n")
    (tmp_path / "more").write_text(ADA)
    assert identity(env(tmp_path)) == BOTH


def test_what_git_would_take_from_the_environment_wins_one_by_one(tmp_path):
    (tmp_path / ".gitconfig").write_text(ADA)
    got = identity(env(tmp_path, GIT_AUTHOR_NAME="Bob", GIT_COMMITTER_EMAIL="bob@example.org"))
    assert got == {**BOTH, "GIT_AUTHOR_NAME": "Bob", "GIT_COMMITTER_EMAIL": "bob@example.org"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [('"two\\nlines"', "two\nlines"), ("Zoë 世界", "Zoë 世界"), ('"a = b"', "a = b")],
)
def test_names_that_are_odd(tmp_path, value, expected):
    (tmp_path / ".gitconfig").write_text(f"[user]\n\tname = {value}\n")
    assert identity(env(tmp_path))["GIT_AUTHOR_NAME"] == expected


def test_the_last_of_several_counts(tmp_path):
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Old\n\tname = New\n")
    assert identity(env(tmp_path))["GIT_AUTHOR_NAME"] == "New"


def test_a_broken_configuration_is_no_identity(tmp_path):
    (tmp_path / ".gitconfig").write_text("[user\nname")
    assert identity(env(tmp_path)) == {}


def test_a_machine_without_git(tmp_path):
    (tmp_path / ".gitconfig").write_text(ADA)
    got = identity({"HOME": str(tmp_path), "PATH": str(tmp_path), "GIT_AUTHOR_NAME": "Bob"})
    assert got == {"GIT_AUTHOR_NAME": "Bob"}


def test_the_configuration_of_a_repository_is_not_looked_at(tmp_path, monkeypatch):
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", repository], check=True)
    ran = tmp_path / "ran"
    planted = (
        f"[user]\n\tname = Mallory\n[core]\n\tfsmonitor = touch {ran}\n\tpager = touch {ran}\n"
    )
    with (repository / ".git/config").open("a") as config:
        config.write(planted)
    monkeypatch.chdir(repository)
    here = {"GIT_DIR": f"{repository}/.git", "GIT_CONFIG": f"{repository}/.git/config"}
    assert identity(env(tmp_path, **here, PWD=str(repository))) == {}
    assert not ran.exists()


def test_configuration_that_comes_in_the_environment_is_not_looked_at(tmp_path):
    given = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "Mallory",
    }
    assert identity(env(tmp_path, **given)) == {}


def test_git_is_asked_only_where_it_has_a_configuration(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(subprocess, "Popen", lambda argv, **_: called.append(argv))
    identity(env(tmp_path))
    identity(env(tmp_path, XDG_CONFIG_HOME=str(tmp_path), GIT_CONFIG_GLOBAL=""))
    assert called == []
    (tmp_path / ".config/git").mkdir(parents=True)
    (tmp_path / ".config/git/config").write_text(ADA)
    identity(env(tmp_path))
    assert len(called) == 1
