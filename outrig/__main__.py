"""`python -m outrig` is `outrig`."""

from outrig.cli.entry import entry

entry()
