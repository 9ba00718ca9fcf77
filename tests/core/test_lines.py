"""The walker must agree with the real parser about which keys there are, and know their lines."""

from __future__ import annotations

import tomllib

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.lines import lines

TEXT = '''\
# a = 1
plain = "x # no comment"   # comment
a.b . "c d" = 1

[limits]
memory = "4g"
multi = """
[not.a.header]
x = 1
quotes: "" \\""" """""
literal = \'\'\'
y = 2\'\'\'
array = [
  1, # one
  { in = "a", "two" = [ "]", '}' ] },

  1979-05-27 07:32:00,
]
after = true
[ images . "a.b" ]
when = 1979-05-27 07:32:00
[[workspace.mounts]]
host = 'x'
[[workspace.mounts]]
host = "y\\"]"
[workspace.mounts.sub]
k = -inf
'''
EXPECTED = {
    ("plain",): 2,
    ("a",): 3,
    ("a", "b"): 3,
    ("a", "b", "c d"): 3,
    ("limits",): 5,
    ("limits", "memory"): 6,
    ("limits", "multi"): 7,
    ("limits", "literal"): 11,
    ("limits", "array"): 13,
    ("limits", "array", 0): 14,
    ("limits", "array", 1): 15,
    ("limits", "array", 1, "in"): 15,
    ("limits", "array", 1, "two"): 15,
    ("limits", "array", 1, "two", 0): 15,
    ("limits", "array", 1, "two", 1): 15,
    ("limits", "array", 2): 17,
    ("limits", "after"): 19,
    ("images",): 20,
    ("images", "a.b"): 20,
    ("images", "a.b", "when"): 21,
    ("workspace",): 22,
    ("workspace", "mounts", 0): 22,
    ("workspace", "mounts", 0, "host"): 23,
    ("workspace", "mounts", 1): 24,
    ("workspace", "mounts", 1, "host"): 25,
    ("workspace", "mounts", 1, "sub"): 26,
    ("workspace", "mounts", 1, "sub", "k"): 27,
}

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6)
SCALARS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\r")),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.booleans(),
    st.datetimes(),
)
TABLES = st.recursive(
    st.dictionaries(NAMES, SCALARS, max_size=3),
    lambda inner: st.dictionaries(
        NAMES, st.one_of(SCALARS, inner, st.lists(SCALARS, max_size=3), st.lists(inner, max_size=3))
    ),
    max_leaves=8,
)


def test_every_shape_of_a_key():
    assert tomllib.loads(TEXT)
    assert lines(TEXT) == EXPECTED


def test_windows_newlines():
    assert lines("a = 1\r\nb = 2\r\n") == {("a",): 1, ("b",): 2}


def paths(value, prefix=()):
    """What the real parser found; the array of an array of tables has no line of its own."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in pairs:
        path = (*prefix, name)
        tables = isinstance(item, list) and item and all(isinstance(one, dict) for one in item)
        if not tables:
            yield path
        if isinstance(item, dict | list):
            yield from paths(item, path)


@given(TABLES, st.booleans())
def test_it_finds_the_keys_that_the_parser_finds(table, multiline):
    text = tomli_w.dumps(table, multiline_strings=multiline)
    found = lines(text)
    wanted = set(paths(tomllib.loads(text)))
    assert wanted <= set(found)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())
