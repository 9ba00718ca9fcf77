from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from outrig.errors import OutrigError, SessionNotFoundError, StoreError, UsageError
from outrig.store import finding
from outrig.store.sessions import SessionStore
from tests import records


@pytest.fixture
def store(session_root: Path) -> SessionStore:
    return SessionStore(session_root)


@pytest.fixture
def ids(store: SessionStore) -> list[str]:
    """Four sessions, the newest first, of two hours; the second one has a name."""
    made = [
        records.done(store, at=records.NOON + timedelta(minutes=30 * number), name=name).id
        for number, name in enumerate((None, None, "mine", None))
    ]
    return made[::-1]


def test_each_way_to_name_a_session(store, ids):
    assert finding.find(store, ids[2]) == ids[2]
    assert finding.find(store, "mine") == ids[1]
    assert finding.find(store, "@last") == ids[0]
    assert finding.find(store, "@last~3") == ids[3]
    assert finding.find(store, ids[0][:13]) == ids[0]
    assert finding.find(store, "T1330") == ids[0]


def test_several_are_all_listed_one_a_line(store, ids):
    with pytest.raises(SessionNotFoundError) as caught:
        finding.find(store, "20260501T12")
    assert caught.value.message.splitlines()[1:] == ids[2:]


@pytest.mark.parametrize(
    "query", ["nope", "@last~4", "20260501T130000-zzzz", "20990101T000000-0000"]
)
def test_none_is_said(store, ids, query):
    with pytest.raises(SessionNotFoundError, match=f'no session matching "{query}"'):
        finding.find(store, query)


@pytest.mark.parametrize("query", ["", "@", "@first", "@last~", "@last~-1", "@last~x"])
def test_what_means_nothing_is_a_usage_error(store, query):
    with pytest.raises(UsageError):
        finding.find(store, query)


def test_a_query_that_matches_only_an_unreadable_record_says_so(store, ids):
    (store.directory(ids[0]) / "session.json").write_text("{")
    with pytest.raises(StoreError, match=r"cannot be read: session\.json is not JSON"):
        finding.open_session(store, "T1330")


def test_an_unreadable_one_does_not_make_a_query_ambiguous(store, ids):
    (store.directory(ids[3]) / "session.json").write_text("{")
    assert finding.find(store, "20260501T12") == ids[2]


def test_last_passes_over_what_cannot_be_read(store, ids):
    (store.directory(ids[0]) / "session.json").unlink()
    assert finding.find(store, "@last") == ids[1]


# ---------------------------------------------------------------- --session-dir


def test_by_directory_the_record_says_where_its_locks_are(store, tmp_path):
    held = records.begin(store, session_dir=tmp_path / "run")
    found = finding.open_directory(tmp_path / "run")
    assert found.session.id == held.id
    assert found.attended
    held.close()
    assert not found.attended


def test_by_directory_an_ordinary_session_is_found_too(store):
    session = records.done(store)
    found = finding.open_directory(store.directory(session.id))
    assert (found.session.id, found.store is not None) == (session.id, True)


def test_a_copy_is_nobodys(store, tmp_path):
    session = records.done(store)
    shutil.copytree(store.directory(session.id), tmp_path / "copy")
    assert finding.open_directory(tmp_path / "copy").store is None


def test_a_root_that_was_made_anew_is_another_root(store, tmp_path):
    records.done(store, session_dir=tmp_path / "run")
    (store.root / ".root-id").unlink()
    assert finding.open_directory(tmp_path / "run").store is None
    shutil.rmtree(store.root)
    assert finding.open_directory(tmp_path / "run").store is None


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("/nowhere")])
def test_a_directory_without_a_session_is_said(tmp_path, make):
    make(tmp_path / "there")
    with pytest.raises(OutrigError, match="no session in"):
        finding.open_directory(tmp_path / "there")
