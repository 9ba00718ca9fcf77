from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.session import with_fields
from outrig.errors import StoreError
from outrig.store import lock
from outrig.store.sessions import SessionStore
from tests import records

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(session_root: Path) -> SessionStore:
    return SessionStore(session_root)


def skipped(store: SessionStore) -> dict[str, str]:
    found: dict[str, str] = {}
    list(store.every(found.__setitem__))
    return found


def everything(store: SessionStore) -> list[str]:
    return [session.id for session in store.every(lambda _id, _why: None)]


def test_a_missing_root_is_an_empty_list_and_is_not_made(store):
    assert everything(store) == []
    assert store.unfinished() == []
    assert store.known_root_id() is None
    assert not store.root.exists()


def test_the_root_is_private_and_knows_its_id(store):
    root_id = store.root_id()
    assert len(bytes.fromhex(root_id)) == 16
    assert SessionStore(store.root).root_id() == root_id
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o700


def test_a_root_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot make the session root") as caught:
        SessionStore(tmp_path / "file/root").root_id()
    assert caught.value.hint
    assert "--session-root" in caught.value.hint


def test_newest_first_and_ties_by_started_at(store):
    later = records.NOON + timedelta(seconds=5)
    tied = [
        records.done(store, at=later + timedelta(microseconds=micro)).id
        for micro in (300, 100, 200)
    ]
    first = records.done(store, at=records.NOON).id
    last = records.done(store, at=later + timedelta(seconds=1)).id
    assert everything(store) == [last, tied[0], tied[2], tied[1], first]


def test_listing_reads_no_further_than_asked(store, monkeypatch):
    for second in range(30):
        records.done(store, at=records.NOON + timedelta(seconds=second))
    read: list[str] = []
    really = SessionStore.read

    def counted(self, one):
        read.append(one)
        return really(self, one)

    monkeypatch.setattr(SessionStore, "read", counted)
    listing = store.every(lambda _id, _why: None)
    for _ in range(5):
        next(listing)
    assert len(read) == 5


def test_open_entries_are_there_until_the_end(store):
    held = records.begin(store)
    assert store.is_open(held.id)
    assert [session.id for session in store.unfinished()] == [held.id]
    records.finish(held)
    assert not store.is_open(held.id)
    assert store.unfinished() == []


def test_unknown_fields_survive_a_rewrite(store):
    session = records.done(store, from_a_later_version={"x": [1, None]})
    after = store.update(session.id, lambda one: with_fields(one, outcome="open"))
    assert after.fields["from_a_later_version"] == {"x": [1, None]}
    assert store.load(session.id).fields == after.fields


def test_records_are_private_and_leave_no_temporary_file(store):
    session = records.done(store)
    directory = store.directory(session.id)
    assert stat.S_IMODE((directory / "session.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert sorted(os.listdir(directory)) == ["logs", "session.json"]


def test_the_rust_records_read_as_they_are(store):
    expected = {
        "20260801T235959-ffff": ("unknown", None, "localhost/tools:latest", 1),
        "20260718T091502-a41c": ("completed", 0, "standard", 318442),
        "20260529T180344-0c7e": ("failed", 143, "standard", 900000),
    }
    for one in expected:
        records.adopt_rust_record(store, one)
    assert everything(store) == list(expected)
    for one, (status, code, image, _) in expected.items():
        session = store.load(one)
        assert not session.ours
        assert (session.status, session.exit_code, session.image) == (status, code, image)
    assert store.load("20260718T091502-a41c").started_at == datetime(
        2026, 7, 18, 9, 15, 2, 318442, tzinfo=UTC
    )


def test_a_rust_record_is_never_changed(store):
    directory = records.adopt_rust_record(store, "20260801T235959-ffff")
    store.make_root()
    before = (directory / "session.json").read_bytes()
    with pytest.raises(StoreError, match="another tool"):
        store.update("20260801T235959-ffff", lambda one: with_fields(one, status="lost"))
    assert (directory / "session.json").read_bytes() == before


# ---------------------------------------------------------------- entries that are not well


BROKEN = "20260501T134412-3f2a"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "session.json is empty"),
        (b'{"id": "2026', "session.json is not JSON"),
        (b"[1]", "session.json is not a JSON object"),
        (b"\xff\xfe", "session.json is not JSON"),
        (b'{"id": "20200101T000000-0000"}', "its record is that of '20200101T000000-0000'"),
        (b"{}", "its record is that of ''"),
        (b"[" * 100_000, "session.json is not JSON"),
    ],
)
def test_an_unreadable_record_is_skipped_with_the_reason(store, content, why):
    good = records.done(store).id
    (store.root / BROKEN).mkdir()
    (store.root / BROKEN / "session.json").write_bytes(content)
    assert everything(store) == [good]
    assert skipped(store) == {BROKEN: why}
    with pytest.raises(StoreError, match=BROKEN):
        store.load(BROKEN)


