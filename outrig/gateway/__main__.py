"""`python -m outrig.gateway`: the gate of one session, in a container of its own."""

from __future__ import annotations

import sys

from outrig.gateway.kernel import SetupError
from outrig.gateway.serve import main

try:
    sys.exit(main())
except SetupError as error:
    sys.exit(f"outrig gateway: {error}")
