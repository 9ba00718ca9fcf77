from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from outrig.core.relations import Work
from outrig.core.session import ended
from outrig.errors import SessionBusyError, StoreError, UsageError
from outrig.store import creation, lock
from outrig.store.sessions import SessionStore
from tests import records

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(session_root: Path) -> SessionStore:
    return SessionStore(session_root)


def tree(*tops: Path) -> list[str]:
    return sorted(str(path) for top in tops for path in top.rglob("*"))


def test_a_session_is_attended_from_before_its_first_record(store):
    seen = []

    def build(session_id, directory):
        seen.append((store.attended(session_id), store.is_open(session_id), directory.is_dir()))
        return records.first_record(session_id)

    with creation.create(store, now=records.NOON, build=build) as held:
        assert seen == [(True, True, True)]
        assert store.attended(held.id)
        with pytest.raises(SessionBusyError):
            lock.attend(store.root, held.id)
    assert not store.attended(held.id)


def test_the_lock_lives_on_in_a_child_that_got_the_descriptor(store):
    held = records.begin(store)
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        pass_fds=[held.attendance.fileno()],
    )
    held.close()
    assert store.attended(held.id)
    child.communicate(b"\n")
    assert not store.attended(held.id)


PROBE = """
import sys
from pathlib import Path
from outrig.store import lock
for _ in range(3000):
    lock.attended(Path(sys.argv[1]), sys.argv[2])
"""


def test_a_probe_does_not_keep_anybody_from_attending(store):
    held = records.begin(store)
    held.close()
    probes = [
        subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                PROBE,
                str(store.root),
                held.id,
            ],
            env={**os.environ, "PYTHONPATH": str(REPO)},
        )
        for _ in range(2)
    ]
    for _ in range(200):
        lock.attend(store.root, held.id).close()
    assert [probe.wait() for probe in probes] == [0, 0]


def test_what_fails_leaves_nothing_behind(store, tmp_path):
    store.root_id()
    before = tree(store.root)

    def build(_session_id, _directory):
        raise StoreError("no")

    with pytest.raises(StoreError):
        creation.create(
            store, now=records.NOON, build=build, name="mine", session_dir=tmp_path / "made"
        )
    assert [path for path in tree(store.root) if "names" not in path] == [
        path for path in before if "names" not in path
    ]
    assert store.named("mine") is None
    assert not (tmp_path / "made").exists()


# ---------------------------------------------------------------- names


def test_a_name_leads_to_its_session_and_is_taken(store):
    session = records.done(store, name="fix-1")
    assert store.named("fix-1") == session.id
    assert session.name == "fix-1"
    before = tree(store.root)
    with pytest.raises(UsageError, match=f"taken by session {session.id}"):
        records.begin(store, name="fix-1")
    assert tree(store.root) == before


@pytest.mark.parametrize(
    "name", ["", "-x", "a/b", "x" * 64, "20260501T134412-3f2a", "a b", "..", "é"]
)
def test_a_name_that_no_session_may_have_is_refused_before_anything_exists(store, name):
    with pytest.raises(UsageError):
        records.begin(store, name=name)
    assert not store.root.exists()


def test_a_name_whose_session_is_gone_is_free(store):
    store.make_root()
    (store.root / ".names/old").symlink_to("20200101T000000-0000")
    assert records.done(store, name="old").name == "old"


# ---------------------------------------------------------------- --session-dir


def test_an_explicit_directory_is_made_with_parents_and_linked(store, tmp_path):
    where = tmp_path / "a/b/run"
    session = records.done(store, session_dir=where)
    assert (store.root / session.id).is_symlink()
    assert store.target(session.id) == where
    assert session.fields["session_dir"] == str(where)
    assert session.fields["session_dir_made"] is True
    assert store.load(session.id).fields == session.fields
    assert (where / "session.json").is_file()


def test_an_empty_directory_is_taken_and_its_canonical_path_recorded(store, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    session = records.done(store, session_dir=tmp_path / "link")
    assert session.fields["session_dir"] == str(tmp_path / "real")
    assert "session_dir_made" not in session.fields


@pytest.mark.parametrize("content", ["session.json", ".gitkeep", "anything"])
def test_a_directory_with_anything_in_it_is_refused(store, tmp_path, content):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / content).touch()
    refuse(store, tmp_path, tmp_path / "used")


def test_a_file_is_refused(store, tmp_path):
    (tmp_path / "file").touch()
    refuse(store, tmp_path, tmp_path / "file")
    refuse(store, tmp_path, tmp_path / "file/below")


def test_a_directory_that_the_session_may_write_is_refused(store, tmp_path):
    (tmp_path / "work/sub").mkdir(parents=True)
    (tmp_path / "alias").symlink_to("work/sub")
    for inside in ("work", "work/sub/deep", "alias/x"):
        refuse(store, tmp_path, tmp_path / inside, writable=[tmp_path / "work"])


