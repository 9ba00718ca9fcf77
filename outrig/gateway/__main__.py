"""`python -m outrig.gateway`: the gate of one session, in a container of its own.

With its address, the session's, and whom to become it stands apart from the session; without, it is
a neighbour of it.
"""

from __future__ import annotations

import sys

from outrig.gateway.kernel import SetupError

try:
    if len(sys.argv) > 1:
        from outrig.gateway import apart

        apart.main(*sys.argv[1:])
    from outrig.gateway import serve

    sys.exit(serve.near())
except SetupError as error:
    sys.exit(f"outrig gateway: {error}")
