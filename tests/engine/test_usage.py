from __future__ import annotations

import pytest

from outrig.engine.usage import PLACES, Refusals, cpu_seconds, crowd

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
    refusals = Refusals(NAME, str(tmp_path))
    assert refusals.seen
    assert refusals.words() == words
    refusals.close()
    refusals.close()
    assert refusals.words() is None


def test_a_cgroup_that_is_not_to_be_seen(tmp_path):
    refusals = Refusals(NAME, str(tmp_path))
    assert not refusals.seen
    assert refusals.words() is None
