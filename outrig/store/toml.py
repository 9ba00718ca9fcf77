"""TOML in and out. The one place that imports tomllib (12 ms) and tomli-w, and only when called."""

from __future__ import annotations

import re

from outrig.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_POSITION = r" \(at (?:line (\d+), column \d+|end of document)\)$"


def parse(data: bytes, file: str) -> dict[str, Any]:
    """The table of a file. Raises ConfigError naming `file` and line."""
    import tomllib  # noqa: PLC0415

    try:
        # A text of 256 KiB can nest 200,000 arrays; the parser is recursive.
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: not UTF-8") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: nested too deeply") from error
    except ValueError as error:
        said = str(error)
        found = re.search(_POSITION, said)
        place = f"{file}:{found[1] or _last_line(data)}" if found else file
        raise ConfigError(f"{place}: not TOML: {re.sub(_POSITION, '', said)}") from error


def _last_line(data: bytes) -> int:
    return data.rstrip().count(b"\n") + 1


def array(text: str) -> list[Any] | None:
    """An array written on one line, as in a variable; None for anything else."""
    import tomllib  # noqa: PLC0415

    try:
        value = tomllib.loads(f"value = {text}").get("value")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def text(table: Mapping[str, Any]) -> str:
    """The TOML of a table."""
    import tomli_w  # noqa: PLC0415

    return tomli_w.dumps(table)
