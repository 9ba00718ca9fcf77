"""How long a command takes before it does anything, against importing typer alone.

python -m tests.bench.startup        target: each at most 1.3 times `import typer`
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from outrig.store.sessions import SessionStore
from tests import records
from tests.bench.timing import OUTRIG, show, spent

TARGET = 1.3
ROUNDS = 21


def main() -> int:
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": ""}
        records.done(SessionStore(Path(home) / ".local/share/outrig/sessions"))
        commands = {
            "import typer": (sys.executable, "-P", "-c", "import typer"),
            **{name: (*OUTRIG, name) for name in ("--version", "--help", "ls", "show")},
        }
        found = spent(commands, rounds=ROUNDS, env=env)
    show(found, "import typer")
    base = found["import typer"]
    return int(max(one.ratio(base) for one in found.values()) > TARGET)


if __name__ == "__main__":
    sys.exit(main())
