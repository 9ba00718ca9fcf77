"""256 MiB of output through `outrig run` with three secrets, against the same with --no-redact.

python -m tests.bench.redact     target: at most 1.15 times, for text and for binary output
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from tests.bench.throughput import MIB, SIZE, fill
from tests.bench.timing import show, spent
from tests.bench.yardstick import QUIET, yard

MOST = 1.15
ROUNDS = 5
VALUES = {
    "MODEL": "sk-model-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-abcdefghijklmnopqrstuvwxyz",
    "FORGE": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "DATABASE": "postgres://user:p4ssw0rd/with+signs@database:5432/name",
}


def main() -> int:
    missed = 0
    with yard() as here:
        fill(here.work)
        config = Path(here.env["HOME"]) / ".config/outrig/config.toml"
        config.parent.mkdir(parents=True)
        config.write_text("".join(f'[secrets.{name}]\nfrom = "env:{name}"\n' for name in VALUES))
        for kind in ("text", "binary"):
            command = ("cat", f"/workspace/{kind}")
            commands = {
                "--no-redact": (*QUIET, *here.outrig(*command, options=("--no-redact",))),
                "redacted": (*QUIET, *here.outrig(*command)),
            }
            found = spent(commands, rounds=ROUNDS, env={**here.env, **VALUES}, warm_up=1)
            plain, redacted = found.values()
            sys.stdout.write(f"{SIZE // MIB} MiB of {kind}, {len(VALUES)} secrets\n")
            show(found, "--no-redact")
            rate = SIZE / MIB / statistics.median(redacted.wall) * 1000
            sys.stdout.write(f"{rate:.0f} MiB/s redacted\n")
            missed += redacted.ratio(plain) > MOST
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
