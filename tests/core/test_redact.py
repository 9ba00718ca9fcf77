"""Secret values leave a stream in every form of the table, wherever it is cut into chunks."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.redact import SHORT, Redaction, Sieve

VALUE = 'sk-t3st/"Zürich"+ä=&?x'
RAW = VALUE.encode()
MARK = b"[REDACTED:key]"


def redaction(**values):
    return Redaction(values)


KEY = redaction(key=VALUE)

WRITTEN = {
    "raw": RAW,
    "json": json.dumps(VALUE)[1:-1].encode(),
    "json-utf8": json.dumps(VALUE, ensure_ascii=False)[1:-1].encode(),
    "url": quote(VALUE, safe="").encode(),
    "url-path": quote(VALUE).encode(),
    "url-lower": quote(VALUE, safe="").replace("%22", "%22").encode(),
}


@pytest.mark.parametrize("form", WRITTEN.values(), ids=WRITTEN)
def test_each_way_to_write_it(form):
    assert KEY.clean(b"a " + form + b" b") == b"a " + MARK + b" b"


@pytest.mark.parametrize("offset", range(6))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_in_any_surroundings(offset, encode):
    around = b"user:"[: offset % 6]
    text = encode(around + RAW + b"@host and more")
    found = KEY.clean(text)
    assert MARK in found
    # What is left is what shares a character with the neighbours: at most two on each side.
    left = found.replace(MARK, b"")
    assert len(left) <= len(encode(around)) + len(encode(b"@host and more")) + 4


def test_several_lines_as_a_terminal_ends_them_and_one_by_one():
    pem = (
        "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nqhkiG9w0BAQEFAASCBKcwggSj\n-----END KEY-----"
    )
    found = redaction(pem=pem)
    assert found.clean(pem.replace("\n", "\r\n").encode()) == b"[REDACTED:pem]"
    assert found.clean(b"> qhkiG9w0BAQEFAASCBKcwggSj <") == b"> [REDACTED:pem] <"
    assert found.clean(b"-----BEGIN KEY-----") == b"-----BEGIN KEY-----"


def test_a_value_too_short_to_be_told_changes_nothing():
    assert redaction(pin="123").clean(b"at 12345") == b"at 12345"


def test_values_that_overlap_leave_nothing_of_either():
    both = redaction(a="abcdefgh", b="efghijkl")
    assert both.clean(b"-abcdefghijkl-") == b"-[REDACTED:a]-"
    inner = redaction(long="password-of-mine", short="password")
    assert inner.clean(b"password password-of-mine") == b"[REDACTED:short] [REDACTED:long]"


def pieces(data, cuts):
    at = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(at)]


ALPHABET = st.sampled_from([b"a", b"b", b"ab", b"abab", b"aabb", b"\n", b"abbaab", RAW])
OVERLAPPING = redaction(key=VALUE, one="abab", two="babba", three="aabbabab")


@given(st.lists(ALPHABET, max_size=30).map(b"".join), st.lists(st.integers(0, 150), max_size=12))
def test_where_it_is_cut_makes_no_difference(data, cuts):
    stream = Sieve(OVERLAPPING)
    said = b"".join([*(stream.feed(piece) for piece in pieces(data, cuts)), stream.end()])
    assert said == OVERLAPPING.clean(data)
    assert not any(form in said for form in (b"abab", b"babba", RAW))


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_other_bytes_are_exact(data, cuts):
    stream = Sieve(redaction(key="a value that is not there"))
    said = b"".join([*(stream.feed(piece) for piece in pieces(data, cuts)), stream.end()])
    assert said == data


def test_byte_by_byte_nothing_of_it_comes_out():
    stream = Sieve(KEY)
    said = b"".join(stream.feed(bytes([byte])) for byte in b"x" + RAW + b"y")
    assert said + stream.end() == b"x" + MARK + b"y"


def test_a_prompt_that_ends_as_a_value_begins_is_shown_in_a_pause():
    stream = Sieve(KEY)
    assert stream.feed(b"tasks") == b"task"
    assert stream.pause() == b"s"
    assert stream.pause() == b""
    assert stream.feed(b"? ") == b"? "


def test_a_value_that_a_pause_cut_is_found_all_the_same():
    stream = Sieve(KEY)
    said = stream.feed(b"the " + RAW[:SHORT]) + stream.pause() + stream.feed(RAW[SHORT:] + b".")
    assert said + stream.end() == b"the " + RAW[:SHORT] + MARK + b"."


def test_more_than_a_few_bytes_of_a_value_wait_for_the_rest():
    stream = Sieve(KEY)
    assert stream.feed(RAW[:-1]) == b""
    assert not stream.waits
    assert stream.pause() == b""
    assert stream.end() == RAW[:-1]


def test_another_process_goes_on_where_it_was():
    first = Sieve(KEY)
    assert first.feed(b"a" + RAW[:5]) == b"a"
    second = Sieve(KEY, *first.state)
    assert second.feed(RAW[5:]) == MARK


def test_text_of_any_bytes():
    assert KEY.text(f"\udcff {VALUE}") == "\udcff [REDACTED:key]"


def test_a_value_that_repeats_itself_for_ever_is_not_held_for_ever():
    stream = Sieve(redaction(key="aaaaaaaa"))
    said = b"".join(stream.feed(b"a" * 100_000) for _ in range(8))
    assert len(stream.state[0]) < 400_000
    assert set((said + stream.end()).split(b"]")) == {b"[REDACTED:key", b""}
