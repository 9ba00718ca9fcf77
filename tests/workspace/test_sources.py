"""The real places behind a plan's words, among links and holes that a session planted."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from outrig.core.engine import Mount
from outrig.core.mounts import MountSpec, parse_volume
from outrig.errors import MountError, WorkspaceError
from outrig.workspace.sources import resolve_mounts, resolve_root


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A home directory with keys in it, and a workspace below it."""
    top = tmp_path / "ada"
    (top / "code/data").mkdir(parents=True)
    (top / ".ssh").mkdir()
    (top / ".ssh/id").write_text("key")
    (top / "other").mkdir()
    return top


def resolved(user: Path, *volumes: str | MountSpec) -> tuple[Mount, ...]:
    specs = [parse_volume(one) if isinstance(one, str) else one for one in volumes]
    code = user / "code"
    return resolve_mounts(specs, root=code, target="/workspace", base=code, home=user)


def refusal(user: Path, *volumes: str | MountSpec) -> str:
    with pytest.raises(MountError) as refused:
        resolved(user, *volumes)
    return refused.value.message


# ---------------------------------------------------------------- the workspace


def test_a_workspace_with_its_links_resolved(user):
    (user / "link").symlink_to("code")
    assert resolve_root(user / "link", home=user, declared=False) == user / "code"


@pytest.mark.parametrize("name", ["gone", "file", "loop"])
def test_a_workspace_that_is_no_directory(user, name):
    (user / "file").write_text("")
    (user / "loop").symlink_to("loop")
    with pytest.raises(WorkspaceError, match=name):
        resolve_root(user / name, home=user, declared=True)


@pytest.mark.parametrize("where", [".", ".."])
def test_home_and_above_only_when_somebody_said_so(user, where):
    with pytest.raises(WorkspaceError, match="holds your home directory"):
        resolve_root(user / where, home=user, declared=False)
    assert resolve_root(user / where, home=user, declared=True) == (user / where).resolve()


def test_home_behind_a_link_is_still_home(user, tmp_path):
    (tmp_path / "alias").symlink_to("ada")
    for path, home in ((user, tmp_path / "alias"), (tmp_path / "alias", user)):
        with pytest.raises(WorkspaceError, match="holds your home directory"):
            resolve_root(path, home=home, declared=False)


@pytest.mark.parametrize("declared", [False, True])
def test_the_root_is_never_a_workspace(declared, user):
    with pytest.raises(WorkspaceError, match="root of the file system"):
        resolve_root(Path("/"), home=user, declared=declared)


@pytest.mark.parametrize("path", ["/proc", "/sys", "/dev", "/var/run", "/var"])
def test_what_is_the_systems_is_never_a_workspace(path, user):
    with pytest.raises(MountError, match="the system's own"):
        resolve_root(Path(path), home=user, declared=True)


# ---------------------------------------------------------------- where mounts come from


def test_sources_are_resolved_from_where_the_user_stands(user):
    (user / "link").symlink_to("other")
    mounts = resolved(user, "../other:/b", f"{user}/link:/c:rw", "./data:/a")
    assert mounts == (
        Mount(source=f"{user}/code/data", target="/a"),
        Mount(source=f"{user}/other", target="/b"),
        Mount(source=f"{user}/other", target="/c", writable=True),
    )


def test_a_home_directory_by_its_sign(user, monkeypatch):
    monkeypatch.setenv("HOME", str(user))
    assert resolved(user, "~/other:/a")[0].source == f"{user}/other"


def test_a_source_that_does_not_exist_is_not_made(user):
    assert "does not exist" in refusal(user, "./gone:/a")
    assert "does not exist" in refusal(user, ".ssh/id/x:/a")
    assert not (user / "code/gone").exists()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/", "the system's own"),
        ("/proc", "the system's own"),
        ("/dev/null", "the system's own"),
        ("/var/run", "the system's own"),
        ("..", "holds your home directory"),
        ("../..", "holds your home directory"),
    ],
)
def test_a_source_that_no_session_may_see(user, path, why):
    assert why in refusal(user, f"{path}:/a")