def sparse_giant(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def test_a_record_that_is_no_regular_file_is_neither_read_nor_waited_for(store, tmp_path):
    for digits, make in enumerate(
        (
            os.mkfifo,
            lambda path: os.symlink("/etc/passwd", path),
            os.mkdir,
            sparse_giant,
        )
    ):
        directory = store.root / f"20260501T134412-000{digits}"
        directory.mkdir(parents=True)
        make(directory / "session.json")
    assert everything(store) == []
    assert len(skipped(store)) == 4


def test_odd_entries_are_named_and_others_ignored(store):
    store.make_root()
    (store.root / "20260501T134412-aaaa").symlink_to("/nowhere/at/all")
    (store.root / "20260501T134412-bbbb").touch()
    (store.root / "20260501T134412-cccc").mkdir()
    for ignored in ("notes.txt", ".hidden", "20260501T134412-cccc.kept", "20260501T134412-XXXX"):
        (store.root / ignored).touch()
    assert skipped(store) == {
        "20260501T134412-aaaa": "its directory /nowhere/at/all is gone",
        "20260501T134412-bbbb": "not a directory",
        "20260501T134412-cccc": "no session.json",
    }


def test_a_session_that_is_being_made_is_not_named(store):
    store.make_root()
    young = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-aaaa"
    (store.root / young).mkdir()
    (store.root / "20260501T134412-cccc").mkdir()
    attendance = lock.attend(store.root, "20260501T134412-cccc")
    assert skipped(store) == {}
    attendance.close()
    assert skipped(store) == {"20260501T134412-cccc": "no session.json"}


def test_one_that_is_discarded_while_it_is_listed_is_not_named(store):
    first = records.done(store)
    last = records.done(store, at=records.NOON + timedelta(seconds=5))
    listing = store.every(lambda one, why: pytest.fail(f"{one}: {why}"))
    assert next(listing).id == last.id
    shutil.rmtree(store.directory(first.id))
    assert list(listing) == []


# ---------------------------------------------------------------- killed, and many at once


REWRITER = """
import sys
from pathlib import Path
from outrig.core.session import with_fields
from outrig.store.sessions import SessionStore
store, session = SessionStore(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
n = 0
while True:
    n += 1
    store.update(session, lambda one: with_fields(one, n=n, padding="x" * (n % 7) * 4000))
"""


def python(code: str, *args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code, *args],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )


def test_a_record_survives_sigkill_in_the_middle_of_a_rewrite(store):
    session = records.done(store).id
    written = 0
    for attempt in range(12):
        process = python(REWRITER, str(store.root), session)
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.01 + attempt * 0.003)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        written = max(written, store.load(session).fields.get("n", 0))
    assert written > 0
    assert store.update(session, lambda one: with_fields(one, n=0)).fields["n"] == 0


COUNTER = """
import sys
from pathlib import Path
from outrig.core.session import with_fields
from outrig.store.sessions import SessionStore
store = SessionStore(Path(sys.argv[1]))
for _ in range(50):
    store.update(sys.argv[2], lambda one: with_fields(one, n=one.fields.get("n", 0) + 1))
"""


def test_no_rewrite_is_lost_between_processes(store):
    session = records.done(store).id
    processes = [python(COUNTER, str(store.root), session) for _ in range(4)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    assert store.load(session).fields["n"] == 200


@given(st.lists(st.integers(0, 3_000_000_000), min_size=2, max_size=20, unique=True))
def test_ids_order_as_their_seconds_do(micros):
    from outrig.core.naming import is_id, session_id  # noqa: PLC0415

    moments = [records.NOON + timedelta(microseconds=one) for one in micros]
    ids = [session_id(moment, micro) for moment, micro in zip(moments, micros, strict=True)]
    assert all(map(is_id, ids))
    in_order = sorted(range(len(ids)), key=lambda number: (ids[number][:15], moments[number]))
    assert [moments[number] for number in in_order] == sorted(moments)


def test_a_path_that_is_not_utf_8_survives_in_the_record(store):
    session = records.done(store, working_dir=os.fsdecode(b"/w/\xff\n"), task="caf\u00e9").id
    read = store.load(session)
    assert os.fsencode(read.text("working_dir")) == b"/w/\xff\n"
    assert "caf\u00e9".encode() in (store.directory(session) / "session.json").read_bytes()


def test_who_looks_after_a_session(store):
    held = records.begin(store)
    assert lock.holders(store.root, held.id) == [os.getpid()]
    held.close()
    assert lock.holders(store.root, held.id) == []
    assert lock.holders(store.root, "20260101T000000-0000") == []
