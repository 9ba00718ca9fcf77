"""What a build sees: which files, one digest, one stream; and nothing from outside."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from outrig.errors import BuildError
from outrig.workspace import archive, beneath, context

if TYPE_CHECKING:
    from pathlib import Path

    from outrig.workspace.context import Context


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "context"
    (top / "src/deep").mkdir(parents=True)
    (top / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (top / "src/a.py").write_text("print(1)\n")
    (top / "src/deep/b").write_bytes(b"\0\xff")
    (top / "run").write_text("#!/bin/sh\n")
    (top / "run").chmod(0o755)
    return top


def look(folder: Path, dockerfile: Path | None = None, *, listing: bool = True) -> Context:
    return context.look(
        folder, dockerfile or folder / "Dockerfile", env=os.environ, listing=listing
    )


def paths(found: Context) -> list[str]:
    return [entry.path for entry in found.entries]


def digest(folder: Path) -> str:
    return archive.digest(look(folder))


def unpacked(found: Context) -> dict[str, tarfile.TarInfo]:
    data = b"".join(archive.archive(found, archive.digest(found)))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar.getmembers()}


def init(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", folder], check=True, capture_output=True)


# ---------------------------------------------------------------- which files


def test_everything_in_a_plain_directory_empty_ones_too(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert paths(look(folder)) == [
        "Dockerfile", "empty", "run", "src", "src/a.py", "src/deep", "src/deep/b",
    ]  # fmt: skip


def test_dockerignore_leaves_out_and_keeps_its_exceptions(folder: Path) -> None:
    (folder / ".dockerignore").write_text("src\n!src/deep/b\nrun\n")
    assert paths(look(folder)) == [".dockerignore", "Dockerfile", "src/deep/b"]


def test_dockerfile_and_dockerignore_are_sent_although_ignored(folder: Path) -> None:
    """The engine needs both, and takes out itself what is ignored."""
    (folder / ".dockerignore").write_text("*\n")
    assert paths(look(folder)) == [".dockerignore", "Dockerfile"]


def test_in_a_checkout_ignored_files_and_git_itself_stay_out(folder: Path) -> None:
    init(folder)
    (folder / ".gitignore").write_text("*.log\nvenv/\n")
    (folder / "noise.log").write_text("x")
    (folder / "venv").mkdir()
    (folder / "venv/x").write_text("x")
    assert paths(look(folder)) == [
        ".gitignore", "Dockerfile", "run", "src", "src/a.py", "src/deep", "src/deep/b",
    ]  # fmt: skip


def test_a_directory_of_a_checkout_is_a_context_too(folder: Path) -> None:
    init(folder.parent)
    (folder.parent / ".gitignore").write_text("*.py\n")
    assert paths(look(folder)) == ["Dockerfile", "run", "src", "src/deep", "src/deep/b"]


def test_a_repository_in_the_repository_comes_without_its_git(folder: Path) -> None:
    init(folder)
    init(folder / "nested")
    (folder / "nested/file").write_text("x")
    found = paths(look(folder))
    assert {"nested", "nested/file"} <= set(found)
    assert not [path for path in found if ".git/" in path]


def test_a_context_that_git_ignores_as_a_whole_is_taken_as_it_is(folder: Path) -> None:
    init(folder.parent)
    (folder.parent / ".gitignore").write_text("context/\n")
    assert "src/a.py" in paths(look(folder))


def test_without_listing_git_is_not_asked(folder: Path) -> None:
    init(folder)
    (folder / ".gitignore").write_text("*\n")
    found = paths(look(folder, listing=False))
    assert "src/a.py" in found


def test_a_dockerfile_from_elsewhere_is_sent_and_kept_out_of_the_image(
    folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "Other"
    other.write_text("FROM scratch\n")
    (folder / ".dockerignore").write_text("run")
    found = look(folder, other)
    assert found.dockerfile == context.OWN_DOCKERFILE
    assert found.made == {
        context.OWN_DOCKERFILE: b"FROM scratch\n",
        ".dockerignore": b"run\n.outrig.dockerfile\n",
    }
    assert paths(found).count(".dockerignore") == 0


# ---------------------------------------------------------------- digest and stream


def test_times_and_places_do_not_count(folder: Path, tmp_path: Path) -> None:
    before = digest(folder)
    os.utime(folder / "run", (1, 1))
    moved = folder.rename(tmp_path / "elsewhere")
    assert digest(moved) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda top: (top / "run").write_text("#!/bin/sh\n#"),
        lambda top: (top / "run").chmod(0o644),
        lambda top: (top / "run").rename(top / "ran"),
        lambda top: (top / "new").mkdir(),
        lambda top: (top / "new").symlink_to("run"),
        lambda top: (top / "Dockerfile").write_text("FROM scratch\n"),
        lambda top: (top / ".dockerignore").write_text("# nothing\n"),
    ],
    ids=["bytes", "mode", "name", "directory", "link", "dockerfile", "dockerignore"],
)
def test_paths_modes_and_bytes_count(folder: Path, change) -> None:
    before = digest(folder)
    change(folder)
    assert digest(folder) != before


def test_another_umask_on_the_dockerfile_does_not(folder: Path) -> None:
    before = digest(folder)
    (folder / "Dockerfile").chmod(0o600)
    assert digest(folder) == before


def test_the_stream_is_a_tar_of_it(folder: Path) -> None:
    (folder / "link").symlink_to("../../etc/passwd")
    name = os.fsdecode(b"\xff" + b"n" * 150)
    (folder / name).write_bytes(b"x" * 1000)
    members = unpacked(look(folder))
    assert members["link"].issym()
    assert members["link"].linkname == "../../etc/passwd"
    assert members["run"].mode == 0o755
    assert members["src"].isdir()
    assert members[name].size == 1000
    assert {(one.uid, one.gid, one.mtime) for one in members.values()} == {(0, 0, archive.WHEN)}


def test_the_stream_is_the_same_bytes_again(folder: Path) -> None:
    found = look(folder)
    expected = archive.digest(found)
    assert b"".join(archive.archive(found, expected)) == b"".join(archive.archive(found, expected))


def test_a_large_file_comes_in_pieces(folder: Path) -> None:
    with (folder / "large").open("wb") as file:
        file.truncate(5 * archive.PIECE + 1)
    found = look(folder)
    longest = max(map(len, archive.archive(found, archive.digest(found))))
    assert longest <= archive.PIECE


def test_what_changes_between_digest_and_stream_is_not_built(folder: Path) -> None:
    found = look(folder)
    expected = archive.digest(found)
    (folder / "run").write_text("#!/bin/SH\n")
    with pytest.raises(BuildError, match="changed while it was read"):
        b"".join(archive.archive(found, expected))


@pytest.mark.parametrize("size", [1, 100])
def test_a_file_that_grows_or_shrinks_is_not_built(folder: Path, size: int) -> None:
    found = look(folder)
    (folder / "run").write_text("x" * size)
    with pytest.raises(BuildError, match="run changed"):
        archive.digest(found)


# ---------------------------------------------------------------- what an agent may have left


def test_a_link_in_place_of_a_tracked_directory_leads_nowhere(folder: Path, tmp_path: Path) -> None:
    """Git's index still says src/a.py: through the link that would be somebody's secret."""
    init(folder)
    subprocess.run(["git", "add", "."], cwd=folder, check=True, capture_output=True)
    secrets = tmp_path / "secrets"
    (secrets / "deep").mkdir(parents=True)
    (secrets / "a.py").write_text("hunter2")
    (folder / "src").rename(tmp_path / "gone")
    (folder / "src").symlink_to(secrets)
    found = look(folder)
    assert [path for path in paths(found) if path.startswith("src/")] == []
    assert b"hunter2" not in b"".join(archive.archive(found, archive.digest(found)))


def test_a_link_put_there_after_the_look_is_not_followed(folder: Path, tmp_path: Path) -> None:
    found = look(folder)
    (folder / "src").rename(tmp_path / "elsewhere")
    (folder / "src").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BuildError, match="cannot read src/"):
        archive.digest(found)


def test_special_files_are_refused_unless_ignored(folder: Path) -> None:
    os.mkfifo(folder / "pipe it")
    with pytest.raises(BuildError, match="no file, directory or link") as caught:
        look(folder)
    assert caught.value.hint == "echo 'pipe it' >> .dockerignore"
    (folder / ".dockerignore").write_text("pipe*\n")
    assert "pipe it" not in paths(look(folder))


def test_a_socket_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(BuildError, match="s in the build context is no file"):
            look(folder)


def test_a_fifo_as_dockerignore_does_not_block(folder: Path) -> None:
    os.mkfifo(folder / ".dockerignore")
    with pytest.raises(BuildError, match="no file, directory or link"):
        look(folder)


def test_a_linked_dockerignore_is_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("*\n")
    (folder / ".dockerignore").symlink_to(tmp_path / "elsewhere")
    assert "src/a.py" in paths(look(folder))


def test_a_tree_that_is_too_deep_for_a_path_is_refused(folder: Path) -> None:
    at = os.open(folder, os.O_RDONLY)
    for _ in range(45):
        os.mkdir("d" * 100, dir_fd=at)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    with pytest.raises(BuildError, match="nested too deeply"):
        look(folder)


def test_a_context_without_end_is_refused(folder: Path) -> None:
    with (folder / "huge file").open("wb") as file:
        file.truncate(context.LARGEST + 1)
    with pytest.raises(BuildError, match="huge file") as caught:
        look(folder)
    assert caught.value.hint == "echo 'huge file' >> .dockerignore"


def test_a_dockerfile_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"#" * (beneath.LARGEST_TEXT + 1))
    with pytest.raises(BuildError, match="larger than"):
        beneath.read_file(tmp_path / "Dockerfile")


def test_a_file_that_may_not_be_read_is_named(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (folder / "run").chmod(0)
    with pytest.raises(BuildError, match="cannot read run"):
        archive.digest(look(folder))