def test_a_directory_in_or_around_the_session_root_is_refused(store, tmp_path):
    refuse(store, tmp_path, store.root / "x")
    refuse(store, tmp_path, store.root.parent.parent)


def test_a_session_root_that_the_session_may_write_or_part_of_it_is_refused(store, tmp_path):
    (tmp_path / "alias").symlink_to(store.root.parent)
    earlier = store.root / "20260501T134412-3f2a/home"
    for place in (store.root, store.root.parent, tmp_path / "alias", earlier):
        before = tree(tmp_path, store.root.parent.parent)
        with pytest.raises(UsageError, match="the session root"):
            creation.create(
                store,
                now=records.NOON,
                build=lambda one, _: records.first_record(one),
                writable=[place],
            )
        assert tree(tmp_path, store.root.parent.parent) == before


def refuse(store, tmp_path, session_dir, writable=()):
    before = tree(tmp_path, store.root.parent.parent)
    with pytest.raises(UsageError, match="--session-dir"):
        creation.create(
            store,
            now=records.NOON,
            build=lambda one, _: records.first_record(one),
            session_dir=session_dir,
            writable=writable,
        )
    assert tree(tmp_path, store.root.parent.parent) == before


# ---------------------------------------------------------------- many at once


CREATOR = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from outrig.errors import UsageError
from outrig.store.sessions import SessionStore
from tests import records
store = SessionStore(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    try:
        records.begin(store, at=datetime.now(UTC), name=f"name-{number}").close()
        print("named")
    except UsageError:
        records.begin(store, at=datetime.now(UTC)).close()
"""


def test_200_sessions_of_concurrent_processes_have_ids_and_names_of_their_own(store):
    processes = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", CREATOR, str(store.root), "25"],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(REPO)},
        )
        for _ in range(8)
    ]
    printed = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    sessions = list(store.every(lambda one, why: pytest.fail(f"{one}: {why}")))
    assert len({session.id for session in sessions}) == 200
    names = [session.name for session in sessions if session.name]
    assert sorted(names) == sorted(f"name-{number}" for number in range(25))
    assert b"".join(printed).count(b"named") == 25
    assert {session.fields["root_id"] for session in sessions} == {store.root_id()}


def test_one_empty_directory_for_two_goes_to_one_of_them(store, tmp_path):
    where = tmp_path / "shared"
    where.mkdir()
    code = (
        "import sys\nfrom pathlib import Path\nfrom outrig.errors import UsageError\n"
        "from outrig.store.sessions import SessionStore\nfrom tests import records\n"
        "try: records.begin(SessionStore(Path(sys.argv[1])), session_dir=Path(sys.argv[2]))\n"
        "except UsageError: sys.exit(3)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(store.root), str(where)],
            env={**os.environ, "PYTHONPATH": str(REPO)},
        )
        for _ in range(6)
    ]
    assert sorted(process.wait() for process in processes) == [0, 3, 3, 3, 3, 3]
    assert len(store.ids()) == 1


def test_one_unfinished_session_for_an_issue_of_a_project(store):
    work = Work(issue="#7", project="/code/.git")

    def begin(**how):
        return creation.create(
            store,
            now=records.NOON,
            build=lambda session, _: records.first_record(
                session, issue="#7", project="/code/.git"
            ),
            **how,
        )

    first = begin(alone=work)
    before = tree(store.root)
    with pytest.raises(UsageError, match=f"session {first.id} works on issue #7") as refused:
        begin(alone=work)
    assert "--force" in str(refused.value.hint)
    assert tree(store.root) == before
    begin(alone=Work(issue="#8", project="/code/.git")).close()
    begin().close()
    records.finish(first)
    for session in store.unfinished():
        store.update(session.id, lambda one: ended(one, records.COMPLETED, at=records.NOON))
    begin(alone=work).close()


WORKER = """
import sys
from pathlib import Path
from outrig.core.relations import Work
from outrig.errors import UsageError
from outrig.store import creation
from outrig.store.sessions import SessionStore
from tests import records
work = Work(issue="1", project="/p")
def build(session, _):
    return records.first_record(session, issue="1", project="/p")
sys.stdin.readline()
try:
    creation.create(
        SessionStore(Path(sys.argv[1])), now=records.NOON, build=build, alone=work
    )
    print("mine")
except UsageError:
    print("refused")
"""


def test_of_several_that_begin_the_same_work_at_once_one_may(store):
    store.root_id()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(store.root)],
            cwd=REPO,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    said = [worker.communicate("go\n")[0].strip() for worker in workers]
    assert sorted(said) == ["mine", "refused", "refused", "refused"]
