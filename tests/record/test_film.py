from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outrig.core.cast import Event, resize
from outrig.record.film import film

if TYPE_CHECKING:
    from collections.abc import Sequence


def shot(*events: Event, largest: int = 10**6) -> dict[str, Any]:
    return film(3, 10, events, largest=largest)


def said(*texts: str, every: int = 1_000_000) -> list[Event]:
    return [Event(number * every, "o", text) for number, text in enumerate(texts, 1)]


def played(made: dict[str, Any], at: int) -> list[str]:
    """What a player shows at so many milliseconds."""
    rows: dict[int, Sequence[Any]] = {}
    for when, changed, _, *resized in made["frames"]:
        if when > at:
            break
        rows = {} if resized else rows
        rows |= dict(changed)
    return ["".join(rows.get(y, ())[::2]) for y in range(max(rows, default=-1) + 1)]


def test_frames_hold_what_changed():
    made = shot(*said("one\r\n", "two", "\r\n"))
    assert made["frames"] == [
        [1000, [[0, ["one", 0]]], [0, 1]],
        [2000, [[1, ["two", 0]]], [3, 1]],
        [3000, [], [0, 2]],
    ]
    assert (made["rows"], made["columns"], made["end"], made["cut"]) == (3, 10, 3000, False)
    assert played(made, 999) == []
    assert played(made, 1000) == ["one"]
    assert played(made, 2500) == ["one", "two"]


def test_what_comes_together_is_one_frame():
    made = shot(*said(*"abcdefgh", every=10_000))
    assert [frame[0] for frame in made["frames"]] == [40, 80]
    assert played(made, 80) == ["abcdefgh"]


def test_styles_are_listed_once():
    made = shot(*said("\x1b[1;31ma\x1b[mb\x1b[1;31mc\x1b[38;2;1;2;3;7md\x1b[0;95me"))
    assert made["styles"] == [["", "", 0], ["1", "", 1], ["#010203", "", 17], ["13", "", 0]]
    assert made["frames"][0][1] == [[0, ["a", 1, "b", 0, "c", 1, "d", 2, "e", 3]]]


def test_colours_of_no_colour_are_none():
    made = shot(*said("\x1b[38;2;999;2;3mx"))
    assert made["styles"] == [["", "", 0]]


def test_blanks_at_the_end_of_a_row_count_only_with_a_colour():
    made = shot(*said("a   \x1b[44m  "))
    assert made["frames"][0][1] == [[0, ["a   ", 0, "  ", 1]]]
    assert shot(*said("a   "))["frames"][0][1] == [[0, ["a", 0]]]


def test_a_hidden_cursor():
    made = shot(*said("\x1b[?25la", "\x1b[?25h"))
    assert [frame[2] for frame in made["frames"]] == [None, [1, 0]]


def test_a_resize_begins_a_new_picture():
    made = shot(*said("one"), resize(2_000_000, rows=2, columns=5), Event(3_000_000, "o", "!"))
    assert made["frames"][1] == [2000, [[0, ["one", 0]]], [3, 0], [2, 5]]
    assert played(made, 3000) == ["one!"]


def test_rows_that_scroll():
    made = shot(*said("1\r\n2\r\n3", "\r\n4"))
    assert played(made, 1000) == ["1", "2", "3"]
    assert played(made, 2000) == ["2", "3", "4"]


def test_a_film_too_large_is_cut():
    made = shot(*said(*(f"{number} \r\n" for number in range(100))), largest=200)
    assert made["cut"]
    assert 0 < len(made["frames"]) < 20


def test_styles_have_an_end():
    texts = (f"\x1b[38;2;{number >> 8};{number & 255};0mx" for number in range(5000))
    made = film(1, 10, [Event(n * 100_000, "o", text) for n, text in enumerate(texts)])
    assert len(made["styles"]) == 4096


def test_nothing():
    assert shot()["frames"] == []
