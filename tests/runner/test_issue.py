"""A second session on an issue: refused while the first is unfinished, and only as long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outrig.core.relations import Relations
from outrig.core.request import Request
from outrig.core.session import with_fields
from outrig.errors import UsageError
from outrig.store.sessions import SessionStore
from tests import records
from tests.fakes import ENDPOINT, FakeEngine
from tests.runner.orders import launched, order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Home


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    made = FakeEngine()
    yield made
    made.close()


def on_issue(home: Home, **how):
    relations = Relations(issue="#7", **how)
    return order(home, Request(words=("true",), image="fake:1", relations=relations))


def rival(home: Home, *, attended: bool) -> str:
    """An unfinished session on the same issue, whose container nobody ever made."""
    store = SessionStore(home.sessions)
    project = on_issue(home).plan.workspace.project
    held = records.begin(store, issue="#7", project=project)
    held.update(lambda one: with_fields(one, engine=ENDPOINT, machine=None))
    if not attended:
        held.close()
    return held.id


def let_go(run) -> None:
    run.recorder.close()
    run.output.close()
    run.held.close()


def test_one_that_is_looked_after_is_in_the_way(home: Home, engine):
    first = rival(home, attended=True)
    with pytest.raises(UsageError, match=first):
        launched(home, engine, on_issue(home))
    assert SessionStore(home.sessions).ids() == [first]
    let_go(launched(home, engine, on_issue(home, force=True)))


def test_one_whose_runner_died_is_finished_first(home: Home, engine):
    first = rival(home, attended=False)
    let_go(launched(home, engine, on_issue(home)))
    assert SessionStore(home.sessions).load(first).status == "lost"


def test_the_record_says_what_it_has_to_do_with_others(home: Home, engine):
    relations = Relations(kind="cron", parent="p", group="g", issue="#1")
    run = launched(
        home, engine, order(home, Request(words=("true",), image="fake:1", relations=relations))
    )
    fields = run.held.session.fields
    assert {name: fields[name] for name in ("kind", "parent", "group", "issue")} == {
        "kind": "cron",
        "parent": "p",
        "group": "g",
        "issue": "#1",
    }
    assert fields["project"] == run.held.session.fields["workspace"]["path"]
    let_go(run)
