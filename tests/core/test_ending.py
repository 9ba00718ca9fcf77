from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.ending import Finding, Intent, interrupted_early, judge, never_started
from outrig.core.session import TERMINAL

STOP, KILL = (Intent(kind=kind) for kind in ("stop", "kill"))
WALL, IDLE = Intent(kind="wall", by="runner"), Intent(kind="idle")
OOM = "the engine reports OOMKilled; exit code"
INT, TERM = (Intent(kind="signal", signal=number) for number in (2, 15))


@pytest.mark.parametrize(
    ("intent", "finding", "status", "reason", "code"),
    [
        (STOP, {"code": 143}, "stopped", "stopped", 143),
        (STOP, {"code": 0}, "stopped", "stopped", 0),
        (KILL, {"code": 137}, "stopped", "stopped", 137),
        (INT, {"code": 0}, "stopped", "interrupted", 130),
        (TERM, {"code": 137}, "stopped", "interrupted", 143),
        (WALL, {"code": 0}, "timeout", "wall-timeout", 124),
        (WALL, {"code": 137, "oom": True}, "timeout", "wall-timeout", 124),
        (None, {"code": 0}, "completed", "exit", 0),
        (None, {"code": 0, "oom": True}, "completed", "exit", 0),
        (None, {"code": 137, "oom": True}, "failed", "oom", 137),
        (None, {"code": 137, "killed_for_memory": True}, "failed", "oom", 137),
        (None, {"code": 1, "killed_for_memory": True}, "failed", "exit", 1),
        (STOP, {"code": 137, "killed_for_memory": True}, "stopped", "stopped", 137),
        (None, {"code": 1, "oom": True}, "failed", "exit", 1),
        (None, {"code": 137, "engine_died": True}, "failed", "engine-lost", 137),
        (None, {"code": 143, "engine_died": True}, "failed", "engine-lost", 143),
        (None, {"code": 255, "engine_died": True}, "failed", "engine-lost", 255),
        (None, {"code": 3, "engine_died": True}, "failed", "exit", 3),
        (None, {"code": 127, "init_complaint": True}, "failed", "start-failed", 127),
        (None, {"code": 126, "init_complaint": True}, "failed", "start-failed", 126),
        (None, {"code": 127}, "failed", "exit", 127),
        (None, {"code": 1, "init_complaint": True}, "failed", "exit", 1),
        (None, {"code": 128}, "failed", "exit", 128),
        (None, {"code": 129}, "failed", "signal", 129),
        (None, {"code": 137}, "failed", "signal", 137),
        (None, {"code": 192}, "failed", "signal", 192),
        (None, {"code": 193}, "failed", "exit", 193),
        (None, {"code": 255}, "failed", "exit", 255),
        (None, {"code": None}, "lost", "container-gone", None),
        (STOP, {"code": None}, "lost", "container-gone", None),
    ],
)
def test_each_row(intent, finding, status, reason, code):
    ending = judge(intent, Finding(**finding))
    assert (ending.status, ending.reason, ending.exit_code) == (status, reason, code)


NOON = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
BEFORE, AFTER = ((NOON + timedelta(seconds=seconds)).isoformat() for seconds in (-1, 1))


@pytest.mark.parametrize(
    ("intent", "at", "reason"),
    [
        (Intent(kind="stop", at=BEFORE), NOON, "stopped"),
        (Intent(kind="stop", at=AFTER), NOON, "exit"),
        (Intent(kind="stop", at=AFTER), None, "stopped"),
        (Intent(kind="idle", at=BEFORE), NOON, "idle-timeout"),
        (Intent(kind="signal", signal=2, at=BEFORE, until=AFTER), NOON, "interrupted"),
        (Intent(kind="signal", signal=2, at=BEFORE, until=BEFORE), NOON, "exit"),
        (Intent(kind="signal", signal=2, at=BEFORE, until=AFTER), None, "exit"),
    ],
)
def test_an_intent_counts_only_for_what_it_can_have_caused(intent, at, reason):
    assert judge(intent, Finding(code=3, at=at)).reason == reason


def test_the_agents_own_code_is_kept_beside_ours():
    assert judge(WALL, Finding(code=137)).agent_exit_code == 137
    assert judge(INT, Finding(code=0)).agent_exit_code == 0
    assert judge(None, Finding(code=127, init_complaint=True)).agent_exit_code is None
    assert judge(None, Finding(code=None)).agent_exit_code is None


@pytest.mark.parametrize(
    ("intent", "finding", "hits"),
    [
        (None, {"code": 0}, []),
        (STOP, {"code": 143}, []),
        (WALL, {"code": 143}, [("wall", "its time was over; ended by runner")]),
        (IDLE, {"code": 0}, [("idle", "it neither said nor did anything; ended by outrig")]),
        (None, {"code": 137, "oom": True}, [("memory", f"{OOM} 137")]),
        (None, {"code": 0, "oom": True}, [("memory", f"{OOM} 0")]),
        (
            None,
            {"code": 137, "killed_for_memory": True},
            [("memory", "the kernel killed a process for memory; exit code 137")],
        ),
        (STOP, {"code": None}, []),
    ],
)
def test_limits_that_were_hit(intent, finding, hits):
    found = judge(intent, Finding(**finding)).hits
    assert [(hit.limit, hit.evidence) for hit in found] == hits


def test_a_time_limit_was_hit_when_it_was_declared():
    intent = Intent(kind="wall", at=BEFORE)
    (hit,) = judge(intent, Finding(code=143, at=NOON)).hits
    assert hit.at == NOON - timedelta(seconds=1)
    late = Intent(kind="wall", at=AFTER)
    assert judge(late, Finding(code=0, at=NOON)).hits == ()


@given(
    st.sampled_from([None, STOP, KILL, WALL, INT, TERM]),
    st.builds(
        Finding,
        code=st.none() | st.integers(0, 255),
        oom=st.booleans(),
        killed_for_memory=st.booleans(),
        init_complaint=st.booleans(),
        engine_died=st.booleans(),
    ),
)
def test_every_end_is_a_terminal_status_with_a_reason(intent, finding):
    ending = judge(intent, finding)
    assert ending.status in TERMINAL
    assert ending.reason
    assert (ending.exit_code is None) == (ending.status == "lost")
    assert (ending.status == "completed") == (ending.exit_code == 0 and ending.reason == "exit")


def test_before_the_agent_ran():
    failed = never_started("build-failed", exit_code=125)
    assert (failed.status, failed.reason, failed.exit_code) == ("failed", "build-failed", 125)
    early = interrupted_early(TERM)
    assert (early.status, early.reason, early.exit_code) == ("stopped", "interrupted", 143)
    late = interrupted_early(WALL)
    assert (late.status, late.exit_code, late.agent_exit_code) == ("timeout", 124, None)
