"""The keys there are, read off the fields of Config: one place says what a key is.

A key is addressed by its path, ("limits", "memory") or ("agents", "claude", "env", "TZ") or
("workspace", "mounts", 0, "host"), and shown as a dotted key. Every other module that speaks of
keys (the cascade, trust, the schema, the example file, OUTRIG_* variables) asks here.
"""

from __future__ import annotations

import json
import re
from functools import cache

from outrig.core.config import Config
from outrig.core.frozen import fields as fields_of
from outrig.core.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

Path = tuple[str | int, ...]

TABLES = ("table", "argument-table", "environment")  # kinds that hold NAME = "text"
ARRAYS = ("strings", "paths", "argv")
VARIABLE = "OUTRIG_"

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@frozen
class Field:
    """A field of a section with what its metadata says. `shape` is "" for a plain key."""

    attribute: str
    default: Any
    shape: str
    entry: Any
    about: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.about.get("kind", ""))

    @property
    def is_table(self) -> bool:
        return self.kind in TABLES


@cache
def fields(section: Any) -> Mapping[str, Field]:
    """The keys of a section's class by their kebab-case names, in their order.

    What is a word of Python has a _ behind it there: `from_` is the key `from`.
    """
    return {
        name.rstrip("_").replace("_", "-"): Field(
            attribute=name,
            default=found.make(),
            shape=found.metadata.get("shape", ""),
            entry=found.metadata.get("entry"),
            about=found.metadata,
        )
        for name, found in fields_of(section)
    }


def find(path: Path) -> Field | None:
    """The field that a path leads to, names of entries and of variables included."""
    section, at = Config, 0
    while at < len(path):
        found = fields(section).get(str(path[at]))
        if found is None:
            return None
        at += 1
        if not found.shape:
            below = 1 if found.is_table else 0
            return found if len(path) - at <= below else None
        at += 0 if found.shape == "section" else 1  # the entry's name or number
        if at >= len(path):
            return found
        section = found.entry
    return None


def every() -> Iterator[tuple[Path, Field]]:
    """Each plain key of the ordinary tables; named tables and lists appear once, as a whole."""
    for name, found in fields(Config).items():
        if found.shape == "section":
            yield from (((name, below), inner) for below, inner in fields(found.entry).items())
        else:
            yield (name,), found


# ---------------------------------------------------------------- how keys are written


def dotted(path: Path) -> str:
    """limits.memory, images."a b".dockerfile, workspace.mounts[0].host."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if _BARE.fullmatch(part) else literal(part)
            text += f".{shown}" if text else shown
    return text


def variable(path: Path) -> str:
    """("limits", "log-bytes") -> OUTRIG_LIMITS__LOG_BYTES; a name in [env] stays as it is."""
    first, *rest = map(str, path)
    if first == "env" and rest:
        return f"{VARIABLE}ENV__{'__'.join(rest)}"
    return VARIABLE + "__".join((first, *rest)).replace("-", "_").upper()


def variable_path(name: str) -> Path:
    """The path that a variable's name means; whether there is such a key is not asked."""
    first, _, rest = name.removeprefix(VARIABLE).partition("__")
    if first == "ENV" and rest:
        return ("env", rest)
    parts = (first, *rest.split("__")) if rest else (first,)
    return tuple(part.lower().replace("_", "-") for part in parts)


def literal(value: Any) -> str:
    """A value as TOML on one line, with nothing in it that a terminal would obey."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case int() if value.bit_length() > 64:  # noqa: PLR2004 - str() refuses giants
            return hex(value)
        case list() | tuple():
            return f"[{', '.join(map(literal, value))}]"
        case dict():
            pairs = (f"{dotted((name,))} = {literal(item)}" for name, item in value.items())
            return f"{{ {', '.join(pairs)} }}" if value else "{}"
        case _:
            return str(value)


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isprintable():
        return quoted
    return "".join(char if char.isprintable() else _escaped(char) for char in quoted)


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04X}" if ord(char) < 0x10000 else f"\\U{ord(char):08X}"  # noqa: PLR2004
