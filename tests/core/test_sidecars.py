"""Which sidecars a session gets: the rows of the module's table; what a record says of them."""

from __future__ import annotations

import pytest

from outrig.core import network, sidecars
from outrig.core.config import SidecarConfig
from outrig.core.session import Session
from outrig.errors import UsageError

USUAL = {"db": SidecarConfig(image="postgres", capabilities=("CAP_CHOWN",))}
RARE = {"db": SidecarConfig(image="postgres", on_demand=True)}


@pytest.mark.parametrize(
    ("configured", "asked", "mode", "has"),
    [
        (USUAL, [], "none", []),
        (USUAL, [], "open", ["db=postgres"]),
        (USUAL, ["db"], "filter", ["db=postgres"]),
        (USUAL, ["db=other"], "bridge", ["db=other"]),
        (RARE, [], "open", []),
        (RARE, ["db"], "open", ["db=postgres"]),
        ({}, ["db=x:1"], "audit", ["db=x:1"]),
        (USUAL, ["a=x"], "open", ["a=x", "db=postgres"]),
    ],
)
def test_who_gets_which(configured, asked, mode, has):
    found = sidecars.chosen(configured, asked, mode)
    assert [f"{one.name}={one.image}" for one in found] == has


@pytest.mark.parametrize(
    ("configured", "asked", "mode", "why"),
    [
        (USUAL, ["db"], "none", "network none reaches no sidecar"),
        (USUAL, ["cache"], "open", 'no sidecar "cache" is configured'),
        ({}, ["cache=x"], "none", "asks for one"),
        ({}, ["stdout=x"], "open", "is not NAME or NAME=IMAGE"),
        ({}, ["../x=x"], "open", "is not NAME or NAME=IMAGE"),
        ({}, ["Db=x"], "open", "is not NAME or NAME=IMAGE"),
        ({}, ["db-holder=x"], "open", "is not NAME or NAME=IMAGE"),
        ({}, ["=x"], "open", "is not NAME or NAME=IMAGE"),
    ],
)
def test_what_is_refused(configured, asked, mode, why):
    with pytest.raises(UsageError, match=why):
        sidecars.chosen(configured, asked, mode)


def test_what_is_told_beforehand():
    (left_out,) = sidecars.notices(USUAL, (), "none")
    assert "without the sidecars db" in left_out
    assert not list(sidecars.notices(RARE, (), "none"))
    (loose,) = sidecars.notices(USUAL, sidecars.chosen(USUAL, [], "open"), "open")
    assert loose == "sidecar db has capabilities CHOWN"


def test_each_has_an_address_of_its_own():
    inner = network.inner(0)
    given = sidecars.chosen({}, ["b=x", "a=x"], "open")
    assert sidecars.hosts(given, inner) == {"a": "100.64.0.4", "b": "100.64.0.5"}


def test_a_record_is_read_with_care():
    said = {"db": {"image": "x", "attempt": "1"}, "../../x": {}, "stdout": {}, "odd": 1}
    session = Session({"schema": 1, "sidecars": said})
    assert list(sidecars.noted(session)) == ["db"]
    assert sidecars.again(session) == ("db=x",)
    assert (sidecars.name_of(session, "1"), sidecars.name_of(session, "2")) == ("db", None)
    assert sidecars.noted(Session({"schema": 1, "sidecars": ["db"]})) == {}
