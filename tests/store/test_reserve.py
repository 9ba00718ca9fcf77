"""A disk that is full, and what was kept back for it: a small tmpfs where we may mount one."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.core.ending import Intent
from outrig.core.session import ended, with_fields, with_resource, without_resource
from outrig.errors import StoreError
from outrig.store import file, intents, removal, reserve
from outrig.store.sessions import SessionStore
from tests import records

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 512 * 1024


@pytest.fixture
def disk(tmp_path: Path):
    """A file system of its own, of half a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", place],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"mount: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> None:
    """To the last byte, and past every byte that is given back."""
    with (disk / "filler").open("ab", buffering=0) as filler:
        for size in (4096, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - the loop ends no other way


def space(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_a_session_begins_with_a_reserve_of_real_blocks_and_ends_without(session_root):
    held = records.begin(SessionStore(session_root))
    kept = held.directory / ".reserve"
    record = held.directory / "session.json"
    assert space(kept) >= record.stat().st_size + reserve.GROWTH
    assert kept.stat().st_mode & 0o777 == 0o600
    records.finish(held)
    assert not kept.exists()


def test_a_long_command_has_a_larger_reserve(session_root):
    held = records.begin(SessionStore(session_root), command=["x" * 100_000])
    assert space(held.directory / ".reserve") > 100_000
    held.close()


def test_a_full_disk_does_not_hide_how_a_session_ended(disk):
    store = SessionStore(disk / "sessions")
    held = records.begin(store)
    fill(disk)
    intents.write(held.directory, Intent(kind="stop", by="stop"))
    fill(disk)
    words = "cannot write the session's logs: No space left on device"
    held.update(
        lambda one: with_fields(
            ended(one, records.COMPLETED, at=records.NOON), logs_incomplete=words
        )
    )
    found = intents.read(held.directory)
    assert found
    assert found.kind == "stop"
    assert store.load(held.id).status == "completed"
    assert store.load(held.id).text("logs_incomplete") == words
    assert not store.is_open(held.id)
    assert sorted(os.listdir(held.directory)) == ["intent.json", "logs", "session.json"]
    held.close()


def test_what_is_still_to_be_taken_away_can_be_crossed_out_on_a_full_disk(disk):
    held = records.begin(SessionStore(disk / "sessions"))
    held.update(
        lambda one: with_resource(one, kind="container", role="agent", ref="c", attempt="a")
    )
    held.update(lambda one: ended(one, records.COMPLETED, at=records.NOON))
    fill(disk)
    held.update(lambda one: without_resource(one, "a"))
    assert not held.store.load(held.id).resources
    assert not held.store.is_open(held.id)
    assert sorted(os.listdir(held.directory)) == ["logs", "session.json"]
    held.close()


def test_nobody_can_take_what_the_record_is_written_with(disk, monkeypatch):
    """Whatever is free at any moment is taken at once, as an agent that fills the disk does."""
    held = records.begin(SessionStore(disk / "sessions"))
    fill(disk)
    write, sync = os.write, os.fsync

    def greedy_sync(fd: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        fill(disk)
        sync(fd)

    monkeypatch.setattr(os, "fsync", greedy_sync)
    held.update(lambda one: ended(one, records.COMPLETED, at=records.NOON))
    assert os.write is write
    assert held.store.load(held.id).status == "completed"
    held.close()


def test_without_a_reserve_a_full_disk_is_an_error_and_the_old_text_stays(disk):
    held = records.begin(SessionStore(disk / "sessions"))
    fill(disk)
    reserve.drop(str(held.directory))
    fill(disk)
    with pytest.raises(OSError, match="No space left") as caught:
        reserve.write_object(str(held.directory), "session.json", {"id": held.id, "x": "y" * 9000})
    assert caught.value.errno == errno.ENOSPC
    assert held.store.load(held.id).status == "running"
    assert sorted(os.listdir(held.directory)) == ["logs", "session.json"]
    held.close()


def test_a_full_disk_makes_no_session(disk):
    store = SessionStore(disk / "sessions")
    store.root_id()
    fill(disk)
    with pytest.raises(StoreError, match="No space left on device"):
        records.begin(store)
    assert store.ids() == []


@pytest.mark.parametrize("number", reserve.FULL)
def test_a_quota_is_as_full_as_a_disk(tmp_path, monkeypatch, number):
    reserve.make(str(tmp_path), 100)

    def refuse(_path: str, _data: bytes) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(file, "replace", refuse)
    reserve.write_object(str(tmp_path), "session.json", {"id": "x"})
    assert json.loads((tmp_path / "session.json").read_text()) == {"id": "x"}
    assert (tmp_path / ".reserve").stat().st_size == 12288


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.EROFS])
def test_another_refusal_leaves_the_reserve_alone(tmp_path, monkeypatch, number):
    reserve.make(str(tmp_path), 100)

    def refuse(_path: str, _data: bytes) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(file, "replace", refuse)
    with pytest.raises(OSError, match=os.strerror(number)):
        reserve.write_object(str(tmp_path), "session.json", {"id": "x"})
    assert os.listdir(tmp_path) == [".reserve"]


def test_a_link_in_its_place_is_not_followed(tmp_path, monkeypatch):
    directory = tmp_path / "session"
    directory.mkdir()
    (tmp_path / "precious").write_text("precious")
    (directory / ".reserve").symlink_to(tmp_path / "precious")

    def refuse(_path: str, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(file, "replace", refuse)
    with pytest.raises(OSError, match="full"):
        reserve.write_object(str(directory), "session.json", {"id": "x"})
    assert (tmp_path / "precious").read_text() == "precious"


def test_where_blocks_cannot_be_promised_zeros_are_written(tmp_path, monkeypatch):
    def unknown(_fd: int, _start: int, _size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(os, "posix_fallocate", unknown)
    reserve.make(str(tmp_path), 100)
    assert (tmp_path / ".reserve").read_bytes() == bytes(16384)


def test_discard_takes_it_away(session_root):
    held = records.begin(SessionStore(session_root))
    held.close()
    assert (held.directory / ".reserve").exists()
    assert removal.remove(held.store, held.id) is None
    assert not held.directory.exists()
