from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from outrig.core.transcript import Said
from outrig.errors import EngineUnreachableError
from outrig.record.reading import Logs
from outrig.record.recovery import recover
from tests.records import NOON, say

if TYPE_CHECKING:
    from pathlib import Path


def said(*pieces: tuple[str, bytes], doubtful: bool = False) -> list[Said]:
    """What an engine remembers, a piece each second."""
    found = [
        Said(at=NOON + timedelta(seconds=number), stream=stream, data=data)  # type: ignore[arg-type]
        for number, (stream, data) in enumerate(pieces)
    ]
    if doubtful:
        found.append(Said(at=NOON, stream=found[-1].stream, data=b"", doubtful=True))
    return found


def test_nothing_was_kept(tmp_path):
    spoken = [("stdout", b"a\n"), ("stderr", b"b\n"), ("stdout", b"c")]
    found = recover(tmp_path, said(*spoken), tty=False, started=NOON)
    assert (found.gained, found.doubts) == (5, ())
    with Logs(tmp_path) as logs:
        chunks = list(logs.merged())
    assert [(chunk.source, chunk.data) for chunk in chunks] == [
        ("stdout.log", b"a\n"),
        ("stderr.log", b"b\n"),
        ("stdout.log", b"c"),
    ]
    times = [chunk.at or 0 for chunk in chunks]
    assert [one - times[0] for one in times] == [0, 1_000_000, 2_000_000]


@pytest.mark.parametrize("kept", range(10))
def test_exactly_what_is_missing_is_appended(tmp_path, kept):
    say(tmp_path, ("stdout", b"012345678\n"[:kept]), ("stderr", b"E"))
    all_of_it = said(("stdout", b"0123"), ("stderr", b"EF"), ("stdout", b"45678\n"))
    for gain in (11 - kept, 0):
        found = recover(tmp_path, all_of_it, tty=False, started=NOON)
        assert found.gained == gain
        assert read(tmp_path, "stdout.log") == b"012345678\n"
        assert read(tmp_path, "stderr.log") == b"EF"


def test_a_terminal(tmp_path):
    say(tmp_path, ("terminal", b"$ "), tty=True)
    recover(tmp_path, said(("terminal", b"$ ls\r\n")), tty=True, started=NOON)
    assert read(tmp_path, "terminal.log") == b"$ ls\r\n"


def test_bytes_without_a_timing_line_get_one_before_more_come(tmp_path):
    say(tmp_path, ("stdout", b"one\n"))
    append(tmp_path, "stdout.log", b"two\n")
    append(tmp_path, "timing", b"O 0.00")  # torn
    spoken = said(("stdout", b"one\ntwo\n"), ("stderr", b"E"), ("stdout", b"three\n"))
    recover(tmp_path, spoken, tty=False, started=NOON)
    with Logs(tmp_path) as logs:
        timed = [chunk.data for chunk in logs.timed()]
        assert timed == [b"one\n", b"two\n", b"E", b"three\n"]
        assert list(logs.rest()) == []


def test_killed_while_recovering_it_goes_on_where_it_stopped(tmp_path):
    def breaks_off():
        yield from said(("stdout", b"a" * 100_000))
        raise EngineUnreachableError("gone")

    with pytest.raises(EngineUnreachableError):
        recover(tmp_path, breaks_off(), tty=False, started=NOON)
    recover(tmp_path, said(("stdout", b"a" * 100_000 + b"b")), tty=False, started=NOON)
    assert read(tmp_path, "stdout.log") == b"a" * 100_000 + b"b"


def test_a_log_that_begins_otherwise_is_not_mixed_in(tmp_path):
    say(tmp_path, ("stdout", b"begin"), ("stderr", b"e"))
    found = recover(
        tmp_path, said(("stdout", b"later and longer"), ("stderr", b"ef")), tty=False, started=NOON
    )
    assert read(tmp_path, "stdout.log") == b"begin"
    assert read(tmp_path, "stderr.log") == b"ef"
    (doubt,) = found.doubts
    assert doubt.startswith("stdout: the engine's log is not the one")