def test_sockets_and_pipes_are_no_sources(user):
    os.mkfifo(user / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(user)  # a socket's path may have 107 bytes
        server.bind("docker.sock")
        server_of_mine = user / "my.sock"
        os.rename("docker.sock", server_of_mine)
        assert "neither a directory" in refusal(user, "../my.sock:/a")
        os.rename(server_of_mine, "docker.sock")
        assert "engine socket" in refusal(user, "../docker.sock:/a")
    assert "neither a directory" in refusal(user, "../pipe:/a")


def test_a_file_named_like_an_engine_socket_is_not_mounted(user):
    (user / "docker.sock").write_text("")
    assert "engine socket" in refusal(user, "../docker.sock:/a")


# ---------------------------------------------------------------- planted links


def test_a_link_in_the_workspace_must_not_lead_out_of_it(user):
    (user / "code/keys").symlink_to("../.ssh")
    assert "leaves the workspace" in refusal(user, "keys:/a")
    assert "leaves the workspace" in refusal(user, "./keys/id:/a")
    assert "leaves the workspace" in refusal(user, f"{user}/code/keys:/a")
    assert "leaves the workspace" in refusal(user, f"/{user}/code/data/../keys:/a")


def test_nor_by_way_of_another_link_to_the_workspace(user):
    (user / "code/keys").symlink_to(user / ".ssh")
    (user / "alias").symlink_to("code")
    (user / "shortcut").symlink_to("alias/keys")
    for path in ("alias/keys", "alias/keys/id", "shortcut", "code/../alias/./keys"):
        assert "leaves the workspace" in refusal(user, f"../{path}:/a")


def test_a_link_that_stays_in_the_workspace_is_fine(user):
    (user / "code/latest").symlink_to("data")
    assert resolved(user, "latest:/a")[0].source == f"{user}/code/data"


def test_nor_into_the_repositorys_git(user):
    """`-v ./data:/data:rw` after a session put a link in its place."""
    (user / "code/.git/hooks").mkdir(parents=True)
    (user / "code/hooks").symlink_to(".git/hooks")
    assert "shows the repository's own .git" in refusal(user, "hooks:/a:rw")
    (mount,) = resolved(user, ".git/hooks:/a:rw")  # who says that means it
    assert mount.source == f"{user}/code/.git/hooks"


def test_links_in_a_circle(user):
    (user / "code/a").symlink_to("b")
    (user / "code/b").symlink_to("a")
    assert "a link that leads to itself" in refusal(user, "a:/a")


def test_a_repositorys_mount_stays_in_the_repository(user):
    (user / "code/sub").mkdir()
    (user / "code/keys").symlink_to("../.ssh")
    code = user / "code"

    def mount(host: str) -> MountSpec:
        return MountSpec(
            source=f"{code}/{host}", target="/a", writable=False, declared="x", within=str(code)
        )

    def real(spec: MountSpec) -> tuple[Mount, ...]:
        """The repository's own configuration made `sub` the workspace."""
        sub = code / "sub"
        return resolve_mounts([spec], root=sub, target="/workspace", base=sub, home=user)

    assert real(mount("data"))[0].source == f"{code}/data"
    with pytest.raises(MountError, match=r"a repository's mount leads to .*, outside of"):
        real(mount("keys"))


# ---------------------------------------------------------------- where mounts go to


def test_a_mount_point_in_the_workspace_has_to_exist(user):
    assert "would make it as root" in refusal(user, "data:/workspace/gone")
    assert "would make it as root" in refusal(user, "data:/workspace/data/a/b")
    assert list((user / "code/data").iterdir()) == []
    (user / "code/here").mkdir()
    assert resolved(user, "data:/workspace/here")[0].target == "/workspace/here"


def test_a_mount_point_below_a_file(user):
    (user / "code/file").write_text("")
    assert "does not exist" in refusal(user, "data:/workspace/file/below")


def test_a_mount_point_behind_a_link_would_be_elsewhere(user):
    (user / "code/etc").symlink_to("/etc")
    assert "is a symlink" in refusal(user, "data:/workspace/etc")
    assert "is a symlink" in refusal(user, "data:/workspace/etc/ssl")


def test_a_mount_point_is_of_the_sources_kind(user):
    (user / "code/file").write_text("")
    assert "not of one kind" in refusal(user, "data:/workspace/file")
    assert "not of one kind" in refusal(user, "file:/workspace/data")
    assert resolved(user, "file:/workspace/file")[0].source == f"{user}/code/file"


def test_a_mount_point_in_another_mount_has_to_exist_too(user):
    assert "would make it as root" in refusal(user, "../other:/a:rw", "data:/a/in")
    (user / "other/in").mkdir()
    assert len(resolved(user, "../other:/a:rw", "data:/a/in")) == 2


def test_the_nearest_mount_around_counts(user):
    (user / "code/here").mkdir()
    assert "other/in" in refusal(user, "data:/workspace/here/in", "../other:/workspace/here")


def test_the_workspace_itself_may_lie_in_a_mount(user):
    other = [parse_volume(f"{user}/other:/src")]
    how = {"root": user / "code", "base": user / "code", "home": user}
    with pytest.raises(MountError, match=r"the workspace: .*/other/code does not exist"):
        resolve_mounts(other, target="/src/code", **how)
    (user / "other/code").mkdir()
    assert len(resolve_mounts(other, target="/src/code", **how)) == 1


@pytest.mark.parametrize(
    ("volume", "command"),
    [
        ("{user}/other:/workspace/a/b", "mkdir -p {user}/code/a/b"),
        ("{user}/.ssh/id:/workspace/a/b", "mkdir -p {user}/code/a && touch {user}/code/a/b"),
    ],
)
def test_how_a_missing_mount_point_is_made_is_said(user, volume, command):
    with pytest.raises(MountError, match="does not exist") as refused:
        resolved(user, volume.format(user=user))
    assert refused.value.hint == f"{command.format(user=user)}, or mount elsewhere"
