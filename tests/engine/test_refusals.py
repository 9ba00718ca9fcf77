from __future__ import annotations

import errno
import os

import pytest

from outrig.engine.refusals import PLACES, SAID, Refusals

NAME = "5b5421030199bb1df5a09b775569ce07"
LINE = f"{SAID}/docker/{NAME}"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max 0\n", None),
        ("max 1\n", "the kernel refused 1 more process"),
        ("max 17\nother 3\n", "the kernel refused 17 more processes"),
        ("", None),
        ("max many\n", None),
        ("least 3\n", None),
    ],
)
def test_what_a_cgroup_says(tmp_path, place, text, words):
    group = tmp_path / place.format(NAME)
    group.mkdir(parents=True)
    (group / "pids.events").write_text(text)
    refusals = Refusals(NAME, str(tmp_path), "/nonexistent")
    assert refusals.seen
    assert refusals.words() == words
    refusals.close()
    refusals.close()


def test_a_cgroup_that_is_not_to_be_seen_yet(tmp_path):
    refusals = Refusals(NAME, str(tmp_path), "/nonexistent")
    assert not refusals.seen
    assert refusals.words() is None
    group = tmp_path / PLACES[0].format(NAME)
    group.mkdir(parents=True)
    (group / "pids.events").write_text("max 2\n")
    assert refusals.words() == "the kernel refused 2 more processes"
    refusals.close()


@pytest.fixture
def log(tmp_path, monkeypatch):
    """The kernel's log, which gives a record with each read; and a cgroup that is gone."""
    place = tmp_path / "kmsg"
    place.touch()
    group = tmp_path / PLACES[0].format(NAME)
    group.mkdir(parents=True)
    (group / "pids.events").touch()
    refusals = Refusals(NAME, str(tmp_path), str(place))
    records: list[bytes | int] = []

    def read(_fd: int, _count: int) -> bytes:
        record = records.pop(0) if records else errno.EAGAIN
        if isinstance(record, int):
            raise OSError(record, os.strerror(record))
        return record

    def ended(*_: object) -> bytes:
        raise OSError(errno.ENODEV, "No such device")

    def words(*said: bytes | int) -> str | None:
        records.extend(said)
        with monkeypatch.context() as now:
            now.setattr(os, "read", read)
            now.setattr(os, "pread", ended)
            return refusals.words()

    yield words
    refusals.close()


def record(text: str, priority: int = 6) -> bytes:
    """As Linux 6.18 gave it, with the details that may follow."""
    return f"{priority},1453,24327507459,-;{text}\n SUBSYSTEM=none\n".encode()


@pytest.mark.parametrize(
    "said",
    [
        (record(LINE),),
        (record("eth0: renamed"), record(LINE), record("docker0: port 1(veth0) disabled")),
        (record(SAID), record(f"/docker/{NAME}")),
        (record(f"{SAID}/system.slice/docker-{NAME}.scope"),),
        (errno.EPIPE, record(LINE)),
    ],
)
def test_what_the_kernels_log_says_of_one_that_is_gone(log, said):
    assert log(*said) == "the kernel refused it more processes"
    assert log() == "the kernel refused it more processes"


@pytest.mark.parametrize(
    "said",
    [
        (),
        (record(LINE, priority=14),),  # somebody wrote it
        (record(f"{SAID}/docker/another"),),
        (record(f"oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/docker/{NAME}"),),
        (record(f"{SAID}/docker/{NAME}/below"),),
        (b"no record at all",),
        (errno.EPERM, record(LINE)),
    ],
)
def test_what_is_no_word_of_the_kernels_about_it(log, said):
    assert log(*said) is None
