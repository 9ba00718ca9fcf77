"""The vault: files of memory, nobody else's, gone when they shall be."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from outrig.errors import StoreError
from outrig.store import vault

ID = "20260501T134412-3f2a"


@pytest.fixture
def place(home):
    found = vault.prospective(home.variables(), ID)
    yield found
    vault.remove(found, ID)


def test_it_is_memory_and_ours_alone(place):
    vault.make(place, {"key": "s3cr3t"})
    path = vault.put(place, "key", "s3cr3t", os.geteuid(), os.getegid())
    assert str(place).startswith((f"{vault.SHARED_MEMORY}/", os.environ["XDG_RUNTIME_DIR"]))
    assert [stat.S_IMODE(one.stat().st_mode) for one in (place.parent, place, path)] == [
        0o700,
        0o700,
        0o600,
    ]
    assert path.read_text() == "s3cr3t"
    assert vault.values(place) == {"key": "s3cr3t"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_file_is_the_sessions_users(place):
    vault.make(place, {})
    found = vault.put(place, "key", "s3cr3t", 1234, 1235).stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 1235, 0o600)


def test_gone_is_gone(place):
    vault.make(place, {"key": "s3cr3t"})
    vault.remove(place, ID)
    assert not place.exists()
    assert vault.values(place) is None
    vault.remove(place, ID)


def test_what_a_record_names_and_is_no_vault_is_left_alone(tmp_path):
    for path in (tmp_path / "secrets", tmp_path / f"{ID}-x"):
        path.mkdir()
        vault.remove(path, ID)
        assert path.exists()


def test_a_disk_is_not_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(vault, "_is_memory", lambda _path: False)
    with pytest.raises(StoreError, match="secrets are not written to a disk"):
        vault.prospective({"XDG_RUNTIME_DIR": str(tmp_path)}, ID)


def test_somebody_elses_directory_is_refused(monkeypatch, tmp_path):
    top = tmp_path / "outrig-1"
    top.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(StoreError, match="not a directory of yours"):
        vault.make(top / "secrets" / f"{ID}-ab", {"key": "s3cr3t"})
    assert not list(Path(tmp_path / "elsewhere").rglob("*.json"))


def test_a_disk_and_a_memory_are_told_apart():
    assert vault._is_memory(vault.SHARED_MEMORY)
    assert not vault._is_memory(Path("/proc"))
