"""An order: what is looked up, and what wins."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.core.request import Request
from outrig.errors import ConfigError, MountError, OutrigError, UsageError, WorkspaceError
from tests.runner.orders import order

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Home


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git repository with a configuration of its own."""
    top = tmp_path / "project"
    (top / ".agents/outrig").mkdir(parents=True)
    (top / "src/deep").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", top], check=True)
    return top


def configure(project: Path, text: str) -> None:
    (project / ".agents/outrig/config.toml").write_text(text)


def test_the_git_top_level_is_the_workspace(home: Home, project: Path):
    plan = order(home, cwd=project / "src").plan
    assert (plan.workspace.root, plan.working_dir) == (str(project), "/workspace/src")
    assert plan.workspace.repository
    assert plan.workspace.branch
    assert plan.workspace.owner.uid == plan.caller.uid == os.getuid()


def test_a_path_that_was_declared_goes_before_it(home: Home, project: Path):
    wanted = order(home, cwd=project, config=f'[workspace]\npath = "{project}/src"\n')
    assert wanted.plan.workspace.root == f"{project}/src"
    assert not wanted.plan.workspace.repository  # its .git is not in what is mounted


def test_without_git_the_root_of_the_repo_config(home: Home, tmp_path: Path):
    top = tmp_path / "plain"
    (top / ".agents/outrig").mkdir(parents=True)
    (top / "below").mkdir()
    configure(top, "")
    assert order(home, cwd=top / "below").plan.workspace.root == str(top)


def test_else_the_working_directory(home: Home, tmp_path: Path):
    plan = order(home, cwd=tmp_path).plan
    assert plan.workspace.root == str(tmp_path)
    assert not plan.workspace.repository


def test_links_on_the_way_are_resolved(home: Home, project: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(project / "src")
    plan = order(home, cwd=tmp_path / "link").plan
    assert (plan.workspace.root, plan.working_dir) == (str(project), "/workspace/src")


def test_a_repositorys_workspace_does_not_leave_it_by_a_link(home: Home, project: Path):
    (project / "out").symlink_to(home.path)
    configure(project, '[workspace]\npath = "out"\n')
    with pytest.raises(WorkspaceError, match=r"leads to .* outside of"):
        order(home, cwd=project)


def test_a_repositorys_mount_does_not_leave_it_by_a_link(home: Home, project: Path):
    (project / "keys").symlink_to(home.path)
    configure(
        project,
        '[workspace]\npath = "src"\n[[workspace.mounts]]\nhost = "keys"\ncontainer = "/keys"\n',
    )
    with pytest.raises(MountError, match="outside of"):
        order(home, cwd=project)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("host = '.git'\ncontainer = '/x'", "is not approved; left out: workspace.mounts[0]"),
        ("host = '.'\ncontainer = '/x'", "left out: {0} shows the repository's own .git"),
        (
            "host = 'src'\ncontainer = '/x'\nmode = 'rw'",
            "left out: {0}/src is writable, and --workspace bind-ro leaves your tree as it is",
        ),
    ],
)
def test_a_repositorys_mount_opens_nothing_that_was_closed(home: Home, project: Path, text, why):
    configure(project, f"[[workspace.mounts]]\n{text}\n")
    drawn = order(home, cwd=project, config="[workspace]\nmode = 'bind-ro'\n")
    assert (drawn.mounts, drawn.plan.mounts, drawn.config.workspace.mounts) == ((), (), ())
    (said,) = drawn.warnings
    assert why.format(project) in said
    assert "outrig trust" in said


def test_a_repositorys_mount_leads_into_no_git_by_a_link_approved_or_not(home: Home, project: Path):
    (project / "hooks").symlink_to(".git/hooks")
    configure(project, "[[workspace.mounts]]\nhost = 'hooks'\ncontainer = '/x'\n")
    with pytest.raises(MountError, match=r"shows the repository's own \.git"):
        order(home, cwd=project)


@pytest.mark.parametrize("path", [".git", ".git/hooks", "hooks", ".vscode", ".vscode/x"])
def test_a_repositorys_workspace_is_nothing_that_acts_on_this_machine(
    home: Home, project: Path, path
):
    (project / "hooks").symlink_to(".git/hooks")
    (project / ".vscode/x").mkdir(parents=True)
    configure(project, f"[workspace]\npath = '{path}'\n")
    with pytest.raises(
        OutrigError, match=r"which acts on this machine|in a \.git of the repository"
    ):
        order(home, cwd=project)


def test_a_git_directory_that_somebody_opens_is_told(home: Home, project: Path):
    def told(*volumes):
        return order(home, Request(words=("true",), volumes=volumes), cwd=project).warnings

    (said,) = told(".git/hooks:/h:rw")
    assert said.startswith(f"-v {project}/.git/hooks: the session can write a .git of yours")
    assert told(".git:/g", "src:/s:rw") == ()


def test_values_of_the_environment_stay_beside_the_plan(home: Home, monkeypatch):
    monkeypatch.setenv("TOKEN", "t0ken")
    wanted = order(home, config='[env]\nMINE = "${TOKEN}"\n', env=("A=1", "GONE"))
    assert wanted.values == {"MINE": "t0ken", "A": "1"}
    assert wanted.plan.env_names == ("A", "MINE")
    assert "t0ken" not in str(wanted.plan) + str(wanted.config)
    assert wanted.warnings == ("-e GONE: not set here, so not set in the session",)


def test_flags_go_before_files(home: Home):
    wanted = order(home, config="[limits]\npids = 7\n", flags={"limits.pids": "8"})
    assert wanted.plan.pids == 8
    assert wanted.plan.origins["limits.pids"] == "--pids"


def test_who_commits(home: Home):
    (home.path / ".gitconfig").write_text("[user]\n\tname = Ada\n")
    assert order(home).committer == {"GIT_AUTHOR_NAME": "Ada", "GIT_COMMITTER_NAME": "Ada"}


def test_mounts_are_resolved_and_refused_before_anything_happens(home: Home, tmp_path: Path):
    (tmp_path / "data").mkdir()
    request = Request(words=("true",), volumes=(f"{tmp_path}/./data:/data",))
    assert order(home, request).mounts[0].source == f"{tmp_path}/data"
    with pytest.raises(MountError, match="never mounted"):
        order(home, Request(words=("true",), volumes=("/:/x",)))


def test_what_is_wrong_is_said(home: Home):
    with pytest.raises(UsageError, match="nothing to run"):
        order(home, Request())
    with pytest.raises(ConfigError, match="pids"):
        order(home, config="[limits]\npids = 'x'\n")


def test_drawing_up_writes_nothing(home: Home, project: Path):
    before = sorted(home.path.rglob("*"))
    order(home, cwd=project)
    assert sorted(home.path.rglob("*")) == before
