from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from outrig.store.events import Events, append
from outrig.store.sessions import SessionStore
from tests import records
from tests.conftest import REPO


def read(root) -> list[str]:
    with Events(root) as found:
        return [event["event"] for event in found.new()]


def test_the_story_of_a_session(tmp_path):
    told = []
    store = SessionStore(tmp_path, heard=lambda event, one: told.append((event, one.status)))
    session = records.done(store, name="n")
    store.update(session.id, lambda one: one)
    store.note("discarded", session)
    names = ["planned", "preparing", "running", "ended", "discarded"]
    assert read(tmp_path) == names
    assert [event["event"] for event, _ in told] == names
    assert [status for _, status in told][:4] == ["planned", "preparing", "running", "completed"]
    with Events(tmp_path) as found:
        assert {event["id"] for event in found.new()} == {session.id}


def test_each_event_comes_once(tmp_path):
    with Events(tmp_path) as found:
        assert list(found.new()) == []
        append(tmp_path, [{"event": "a"}, {"event": "b"}])
        assert [event["event"] for event in found.new()] == ["a", "b"]
        append(tmp_path, [])
        append(tmp_path, [{"event": "c"}])
        assert [event["event"] for event in found.new()] == ["c"]


def test_following_ends_when_it_shall(tmp_path):
    looks = iter([True, True, False])

    def pause(_seconds: float) -> None:
        append(tmp_path, [{"event": "more"}])

    with Events(tmp_path) as found:
        assert len(list(found.follow(lambda: next(looks), pause))) == 2


def test_a_torn_line_harms_no_other(tmp_path):
    append(tmp_path, [{"event": "a"}])
    with (tmp_path / ".events").open("ab") as file:
        file.write(b'{"event": "to')
    assert read(tmp_path) == ["a"]
    append(tmp_path, [{"event": "b"}])
    assert read(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("line", ["[]", "{}", '{"event": 1}', "x", "[" * 100_000, "x" * 10**6])
def test_what_is_no_event_is_passed_over(tmp_path, line):
    (tmp_path / ".events").write_text(f'{{"event": "a"}}\n{line}\n{{"event": "b"}}\n')
    assert read(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("trick", ["link", "fifo", "directory"])
def test_no_trick_makes_it_wait_or_write_elsewhere(tmp_path, trick):
    path = tmp_path / ".events"
    if trick == "link":
        path.symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").write_text('{"event": "a"}\n')
    elif trick == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    append(tmp_path, [{"event": "b"}])
    assert read(tmp_path) == []
    if trick == "link":
        assert (tmp_path / "elsewhere").read_text() == '{"event": "a"}\n'


def test_a_disk_that_refuses_ends_no_session(tmp_path):
    store = SessionStore(tmp_path)
    store.make_root()
    (tmp_path / ".events").mkdir()
    assert records.done(store).ended


def test_lines_of_many_writers_do_not_mix(tmp_path):
    program = (
        "import sys; from pathlib import Path; from outrig.store.events import append\n"
        "for n in range(200): append(Path(sys.argv[1]), [{'event': sys.argv[2], 'n': n}])"
    )
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), name], env=env)
        for name in "abc"
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    lines = (tmp_path / ".events").read_text().splitlines()
    # A line that crosses a page looks torn for a moment, and then an empty one follows.
    found = [json.loads(line) for line in lines if line]
    for name in "abc":
        assert [one["n"] for one in found if one["event"] == name] == list(range(200))
