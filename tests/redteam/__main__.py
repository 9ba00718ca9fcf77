"""The red team: each attack on a real session, and what became of it, as a table.

python -m tests.redteam [--slow] [-k WORDS]

Needs an engine. Exit 1 if anything was not held.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.redteam.table import Printed

if __name__ == "__main__":
    here = str(Path(__file__).parent)
    words = ["--docker", "-q", "-p", "no:cacheprovider", here, *sys.argv[1:]]
    sys.exit(pytest.main(words, plugins=[Printed()]))
