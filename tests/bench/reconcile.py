"""`outrig ls` with 1,000 unfinished sessions that nobody looks after, against none of them.

python -m tests.bench.reconcile        target: a ratio of at most 3, and one listing on the engine

A thousand containers are more than a machine bears: a small server answers as an engine does.
"""

from __future__ import annotations

import json
import socketserver
import sys
import tempfile
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from outrig.core.naming import LABEL_ATTEMPT, LABEL_ROLE, LABEL_ROOT, LABEL_SESSION, session_id
from outrig.store.belonging import machine
from outrig.store.sessions import SessionStore
from tests import records
from tests.bench.ls_scale import FEW, fill
from tests.bench.timing import OUTRIG, show, spent

TARGET = 3.0
ROUNDS = 11
MANY = 1000


def main() -> int:
    with tempfile.TemporaryDirectory() as top:
        endpoint = f"{top}/engine.sock"
        none = fill(Path(top) / "none", FEW)
        many = fill(Path(top) / "many", FEW)
        with Engine(endpoint, leave(many, f"unix://{endpoint}")) as engine:
            threading.Thread(target=engine.serve_forever, daemon=True).start()
            commands = {
                "none": (*OUTRIG, "ls", "--session-root", str(none)),
                "1,000": (*OUTRIG, "ls", "--session-root", str(many)),
            }
            found = spent(commands, rounds=ROUNDS, env={"HOME": top})
            engine.shutdown()
        unfinished = len(SessionStore(many).unfinished())
    show(found, "none")
    listings = engine.listings / (ROUNDS + 2)
    sys.stdout.write(f"{listings:g} listings on the engine each\n")
    ratio = found["1,000"].ratio(found["none"])
    return int(ratio > TARGET or listings != 1 or unfinished != MANY)


def leave(root: Path, endpoint: str) -> list[dict[str, Any]]:
    """Sessions whose outrig was killed; returns what an engine lists of them."""
    store = SessionStore(root)
    store.make_root()
    root_id = store.root_id()
    listed = []
    for index in range(MANY):
        at = records.NOON - timedelta(minutes=index + 1)
        session = session_id(at, index * 7919)
        container = f"{index:064x}"
        noted = {"kind": "container", "role": "agent", "ref": container, "attempt": "a"}
        record = records.first_record(
            session,
            at=at,
            status="running",
            engine=endpoint,
            root_id=root_id,
            session_root=str(root.resolve()),
            machine=machine(),
            resources=[noted],
        )
        directory = store.directory(session)
        (directory / "logs").mkdir(parents=True)
        (directory / "session.json").write_text(json.dumps(dict(record.fields), indent=2))
        (root / ".open" / session).touch()
        (root / ".locks" / f"{session}.attend").touch()
        labels = {LABEL_SESSION: session, LABEL_ROOT: root_id, LABEL_ATTEMPT: "a"}
        listed.append(
            {
                "Id": container,
                "Names": [f"/outrig-{session}"],
                "State": "running",
                "Created": 0,
                "Labels": {**labels, LABEL_ROLE: "agent"},
                "Mounts": [{"Type": "bind", "Source": "/src", "Destination": "/workspace"}],
                "NetworkSettings": {"Networks": {"none": {"NetworkID": "0" * 64}}},
            }
        )
    return listed


class Engine(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, listed: list[dict[str, Any]]) -> None:
        super().__init__(path, Handler)
        self.listed = json.dumps(listed).encode()
        self.listings = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        engine = self.server
        assert isinstance(engine, Engine)
        body = b"OK"
        if "/containers/json" in self.path:
            engine.listings += 1
            body = engine.listed
        self.send_response(200)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:  # type: ignore[explicit-override]  # 3.12 has it
        """A bench prints its own numbers only."""


if __name__ == "__main__":
    sys.exit(main())
