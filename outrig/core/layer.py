"""One layer of settings: where it comes from, and its values checked against the keys there are.

Reading a layer finds every problem in it: unknown keys (a warning, but an error where a typing
error would loosen what the user believes to be tight), wrong types and values. A wrong value is
quoted only where it cannot be a secret: never from a variable, from an environment table or from
[secrets].
"""

from __future__ import annotations

from enum import IntEnum

from outrig.core import keys, value
from outrig.core.config import Config
from outrig.core.frozen import frozen
from outrig.core.suggestion import meant
from outrig.errors import ConfigError, OutrigError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from outrig.core.keys import Field, Path

STRICT = ("network", "security", "secrets")  # tables where a key that is not understood is an error


class Source(IntEnum):
    """Where a layer comes from; a higher one wins."""

    DEFAULT = 0
    SYSTEM = 1
    GLOBAL = 2
    REPO = 3
    LOCAL = 4
    ENVIRONMENT = 5
    FLAG = 6

    @property
    def is_repo(self) -> bool:
        """Whether an agent could have written it."""
        return self in (Source.REPO, Source.LOCAL)

    @property
    def is_spoken(self) -> bool:
        """Whether its values are texts of a variable or a flag."""
        return self in (Source.ENVIRONMENT, Source.FLAG)


@frozen
class Layer:
    """One source of settings, as it was written.

    `values` is the nested TOML table; `where` maps a dotted key to the place that set it
    ("path:line", "OUTRIG_X" or "--flag"); `base` is the directory that relative paths mean;
    `root` is the one that a repository's paths must stay inside. A global layer names its `file`
    even when there is none, because messages say what belongs there. `data` are the bytes that were
    read; `approved` says that the user has approved exactly them, and all that they name.
    """

    source: Source
    values: Mapping[str, Any]
    where: Mapping[str, str]
    base: str
    file: str | None = None
    root: str | None = None
    warnings: tuple[str, ...] = ()
    data: bytes = b""
    approved: bool = False


@frozen(kw_only=False)
class Setting:
    """One value of one layer, in the form that Config holds."""

    field: Field
    value: Any
    layer: Layer
    place: str


class Findings:
    """What is wrong or odd in the layers, in the order it was found."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.errors: list[OutrigError] = []

    def error(self, layer: Layer, place: str, message: str, hint: str | None = None) -> None:
        kind = UsageError if layer.source is Source.FLAG else ConfigError
        self.errors.append(kind(f"{place}: {message}", hint=hint))

    def fail(self) -> None:
        """Raise all errors as one, which carries the first one's hint."""
        if self.errors:
            first = self.errors[0]
            text = "\n".join(error.message for error in self.errors)
            raise type(first)(text, hint=first.hint)


def flag_layer(values: Mapping[str, Any], cwd: str) -> Layer:
    """The layer of the flags that were given, by dotted key: {"limits.memory": "4g"}."""
    nested: dict[str, Any] = {}
    where = {}
    for name, given in values.items():
        *tables, last = name.split(".")
        table = nested
        for part in tables:
            table = table.setdefault(part, {})
        table[last] = given
        found = keys.find((*tables, last))
        where[name] = (found.about.get("flag") if found else None) or f"--{last}"
    return Layer(source=Source.FLAG, values=nested, where=where, base=cwd)


def read(layer: Layer, *, home: str, findings: Findings) -> dict[Path, Setting]:
    """The settings of a layer by path; what does not fit goes to `findings`."""
    findings.warnings.extend(layer.warnings)
    found: dict[Path, Setting] = {}
    for path, field, given in _Walk(layer, findings).leaves(Config, layer.values, ()):
        where = place(layer, path)
        try:
            if field.is_table:
                value.read_name(field, str(path[-1]))
            got = value.read(
                field, given, base=layer.base, home=home, spoken=layer.source.is_spoken
            )
        except value.UnexpectedError as error:
            quoted = "" if _is_private(layer, field, path) else f", found {value.shown(given)}"
            findings.error(layer, where, f"{keys.dotted(path)}: expected {error}{quoted}")
        else:
            found[path] = Setting(field, got, layer, where)
    return found


def place(layer: Layer, path: Path) -> str:
    """Where a layer says something: the nearest place known, else its file."""
    for end in range(len(path), 0, -1):
        if known := layer.where.get(keys.dotted(path[:end])):
            return known
    return layer.file or layer.source.name.lower()


def _is_private(layer: Layer, field: Field, path: Path) -> bool:
    return layer.source is Source.ENVIRONMENT or field.is_table or path[0] == "secrets"


class _Walk:
    """Down the tables of one layer, beside the classes that say what they may hold."""

    def __init__(self, layer: Layer, findings: Findings) -> None:
        self.layer = layer
        self.findings = findings

    def leaves(
        self, section: Any, table: Mapping[str, Any], prefix: Path
    ) -> Iterator[tuple[Path, Field, Any]]:
        known = keys.fields(section)
        for name, given in table.items():
            path = (*prefix, name)
            field = known.get(name)
            if field is None:
                self.unknown(path, known)
            elif field.shape == "list":
                yield from self.listed(field, given, path)
            elif not (field.shape or field.is_table):
                yield path, field, given
            elif not isinstance(given, dict):
                self.wrong(path, "a table", field, given)
            elif field.shape == "section":
                yield from self.leaves(field.entry, given, path)
            elif field.shape == "named":
                yield from self.named(field, given, path)
            else:
                yield from (((*path, name), field, item) for name, item in given.items())

    def named(
        self, field: Field, given: Mapping[str, Any], path: Path
    ) -> Iterator[tuple[Path, Field, Any]]:
        for name, entry in given.items():
            try:
                value.read_name(field, name)
            except value.UnexpectedError as error:
                self.wrong((*path, name), str(error), None, None)
                continue
            if not isinstance(entry, dict):
                self.wrong((*path, name), "a table", field, entry)
                continue
            yield from self.leaves(field.entry, entry, (*path, name))

    def listed(self, field: Field, given: Any, path: Path) -> Iterator[tuple[Path, Field, Any]]:
        """An array of tables, in which every key without a useful default must be given."""
        if not isinstance(given, list | tuple) or not all(isinstance(item, dict) for item in given):
            self.wrong(path, f"an array of tables, [[{keys.dotted(path)}]]", field, given)
            return
        for at, entry in enumerate(given):
            for name, inner in keys.fields(field.entry).items():
                if inner.default == "" and name not in entry:
                    self.wrong((*path, at), f"a key {name}", None, None)
            yield from self.leaves(field.entry, entry, (*path, at))

    def wrong(self, path: Path, expected: str, field: Field | None, given: Any) -> None:
        quoted = ""
        if (
            field
            and not _is_private(self.layer, field, path)
            and not isinstance(given, dict | list)
        ):
            quoted = f", found {value.shown(given)}"
        text = f"{keys.dotted(path)}: expected {expected}{quoted}"
        self.findings.error(self.layer, place(self.layer, path), text)

    def unknown(self, path: Path, known: Mapping[str, Field]) -> None:
        text = f"unknown key {keys.dotted(path)}"
        if close := meant(path, known):
            text += f"; did you mean {close}?"
        where = place(self.layer, path)
        if path[0] in STRICT:
            self.findings.error(self.layer, where, text)
        else:
            self.findings.warnings.append(f"{where}: {text}")
