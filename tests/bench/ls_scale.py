"""`outrig ls` with 10,000 sessions against 10.

python -m tests.bench.ls_scale        target: a ratio of at most 1.3
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from outrig.core.naming import session_id
from outrig.core.session import ended
from outrig.store.sessions import SessionStore
from tests import records
from tests.bench.timing import OUTRIG, show, spent

TARGET = 1.3
ROUNDS = 21
FEW, MANY = 10, 10_000


def main() -> int:
    with tempfile.TemporaryDirectory() as top:
        roots = {number: fill(Path(top) / str(number), number) for number in (FEW, MANY)}
        commands = {
            f"{number} sessions": (*OUTRIG, "ls", "--session-root", str(root))
            for number, root in roots.items()
        }
        found = spent(commands, rounds=ROUNDS, env={"HOME": top})
    few, many = found
    show(found, few)
    return int(found[many].ratio(found[few]) > TARGET)


def fill(root: Path, number: int) -> Path:
    """Completed sessions, a minute apart; written without the syncs that real ones wait for."""
    store = SessionStore(root)
    store.root_id()
    for index in range(number):
        at = records.NOON + timedelta(minutes=index)
        session = session_id(at, index * 7919)
        record = records.first_record(session, at=at, status="running")
        done = ended(record, records.COMPLETED, at=at + timedelta(seconds=9))
        directory = store.directory(session)
        (directory / "logs").mkdir(parents=True)
        (directory / "session.json").write_text(json.dumps(dict(done.fields), indent=2))
    return root


if __name__ == "__main__":
    sys.exit(main())
