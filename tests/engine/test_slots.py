"""Slots between real processes, and in a directory that somebody hostile prepared."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from outrig.engine.slots import SLOTS, slot
from outrig.errors import EngineError

HOLDER = """
import sys
from pathlib import Path
from outrig.engine.slots import slot
with slot(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "slots"


def held(directory: Path) -> int:
    """How many slots are locked."""
    count = 0
    for path in directory.glob("slot.*"):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                count += 1
    return count


def test_a_slot_is_held_and_given_back(directory: Path) -> None:
    with slot(directory):
        assert held(directory) == 1
        with slot(directory):
            assert held(directory) == 2
    assert held(directory) == 0


def test_everybody_may_use_the_directory(directory: Path) -> None:
    before = os.umask(0o077)
    try:
        with slot(directory):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o1777
    files = list(directory.iterdir())
    assert files
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o444 for path in files)


def test_the_ninth_waits_and_is_told_when_none_comes_free(directory: Path) -> None:
    with contextlib.ExitStack() as all_of_them:
        for _ in range(SLOTS):
            all_of_them.enter_context(slot(directory))
        with (
            pytest.raises(EngineError, match="stayed taken") as busy,
            slot(directory, seconds=0.05),
        ):
            pytest.fail("there was a ninth slot")
    assert str(directory) in str(busy.value.hint)
    with slot(directory, seconds=0):
        assert held(directory) == 1


def test_a_holder_that_is_killed_gives_its_slot_back(directory: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        assert held(directory) == 1
        process.kill()
    assert held(directory) == 0


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_what_somebody_planted_is_no_slot_and_no_trap(
    directory: Path, tmp_path: Path, kind: str
) -> None:
    directory.mkdir()
    victim = tmp_path / "victim"
    for number in range(SLOTS):
        planted = directory / f"slot.{number}"
        if kind == "link":
            planted.symlink_to(victim)
        elif kind == "fifo":
            os.mkfifo(planted)
        else:
            planted.mkdir()
    with slot(directory):
        assert not victim.exists()


def test_a_link_in_place_of_the_directory_is_not_followed(directory: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    directory.symlink_to(elsewhere)
    with slot(directory):
        assert list(elsewhere.iterdir()) == []
