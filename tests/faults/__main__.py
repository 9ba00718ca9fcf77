"""The fault harness: every point x every fault, each on a fresh session; a table of results.

python -m tests.faults [--sample | --all] [--only POINT/FAULT]... [--list]

Needs root (a daemon and a small disk of its own), dockerd, the docker command line and a static
busybox. Exit 1 if anything is not as it must be.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.daemon import Daemon
from tests.faults.disk import Disk
from tests.faults.points import POINTS, Point
from tests.faults.trial import FAULTS, Fault, Result, Trial, expected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Each fault once where it hurts most, each phase at least once.
SAMPLE: tuple[tuple[str, Fault], ...] = (
    ("unrecorded", "sigkill"),
    ("noted", "engine-killed"),
    ("prepared", "docker-rm"),
    ("recorder-open", "disk-full"),
    ("start-asked", "sigkill"),
    ("started", "engine-killed"),
    ("started", "unwritable"),
    ("untimed", "sigkill"),
    ("kept", "docker-kill"),
    ("kept", "docker-rm"),
    ("kept", "engine-killed"),
    ("kept", "engine-stopped"),
    ("kept", "disk-full"),
    ("kept", "unwritable"),
    ("end-beside", "sigkill"),
    ("told", "sigkill"),
    ("told", "disk-full"),
    ("taking-over", "sigkill"),
    ("mended-half", "sigkill"),
    ("supervised", "disk-full"),
)

Cell = tuple[Point, Fault]


def cells() -> list[Cell]:
    return [(p, fault) for p in POINTS.values() for fault in FAULTS if expected(p, fault)]


def sample() -> list[Cell]:
    return [(POINTS[point], fault) for point, fault in SAMPLE]


def results(wanted: Sequence[Cell]) -> Iterator[Result]:
    """Try them one after the other on one daemon."""
    with contextlib.ExitStack() as made:
        # Short: the path of a unix socket has 107 bytes.
        top = Path(made.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        daemon = made.enter_context(Daemon(top))
        for point, fault in wanted:
            place = top / "trial"
            place.mkdir()
            with Disk(top / "disk") as disk:
                yield Trial(point, fault, daemon=daemon, disk=disk, top=place).run()
                daemon.remove_all()
            (top / "disk").rmdir()
            shutil.rmtree(place)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="every cell")
    parser.add_argument("--sample", action="store_true", help="what CI runs (the default)")
    parser.add_argument("--only", action="append", default=[], metavar="POINT[/FAULT]")
    parser.add_argument("--list", action="store_true", help="the cells, without trying them")
    asked = parser.parse_args()
    wanted = cells() if asked.all or asked.only else sample()
    if asked.only:
        wanted = [
            (point, fault)
            for point, fault in wanted
            if {point.name, f"{point.name}/{fault}", f"/{fault}"} & set(asked.only)
        ]
    if asked.list:
        sys.stdout.writelines(f"{point.name}/{fault}\n" for point, fault in wanted)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the daemon and the disk go, too
    wrong = 0
    for result in results(wanted):
        wrong += bool(result.wrong)
        sys.stdout.write(line(result))
        sys.stdout.flush()
    sys.stdout.write(f"{len(wanted)} tried, {wrong} wrong\n")
    return int(wrong > 0)


def line(result: Result) -> str:
    verdict = "ok" if not result.wrong else "WRONG"
    first = f"{result.point:<15} {result.fault:<15} {result.ending:<24} {result.seconds:5.1f} s  "
    return f"{first}{verdict}\n" + "".join(f"    {words}\n" for words in result.wrong)


if __name__ == "__main__":
    sys.exit(main())
