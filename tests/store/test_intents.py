from __future__ import annotations

import os

import pytest

from outrig.core.ending import Intent
from outrig.store import intents

STOP = Intent(kind="stop", at="2026-05-01T12:00:00.000000Z", by="outrig stop")
INTERRUPT = Intent(kind="signal", signal=2, at="2026-05-01T12:00:01.000000Z", by="runner")


@pytest.mark.parametrize("intent", [STOP, INTERRUPT, Intent(kind="wall")])
def test_an_intent_reads_back_as_it_was_written(tmp_path, intent):
    assert intents.write(tmp_path, intent) == intent
    assert intents.read(tmp_path) == intent


def test_the_first_intent_counts(tmp_path):
    intents.write(tmp_path, STOP)
    assert intents.write(tmp_path, INTERRUPT) == STOP
    assert intents.read(tmp_path) == STOP


def test_no_intent(tmp_path):
    assert intents.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "mutiny"}', '{"kind": ["stop"]}'])
def test_what_is_no_intent_is_none(tmp_path, text):
    (tmp_path / "intent.json").write_text(text)
    assert intents.read(tmp_path) is None


def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "intent.json")
    assert intents.read(tmp_path) is None
