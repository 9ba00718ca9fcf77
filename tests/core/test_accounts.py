"""passwd and group for a session: the image's entries, and one for its user."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.accounts import group, passwd

DEBIAN = (
    "root:x:0:0:root:/root:/bin/bash\n"
    "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
    "node:x:1000:1000::/home/node:/bin/bash\n"
)
GROUPS = "root:x:0:\nstaff:x:50:ada\nnode:x:1000:\n"


def entries(text: str) -> list[list[str]]:
    return [line.split(":") for line in text.split("\n") if line]


def of(text: str, number: int) -> list[str]:
    """What getpwuid would find: the first entry with that id."""
    return next(entry for entry in entries(text) if entry[2] == str(number))


def test_an_image_without_etc_gets_root_nobody_and_the_user():
    made = passwd("", uid=1234, gid=5, name="ada", home="/home/ada")
    assert [entry[0] for entry in entries(made)] == ["root", "nobody", "ada"]
    assert of(made, 1234) == ["ada", "x", "1234", "5", "ada", "/home/ada", "/bin/sh"]
    groups = group("", gid=5, name="ada")
    assert [entry[0] for entry in entries(groups)] == ["root", "nogroup", "ada"]


def test_entries_of_the_image_stay_and_ours_is_added():
    made = passwd(DEBIAN, uid=1234, gid=1234, name="ada", home="/home/ada")
    assert made.startswith(DEBIAN)
    assert of(made, 1234)[0] == "ada"
    assert group(GROUPS, gid=77, name="ada") == GROUPS + "ada:x:77:\n"


def test_an_entry_with_our_uid_keeps_its_name_and_gets_our_home():
    made = passwd(DEBIAN, uid=1000, gid=1000, name="ada", home="/home/ada")
    assert of(made, 1000) == ["node", "x", "1000", "1000", "", "/home/ada", "/bin/bash"]
    assert len(entries(made)) == 3
    assert group(GROUPS, gid=1000, name="ada") == GROUPS


def test_root_stays_at_home():
    assert passwd(DEBIAN, uid=0, gid=0, name="root", home="/root") == DEBIAN


@pytest.mark.parametrize(
    ("taken", "expected"),
    [("ada", "outrig"), ("ada outrig", "outrig1"), ("ada outrig outrig1 outrig2", "outrig3")],
)
def test_a_name_that_somebody_has_is_not_taken_from_them(taken, expected):
    lines = "".join(f"{name}:x:{9000 + at}:1::/:\n" for at, name in enumerate(taken.split()))
    made = passwd(lines, uid=1234, gid=1, name="ada", home="/home/ada")
    assert of(made, 1234)[0] == expected
    assert len({entry[0] for entry in entries(made)}) == len(entries(made))


@pytest.mark.parametrize("name", ["", "a:b", "a\nroot:x:0:0", "a/b", "a b"])
def test_a_name_that_would_break_the_file_is_replaced(name):
    assert of(passwd(DEBIAN, uid=1234, gid=1, name=name, home="/h"), 1234)[0] == "outrig"


def test_lines_that_are_no_entries_are_left_out():
    made = passwd("# comment\n\nbroken:x\n" + DEBIAN, uid=0, gid=0, name="root", home="/root")
    assert made == DEBIAN


def test_an_entry_too_short_for_a_home_is_left_as_it_is():
    short = "odd:x:1000:1000\n"
    assert passwd(short, uid=1000, gid=1000, name="ada", home="/home/ada") == short


def test_an_entry_is_one_line_whatever_it_holds():
    # str.splitlines() also breaks at these; an image could so smuggle in an entry of uid 0.
    odd = "node:x:1000:1000:a\x0b\x1c\x85\u2028evil:x:0:0:::/home/node:/bin/sh\n"
    made = passwd(odd, uid=7, gid=7, name="ada", home="/home/ada")
    assert [entry[0] for entry in entries(made)] == ["node", "ada"]


@given(
    image=st.text(alphabet=st.sampled_from("ab:0 17x\n\r\x85\u2028/#+-")),
    uid=st.integers(min_value=0, max_value=2**32 - 2),
    name=st.text(max_size=8),
)
def test_whatever_the_image_has_the_user_is_found_once_by_name(image, uid, name):
    made = passwd(image, uid=uid, gid=uid, name=name, home="/home/x")
    assert made.endswith("\n")
    mine = [entry for entry in entries(made) if entry[2] == str(uid)]
    assert mine
    if str(uid) not in {line.split(":")[2] for line in image.split("\n") if line.count(":") > 2}:
        assert [entry[0] for entry in entries(made)].count(mine[0][0]) == 1
    groups = group(image, gid=uid, name=name)
    assert of(groups, uid)[2] == str(uid)
