"""What was used, in words, beside what might have been."""

from __future__ import annotations

from outrig.core.engine import Measured
from outrig.core.session import Session
from outrig.core.usage import fields, sizes, told


def test_what_is_not_known_is_left_out():
    assert fields(Measured(), {}) == {}
    assert fields(Measured(cpu_seconds=1.23456), {}) == {"cpu_seconds": 1.235}


def test_each_line_with_its_limit():
    used = fields(
        Measured(memory=34 << 20, cpu_seconds=2.0, received=1234, sent=0),
        {"requests": 3, "tokens": 360, "refused": 1},
    )
    limits = {"memory": 4 << 30, "model_tokens": 1000}
    assert list(told(Session({"usage": used, "limits": limits}))) == [
        "memory: 34m at most of 4g",
        "cpu: 2.0 s",
        "network: 1.21k in, 0 out",
        "model requests: 3",
        "model tokens: 360 of 1000",
    ]


def test_of_a_table_only_what_is_bytes_has_a_unit():
    table = {"memory": 20221201612, "pids": 512, "log_bytes": 1 << 30, "core": 0, "disk": "?"}
    shown = {"memory": "18.8g", "pids": 512, "log_bytes": "1g", "core": "0", "disk": "?"}
    assert sizes(table) == shown


def test_a_record_of_another_shape_says_nothing():
    assert list(told(Session({"usage": ["?"]}))) == []
    assert list(told(Session({}))) == []
