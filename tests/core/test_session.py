from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core import session as sessions
from outrig.core.ending import Ending
from outrig.core.moment import parse_time, time_text
from outrig.core.session import Session, ended, with_dropped, with_fields, with_limit_hit
from outrig.errors import StoreError
from tests import records

ID = "20260501T120000-3f2a"
FAILED = Ending(status="failed", reason="exit", exit_code=3, agent_exit_code=3)


def session(**fields):
    return records.first_record(ID, **fields)


# ---------------------------------------------------------------- times


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9000, 1, 1)))  # noqa: DTZ001
def test_a_time_reads_back_to_the_microsecond(moment):
    aware = moment.replace(tzinfo=UTC)
    text = time_text(aware)
    assert text.endswith("Z")
    assert parse_time(text) == aware


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-07-18T09:15:02Z", datetime(2026, 7, 18, 9, 15, 2, tzinfo=UTC)),
        ("2026-07-18T09:15:02.9Z", datetime(2026, 7, 18, 9, 15, 2, 900_000, tzinfo=UTC)),
        ("2026-07-18T09:15:02.318442719Z", datetime(2026, 7, 18, 9, 15, 2, 318_442, tzinfo=UTC)),
        ("2026-07-18t09:15:02.000000001z", datetime(2026, 7, 18, 9, 15, 2, tzinfo=UTC)),
        ("2026-07-18T11:15:02+02:00", datetime(2026, 7, 18, 9, 15, 2, tzinfo=UTC)),
    ],
)
def test_fractions_of_any_length(text, moment):
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        5,
        "yesterday",
        "2026-13-01T00:00:00Z",
        "2026-07-18T09:15:02",
        "٢٠٢٦-07-18T09:15:02Z",
    ],
)
def test_what_is_no_time_is_none(text):
    assert parse_time(text) is None


def test_a_time_is_written_in_utc():
    berlin = timezone(timedelta(hours=2))
    assert time_text(datetime(2026, 5, 1, 14, 0, tzinfo=berlin)) == "2026-05-01T12:00:00.000000Z"


# ---------------------------------------------------------------- moving along


def test_from_planned_to_the_end():
    one = sessions.running(sessions.preparing(session()))
    assert one.status == "running"
    assert not one.ended
    end = ended(one, FAILED, at=records.NOON)
    assert (end.status, end.reason, end.exit_code) == ("failed", "exit", 3)
    assert end.ended_at == records.NOON
    assert end.ended


@pytest.mark.parametrize("status", sessions.TERMINAL)
def test_an_end_is_an_end(status):
    over = session(status=status)
    assert ended(over, FAILED, at=records.NOON) is over
    with pytest.raises(StoreError):
        sessions.running(over)
    with pytest.raises(StoreError):
        sessions.preparing(over)


@pytest.mark.parametrize("status", ["preparing", "running"])
def test_no_step_is_taken_twice(status):
    with pytest.raises(StoreError):
        sessions.preparing(session(status=status))


def test_a_lost_session_has_no_code():
    lost = Ending(status="lost", reason="container-gone", exit_code=None)
    over = ended(session(status="running"), lost, at=records.NOON)
    assert "exit_code" not in over.fields
    assert over.exit_code is None


def test_none_leaves_a_field_out_and_others_stay():
    one = with_fields(session(later="x"), image_id="sha256:1", container_name=None)
    assert one.fields["later"] == "x"
    assert one.fields["image_id"] == "sha256:1"
    assert "container_name" not in one.fields


def test_another_tools_record_is_not_moved():
    foreign = Session({"id": ID})
    assert foreign.status == "unknown"
    with pytest.raises(StoreError, match="another tool"):
        with_fields(foreign, status="completed")


# ---------------------------------------------------------------- resources


def test_a_resource_is_noted_before_it_is_made_and_once_it_is_known():
    planned = sessions.with_resource(
        session(), kind="container", role="agent", ref=None, attempt="a"
    )
    assert planned.resources == [
        {"kind": "container", "role": "agent", "ref": None, "attempt": "a"}
    ]
    known = sessions.with_resource(planned, kind="container", role="agent", ref="c1", attempt="a")
    assert [one["ref"] for one in known.resources] == ["c1"]
    both = sessions.with_resource(known, kind="network", role="gateway", ref="n", attempt="b")
    assert [one["attempt"] for one in both.resources] == ["a", "b"]
    assert [one["attempt"] for one in sessions.without_resource(both, "a").resources] == ["b"]


# ---------------------------------------------------------------- fields of any shape


@pytest.mark.parametrize("value", [None, 5, [], {}, "", True])
def test_fields_of_a_wrong_shape_are_taken_as_missing(value):
    odd = Session(dict.fromkeys(("id", "started_at", "ended_at", "labels", "resources"), value))
    assert odd.started_at is None
    assert odd.labels == {}
    assert odd.resources == []
    assert isinstance(odd.id, str)
    assert odd.status in {"unknown", "failed"}


@pytest.mark.parametrize(
    ("fields", "image"),
    [
        ({"image_config_name": "a", "container_config_name": "b", "image_tag": "c"}, "a"),
        ({"container_config_name": "b", "image_tag": "c"}, "b"),
        ({"image_config_name": None, "image_tag": "c"}, "c"),
        ({}, ""),
    ],
)
def test_the_image_by_its_newest_name(fields, image):
    assert Session(fields).image == image


def test_limits_that_were_hit():
    first = with_limit_hit(session(), "pids", at=records.NOON, evidence="512 of 512", events=3)
    both = with_dropped(first, 10, at=records.NOON)
    again = with_dropped(both, 25, at=records.NOON.replace(hour=13))
    assert again.limits_hit == [
        {"limit": "pids", "at": time_text(records.NOON), "evidence": "512 of 512", "events": 3},
        {
            "limit": "log_bytes",
            "at": time_text(records.NOON),
            "evidence": "25 bytes of output were not kept",
            "dropped": 25,
        },
    ]
    assert (session().dropped, first.dropped, both.dropped, again.dropped) == (0, 0, 10, 25)


@pytest.mark.parametrize("listed", [None, "x", [1, None], [{"limit": "log_bytes", "dropped": "x"}]])
def test_limits_hit_that_nobody_wrote(listed):
    assert Session({"schema": 1, "limits_hit": listed}).dropped == 0


def test_what_the_logs_lack():
    assert session().missing is None
    dropped = with_dropped(session(), 10, at=records.NOON)
    assert dropped.missing == "the logs are not whole: 10 bytes beyond limits.log-bytes"
    both = with_fields(dropped, logs_incomplete="disk full")
    assert both.missing == f"{dropped.missing}; disk full"


@pytest.mark.parametrize(
    ("limits", "bound"),
    [({"log_bytes": 5}, 5), ({}, None), (None, None), ({"log_bytes": "5"}, None), ([], None)],
)
def test_the_bound_on_the_logs(limits, bound):
    assert Session({"limits": limits}).log_bytes == bound
