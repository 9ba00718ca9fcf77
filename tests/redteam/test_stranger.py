"""A session directory that came with somebody's repository is looked at, and never obeyed."""

from __future__ import annotations

import contextlib
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from outrig.core.naming import LABEL_ROOT, LABEL_SESSION
from outrig.errors import StoreError
from outrig.runner.discard import Discarder, Doomed
from outrig.store import finding
from outrig.store.sessions import SessionStore
from tests import records
from tests.fakes import FakeEngine
from tests.repositories import PROGRAMS, Canary
from tests.snapped import session

if TYPE_CHECKING:
    from pathlib import Path

ID = "20260501T120000-0bad"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    place = tmp_path / "clone/session"
    place.mkdir(parents=True)
    return place


def write(place: Path, **fields: object) -> None:
    record = {**records.first_record(ID).fields, "status": "completed", "exit_code": 0}
    record |= {"ended_at": "2026-05-01T12:01:00Z", **fields}
    (place / "session.json").write_text(json.dumps(record))


def discard(place: Path, engine: FakeEngine) -> None:
    found = finding.open_directory(place)
    doomed = Doomed(found.session.id, found.session, found.directory, found.store)
    Discarder(lambda _: engine, lambda _: None).discard(doomed)


def test_its_volumes_are_those_with_its_labels(theirs, tell):
    engine = FakeEngine()
    engine.made_volumes["my-database"] = {LABEL_ROOT: "mine", LABEL_SESSION: "mine"}
    for name in ("my-database", "../containers/x?force=1", "x\r\nDELETE /y"):
        noted = {"kind": "volume", "role": "agent", "ref": name, "attempt": "a"}
        write(theirs, resources=[noted], root_id="0" * 32)
        discard(theirs, engine)
    tell("somebody's volume", str(list(engine.made_volumes)), "my-database" in engine.made_volumes)


def test_what_it_calls_its_vault_and_its_id(theirs, tmp_path, tell):
    mine = tmp_path / "secrets/my-words"
    mine.mkdir(parents=True)
    (mine / "x").touch()
    for name in ("my", "../../clone", "", "20260501T120000-0bad/../x", "x" * 20):
        write(theirs, id=name, secrets={"vault": str(mine)})
        said = "refused"
        with contextlib.suppress(StoreError):
            discard(theirs, FakeEngine())
            said = "obeyed"
        tell(f"an id, {name!r}", said, said == "refused")
    write(theirs, secrets={"vault": str(mine)})
    discard(theirs, FakeEngine())
    tell("a directory called a vault", "there", (mine / "x").exists())


def test_what_it_calls_its_root_and_its_tree(theirs, tmp_path, session_root, tell):
    store = SessionStore(session_root)
    kept = records.done(store, name="kept")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").touch()
    write(
        theirs,
        session_root=str(store.root),
        root_id=store.root_id(),
        session_dir=str(store.directory(kept.id)),
        session_dir_made=True,
        resolving=str(tmp_path / "tree"),
        workspace={"path": str(tmp_path / "tree"), "common_dir": str(tmp_path / "tree")},
    )
    discard(theirs, FakeEngine())
    there = [one.id for one in store.every(lambda *_: None)]
    tell("another session", f"{there}", there == [kept.id])
    tell("a tree", "there", (tmp_path / "tree/file").exists())


def test_what_it_calls_a_tree_is_no_option_of_git(theirs, tmp_path, outrig, session_root, tell):
    work = tmp_path / "tree"
    work.mkdir()
    store = SessionStore(session_root)
    made = session(store, work, lambda tree: (tree / "new").touch())
    copy = theirs / "copied"
    shutil.copytree(store.directory(made), copy)
    for words in (f"--output={tmp_path}/owned", "-O/dev/stdin", "HEAD", "../x"):
        (copy / "snapshots.git/refs/snapshots/end").write_text(f"{words}\n")
        for verb in (("diff",), ("diff", "--stat"), ("patch",), ("accept", "--dry-run")):
            done = outrig(*verb, "--session-dir", copy)
            calm = done.code in (0, 1) and "Traceback" not in done.err
            tell(f"{verb[0]}, {words[:9]}", done.err[:60].strip(), calm)
    tell("a file that git was to write", "none", not (tmp_path / "owned").exists())


def test_the_settings_of_its_snapshots_start_nothing(theirs, tmp_path, outrig, session_root, tell):
    work = tmp_path / "tree"
    work.mkdir()
    (work / "old").write_text("1\n")
    store = SessionStore(session_root)
    made = session(store, work, lambda tree: (tree / "old").write_text("2\n"))
    copy, canary = theirs / "copied", Canary(tmp_path)
    shutil.copytree(store.directory(made), copy)
    git = copy / "snapshots.git"
    with (git / "config").open("a") as config:
        for key in PROGRAMS:
            section, *middle, name = key.split(".")
            of = f' "{middle[0]}"' if middle else ""
            config.write(f"[{section}{of}]\n\t{name} = {canary.program}\n")
    (git / "hooks").mkdir(exist_ok=True)
    for place in (git / "info/attributes", work / ".gitattributes"):
        place.write_text("* filter=x diff=x merge=x\n")
    for name in ("post-index-change", "reference-transaction"):
        (git / "hooks" / name).write_bytes(canary.program.read_bytes())
        (git / "hooks" / name).chmod(0o755)
    for line in ("diff", "diff --stat", "patch", "undo --dry-run", "accept --dry-run", "branch b"):
        verb, *more = line.split()
        done = outrig(verb, *more, "--session-dir", copy)
        tell(line, (canary.sang() or done.err)[:80].strip(), not canary.sang())
