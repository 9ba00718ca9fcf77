"""References to the host's environment: a value that is `${VAR}` as a whole.

A reference stays text in Config, so that nothing printed or stored holds the host's value; it is
resolved when a session starts.
"""

from __future__ import annotations

import re

from outrig.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)


def reference(value: str) -> str | None:
    """The variable that `value` refers to, or None for a text that means itself."""
    found = _REFERENCE.fullmatch(value)
    return found[1] if found else None


def resolve(values: Mapping[str, str], env: Mapping[str, str], where: str) -> dict[str, str]:
    """The values with each reference replaced from `env`.

    `where` is the dotted key of the table ("env", "agents.claude.env"). Raises ConfigError naming
    key and variable when one is unset.
    """
    resolved = {}
    for name, value in values.items():
        variable = reference(value)
        if variable is None:
            resolved[name] = value
        elif variable in env:
            resolved[name] = env[variable]
        else:
            raise ConfigError(
                f"{where}.{name} refers to ${{{variable}}}, which is not set",
                hint=f"export {variable}=..., or remove {where}.{name}",
            )
    return resolved
