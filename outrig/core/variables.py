"""OUTRIG_* variables: OUTRIG_LIMITS__MEMORY is limits.memory. What they hold is never quoted.

A name that means no key is a warning, but an error below [network], [security] and [secrets],
as in a file. An empty variable counts as unset, except where an empty text means something
(run.entrypoint, a name in [env]).
"""

from __future__ import annotations

from outrig.core import keys
from outrig.core.layer import STRICT, Layer, Source
from outrig.core.suggestion import meant_variable
from outrig.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from outrig.core.keys import Field


def variables_layer(
    env: Mapping[str, str], *, cwd: str, array: Callable[[str], Any]
) -> Layer | None:
    """The layer of the OUTRIG_* variables, None without any.

    `array` reads an array written as TOML, and returns None for what is not. Raises ConfigError.
    """
    given = {name: text for name, text in env.items() if name.startswith(keys.VARIABLE)}
    if not given:
        return None
    values: dict[str, Any] = {}
    where, warnings = {}, []
    for name, text in sorted(given.items()):
        path = keys.variable_path(name)
        found = _field(path)
        if found is None or keys.variable(path) != name:
            warnings.append(_unknown(name, path))
            continue
        if not (text or found.about.get("zero") or found.is_table):
            continue
        table = values
        for part in path[:-1]:
            table = table.setdefault(str(part), {})
        table[str(path[-1])] = _value(name, text, found, array)
        where[keys.dotted(path)] = name
    return Layer(
        source=Source.ENVIRONMENT,
        values=values,
        where=where,
        base=cwd,
        warnings=tuple(warnings),
    )


def _field(path: keys.Path) -> Field | None:
    """A key that a variable may set: any of the ordinary tables, or a name in [env]."""
    for known, field in keys.every():
        named = field.is_table and len(path) == len(known) + 1
        if path[: len(known)] == known and (named or path == known):
            return None if field.shape == "named" or (field.is_table and not named) else field
    return None


def _unknown(name: str, path: keys.Path) -> str:
    top = keys.find(path[:1])
    if top is not None and top.shape == "named":
        return f"{name}: [{path[0]}.NAME] is read from files only"
    close = meant_variable(name)
    text = f"{name}: no such key; did you mean {close}?" if close else f"{name}: no such key"
    if path[0] in STRICT:
        raise ConfigError(text, hint=f"unset {name}")
    return text


def _value(name: str, text: str, found: Field, array: Callable[[str], Any]) -> Any:
    if found.kind not in keys.ARRAYS and found.shape != "list":
        return text
    value = array(text)
    if not isinstance(value, list):
        raise ConfigError(
            f"{name}: expected an array as TOML writes it", hint=f"""{name}='["a", "b"]'"""
        )
    return value
