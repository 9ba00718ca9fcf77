"""`python -m outrig` is `outrig`."""

from outrig.cli.main import entry

entry()
