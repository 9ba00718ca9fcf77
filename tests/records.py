"""Sessions for tests of what looks back: real ones on a real disk, without an engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrig.core.ending import Ending
from outrig.core.moment import time_text
from outrig.core.session import Session, ended, preparing, running, with_fields
from outrig.record.log import Recorder
from outrig.store.creation import Held, create

if TYPE_CHECKING:
    from outrig.store.sessions import SessionStore

NOON = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
RUST = Path(__file__).parent / "fixtures/rust-records"
COMPLETED = Ending(status="completed", reason="exit", exit_code=0, agent_exit_code=0)


def first_record(session_id: str, *, at: datetime = NOON, **fields: Any) -> Session:
    return Session(
        {
            "schema": 1,
            "id": session_id,
            "status": "planned",
            "started_at": time_text(at),
            "container_name": f"outrig-{session_id}",
            "image_tag": "host",
            "image_config_name": "host",
            "working_dir": "/src",
            "command": ["make", "test"],
            "resources": [],
            **fields,
        }
    )


def begin(
    store: SessionStore,
    *,
    at: datetime = NOON,
    name: str | None = None,
    session_dir: Path | None = None,
    **fields: Any,
) -> Held:
    """A running session that this process attends."""
    held = create(
        store,
        now=at,
        build=lambda session_id, _: first_record(session_id, at=at, **fields),
        name=name,
        session_dir=session_dir,
    )
    held.update(preparing)
    held.update(running)
    return held


def finish(held: Held, ending: Ending = COMPLETED, *, after: float = 90) -> Session:
    started = held.session.started_at or NOON
    session = held.update(lambda one: ended(one, ending, at=started + timedelta(seconds=after)))
    held.close()
    return session


def abandon(held: Held, engine: str = "unix:///nowhere.sock") -> str:
    """Whoever looked after it is gone; its container may run on an engine that nobody reaches."""
    noted = {"kind": "container", "role": "agent", "ref": "0" * 64, "attempt": "a"}
    held.update(lambda one: with_fields(one, engine=engine, resources=[noted]))
    held.close()
    return held.id


def done(store: SessionStore, **how: Any) -> Session:
    """A session that has completed."""
    return finish(begin(store, **how))


def say(
    directory: Path, *chunks: tuple[str, bytes], at: datetime = NOON, tty: bool = False
) -> None:
    """Write logs, a chunk each second."""
    ticks = iter(range(0, 10**15, 10**9))
    with Recorder(directory, tty=tty, started=at, clock=lambda: next(ticks)) as recorder:
        for stream, data in chunks:
            recorder.write(stream, data)  # type: ignore[arg-type]  # tests spell streams as text


def adopt_rust_record(store: SessionStore, session_id: str) -> Path:
    """Lay a record of the other tool into a root, byte for byte."""
    directory = store.root / session_id
    directory.mkdir(parents=True)
    (directory / "session.json").write_bytes((RUST / f"{session_id}.json").read_bytes())
    return directory
