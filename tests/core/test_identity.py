"""Who the session is: each row of the table, and the words that are none of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.identity import Identity, Person, decide
from outrig.errors import UsageError

ADA = Person(uid=1000, gid=1000, name="ada")
BOB = Person(uid=1001, gid=100, name="bob")
ROOT = Person(uid=0, gid=0, name="root")
IDS = st.integers(min_value=0, max_value=2**32 - 2)


@pytest.mark.parametrize(
    ("asked", "caller", "owner", "rootless", "user", "says_root"),
    [
        ("caller", ADA, ADA, False, "1000:1000", False),
        ("caller", ADA, BOB, False, "1000:1000", False),
        ("caller", ADA, ROOT, False, "1000:1000", False),
        ("caller", ROOT, BOB, False, "1001:100", False),
        ("caller", ROOT, ROOT, False, "0:0", True),
        ("caller", ADA, ADA, True, "0:0", False),
        ("caller", ROOT, ROOT, True, "0:0", False),
        ("root", ADA, ADA, False, "0:0", True),
        ("root", ROOT, ADA, False, "0:0", True),
        ("root", ADA, ADA, True, "0:0", False),
        ("1000", ADA, ADA, False, "1000:1000", False),
        ("1001:7", ROOT, BOB, False, "1001:7", False),
        ("1234:5", ROOT, ROOT, True, "1234:5", False),
        ("0", ADA, ADA, False, "0:0", True),
        ("0:7", ADA, ADA, True, "0:7", False),
    ],
)
def test_each_row_of_the_table(*, asked, caller, owner, rootless, user, says_root):
    who = decide(asked, caller=caller, owner=owner, rootless=rootless)
    assert who.user == user
    assert bool(who.notice) == says_root
    if says_root:
        words = (
            "is root with CHOWN, DAC_OVERRIDE" if asked == "root" else "without root's capabilities"
        )
        assert words in str(who.notice)


def test_the_notice_tells_why_it_is_root():
    by_flag = decide("root", caller=ADA, owner=ADA, rootless=False)
    by_owner = decide("caller", caller=ROOT, owner=ROOT, rootless=False)
    assert "--user root" in str(by_flag.notice)
    assert "you are root" in str(by_owner.notice)
    by_number = decide("0:0", caller=ADA, owner=ADA, rootless=False)
    assert "without root's capabilities (--user 0:0)" in str(by_number.notice)


@pytest.mark.parametrize("asked", ["1234", "4294967294:1", "1000:5", "1001"])
def test_a_user_that_the_files_would_not_be_of_is_told(asked):
    notice = decide(asked, caller=ADA, owner=BOB, rootless=False).notice
    foreign = asked != "1000:5"
    told = f"--user {asked}: files it makes in the workspace belong to uid {asked.split(':')[0]}"
    assert notice == (f"{told}, not to uid 1000" if foreign else None)
    assert decide(asked, caller=ADA, owner=BOB, rootless=True).notice is None


@pytest.mark.parametrize(
    ("asked", "name", "directory"),
    [
        ("caller", "ada", "/home/ada"),
        ("root", "root", "/root"),
        ("1000", "ada", "/home/ada"),
        ("1001:7", "bob", "/home/bob"),
        ("77", "outrig", "/home/outrig"),
        ("0:5", "root", "/root"),
    ],
)
def test_names_and_homes(asked, name, directory):
    who = decide(asked, caller=ADA, owner=BOB, rootless=False)
    assert (who.name, who.home) == (name, directory)


def test_somebody_without_a_login_name_still_has_one():
    nobody = Person(uid=4242, gid=4242)
    who = decide("caller", caller=nobody, owner=nobody, rootless=False)
    assert who == Identity(uid=4242, gid=4242, name="outrig", home="/home/outrig")


@pytest.mark.parametrize(
    "asked",
    ["", "me", "Caller", "-1", "1000:", ":5", "1:2:3", "1 ", "\u0661", "4294967295", "99999999999"],
)
def test_other_words_are_refused(asked):
    with pytest.raises(UsageError, match="neither caller, root, nor UID"):
        decide(asked, caller=ADA, owner=ADA, rootless=False)


@given(uid=IDS, gid=IDS)
def test_an_explicit_user_is_taken_as_it_is(uid, gid):
    who = decide(f"{uid}:{gid}", caller=ADA, owner=BOB, rootless=False)
    assert (who.uid, who.gid) == (uid, gid)


@given(caller=IDS.filter(bool), owner=IDS)
def test_nobody_but_root_ever_becomes_somebody_else(caller, owner):
    who = decide(
        "caller",
        caller=Person(uid=caller, gid=caller),
        owner=Person(uid=owner, gid=owner),
        rootless=False,
    )
    assert who.uid == caller