@pytest.mark.parametrize(
    ("kept", "doubts"), [(b"", 1), (b"ab", 1), (b"ab\n", 0)], ids=["none", "all", "more"]
)
def test_the_last_newline_may_be_unknowable(tmp_path, kept, doubts):
    say(tmp_path, ("stdout", kept))
    found = recover(tmp_path, said(("stdout", b"ab"), doubtful=True), tty=False, started=NOON)
    assert len(found.doubts) == doubts
    assert read(tmp_path, "stdout.log") in (b"ab", b"ab\n")


def test_never_more_than_the_logs_may_hold(tmp_path):
    say(tmp_path, ("stdout", b"abc"))
    all_of_it = said(("stdout", b"abcdefgh"), ("stderr", b"E"))
    for gained in (2, 0):
        found = recover(tmp_path, all_of_it, tty=False, started=NOON, most=5)
        assert (found.gained, found.dropped) == (gained, 4)
        assert read(tmp_path, "stdout.log") == b"abcde"


def test_many_small_pieces_share_a_line(tmp_path):
    spoken = [Said(at=NOON, stream="stdout", data=b"x\n")] * 1000
    recover(tmp_path, spoken, tty=False, started=NOON)
    assert read(tmp_path, "timing").count(b"\n") == 2


# Seconds and what was said then; the second and how many bytes came before the bookmark.
MARKS = [
    ([(0, "stdout", b"a\n"), (1, "stderr", b"e\n"), (2, "stdout", b"b\n")], (1, 2, 0)),
    ([(0, "stdout", b"a\n"), (0.5, "stdout", b"b\n"), (2, "stdout", b"c\n")], (0, 0, 0)),
    ([(0, "stdout", b"a\n"), (0.5, "stdout", b"b\n")], None),  # less than a second back
    ([(0, "stdout", b"a\n"), (1, "stdout", b"b"), (2, "stdout", b"c\n"), (3, "stdout", b"")],
     (0, 0, 0)),
    ([(0, "stdout", b"a"), (1, "stderr", b"e\n"), (2, "stderr", b"f\n")], None),
    ([(5, "stdout", b"a\n"), (6, "stdout", b"b\n"), (1, "stdout", b"c\n")], None),  # the clock
    ([(0, "stdout", b"a\n"), (5, "stdout", b"b\n"), (7, "stdout", b"c\n"), (6, "stdout", b"d\n")],
     (5, 2, 0)),
    ([(0, "stdout", b"a\n"), (1, "stdout", b"b\n"), (1.004, "stderr", b"e\n"),
      (3, "stderr", b"f\n")],
     (1, 2, 0)),
    ([(0, "stdout", b"a\n"), (1, "stdout", b"b\n"), (None, "stdout", b"c\n")], None),
]  # fmt: skip


@pytest.mark.parametrize(("spoken", "found"), MARKS)
@pytest.mark.parametrize("kept", [b"", b"a"])
def test_a_bookmark_for_who_goes_on(tmp_path, spoken, found, kept):
    say(tmp_path, ("stdout", kept))
    times = [None if second is None else NOON + timedelta(seconds=second) for second, *_ in spoken]
    remembered = [
        Said(at=at, stream=stream, data=data)
        for at, (_, stream, data) in zip(times, spoken, strict=True)
    ]
    mark = recover(tmp_path, remembered, tty=False, started=NOON).bookmark
    if found is None:
        assert mark is None
    else:
        assert mark
        second, stdout, stderr = found
        assert mark.at == NOON + timedelta(seconds=second)
        assert mark.before == {"stdout": stdout, "stderr": stderr}


def read(directory: Path, name: str) -> bytes:
    return (directory / "logs" / name).read_bytes()


def append(directory: Path, name: str, data: bytes) -> None:
    with (directory / "logs" / name).open("ab") as file:
        file.write(data)
