from __future__ import annotations

import errno
import os

import pytest

from outrig.engine.usage import KILLS, Kills, cpu_seconds, crowd

NAME = "5b5421030199bb1df5a09b775569ce07"

# docker 20.10.24, `GET /containers/ID/stats?stream=0&one-shot=1`, cut to what is read
STATS = {
    "pids_stats": {"current": 20, "limit": 20},
    "cpu_stats": {"cpu_usage": {"total_usage": 1_500_000_000}},
}
ENDED = {"pids_stats": {}, "cpu_stats": {"cpu_usage": {"total_usage": 0}}}


def test_what_stats_say():
    assert crowd(STATS) == "20 of 20 processes were there"
    assert cpu_seconds(STATS) == 1.5


@pytest.mark.parametrize(
    "said",
    [
        {},
        ENDED,
        {"pids_stats": None},
        {"pids_stats": {"current": 19, "limit": 20}},
        {"pids_stats": {"current": 19}},
        {"pids_stats": {"current": 19, "limit": 0}},
    ],
)
def test_no_crowd(said):
    assert crowd(said) is None
    assert cpu_seconds(said) == 0


@pytest.mark.parametrize("place", KILLS)
@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", 0),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 2),
        ("low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n", 3),
        ("oom_kill_disable 1\nunder_oom 0\n", 0),  # before Linux 4.13
        ("oom_kill many\n", 0),
        ("", 0),
    ],
)
def test_whether_one_was_killed_for_memory(tmp_path, place, text, count):
    events = tmp_path / place.format(NAME)
    events.parent.mkdir(parents=True)
    events.write_text(text)
    kills = Kills(NAME, str(tmp_path))
    assert kills.seen() == (count > 0)
    kills.close()
    kills.close()
    assert kills.seen() == (count > 0)


def test_what_was_counted_last_stays_when_the_cgroup_is_gone(tmp_path, monkeypatch):
    def ended(*_: object) -> bytes:
        raise OSError(errno.ENODEV, "No such device")

    events = tmp_path / KILLS[0].format(NAME)
    events.parent.mkdir(parents=True)
    events.write_text("oom_kill 1\n")
    kills = Kills(NAME, str(tmp_path))
    assert kills.seen()
    with monkeypatch.context() as gone:
        gone.setattr(os, "pread", ended)
        assert kills.seen()
    kills.close()
    assert Kills("another", str(tmp_path)).seen() is False
