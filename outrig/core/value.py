"""One value of one key: what was written -> what Config holds, or what was expected instead.

Text from variables and flags ("2.5" for a number) is read as leniently as their syntax demands;
a file must use TOML's own types.
"""

from __future__ import annotations

import posixpath
import re

from outrig.core import quantity
from outrig.core.keys import literal
from outrig.core.reference import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from outrig.core.keys import Field

SOURCES = ("env", "file", "command", "keyring")  # of secrets

_LONGEST_SHOWN = 60
_LARGEST = 2**63 - 1  # what the engine's API and TOML can carry
_PLAIN = {
    "string": "text",
    "path": "a path",
    "number": "a number above 0",
    "integer": "a whole number above 0",
    "switch": "true or false",
    "strings": "an array of text",
    "paths": "an array of paths",
    "argv": "an array of words: a command line",
    "size": f"a size such as {quantity.SIZE_EXAMPLES}",
    "duration": f"a time such as {quantity.DURATION_EXAMPLES}",
}


class UnexpectedError(Exception):
    """A value that does not fit its key. The message is what was expected, never the value."""


def expected(field: Field) -> str:
    """What a key takes, in words."""
    about = field.about
    if field.is_table:
        return 'a table of NAME = "text"'
    if about.get("expects"):
        return str(about["expects"])
    if field.kind == "choice":
        return f"one of {', '.join(map(literal, about['choices']))}"
    return _PLAIN[field.kind]


def read(field: Field, value: Any, *, base: str, home: str, spoken: bool) -> Any:
    """The value as Config holds it; for a table, that of one of its names.

    `base` is what relative paths are relative to; `spoken` values come from a variable or a
    flag, where everything is text. Raises UnexpectedError.
    """
    match field.kind:
        case "size" | "duration":
            got = _quantity(field, value)
        case "integer" | "number":
            got = _number(field, _spoken_number(value) if spoken else value)
        case "switch":
            got = _switch(field, value, spoken=spoken)
        case "strings" | "argv":
            got = _strings(field, value)
        case "path":
            got = path(_text(field, value), base=base, home=home)
        case "paths":
            got = tuple(path(item, base=base, home=home) for item in _strings(field, value))
        case "string" | "choice":
            got = _text(field, value)
        case "source":
            got = _source(field, _text(field, value), base=base, home=home)
        case _:
            got = _entry(value)
    return got


def path(text: str, *, base: str, home: str) -> str:
    """An absolute, lexically clean path; a leading ~ is the home directory."""
    if text == "~" or text.startswith("~/"):
        text = home + text[1:]
    elif text.startswith("~"):
        raise UnexpectedError("a path; ~USER is not understood, write the directory out")
    joined = posixpath.normpath(posixpath.join(base, text))
    return "/" + joined.lstrip("/")  # POSIX lets two leading slashes stand


def shown(value: Any) -> str:
    """A wrong value as an error may quote it: short, and on one line."""
    text = literal(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def written(field: Field, value: Any) -> Any:
    """The value as a TOML file says it; what read() takes back as the same value."""
    if field.kind == "size":
        return quantity.size_text(value)
    if field.kind == "duration":
        return quantity.duration_text(value)
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if field.is_table else value


def read_name(field: Field, name: str) -> None:
    """Raise UnexpectedError when a table may not hold this name."""
    if not re.fullmatch(field.about["pattern"], name, re.ASCII | re.DOTALL):
        raise UnexpectedError(str(field.about["expects"]))


def _text(field: Field, value: Any) -> str:
    good = isinstance(value, str) and "\0" not in value
    if not good or not (value or field.about.get("zero")):
        raise UnexpectedError(expected(field))
    if reference(value):
        raise UnexpectedError(f"{expected(field)}; ${{...}} is only read in env and build-args")
    about = field.about
    choices, pattern = about.get("choices"), about.get("pattern")
    if choices and value not in choices:
        raise UnexpectedError(expected(field))
    if pattern and not re.fullmatch(pattern, value, re.ASCII):
        raise UnexpectedError(expected(field))
    return str(value)


def _source(field: Field, text: str, *, base: str, home: str) -> str:
    """Where a secret is; its value in this place is as wrong as any other text."""
    kind, colon, rest = text.partition(":")
    if not colon or not rest.strip() or kind not in SOURCES:
        raise UnexpectedError(expected(field))
    return f"file:{path(rest, base=base, home=home)}" if kind == "file" else text


def _entry(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise UnexpectedError("text, in quotes")
    return value


def _strings(field: Field, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise UnexpectedError(expected(field))
    pattern = field.about.get("pattern")
    for at, item in enumerate(value):
        good = isinstance(item, str) and "\0" not in item
        if not good or not (item or (field.kind == "argv" and at > 0)):
            raise UnexpectedError(expected(field))
        if pattern and not re.fullmatch(pattern, item, re.ASCII):
            raise UnexpectedError(expected(field))
    return tuple(value)


def _switch(field: Field, value: Any, *, spoken: bool) -> bool:
    said = {"true": True, "false": False}.get(value, value) if spoken else value
    if not isinstance(said, bool):
        raise UnexpectedError(expected(field))
    return said


def _spoken_number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return int(value) if value.strip().isdecimal() else float(value)
    except ValueError:
        return value


def _number(field: Field, value: Any) -> Any:
    kinds = int if field.kind == "integer" else int | float
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise UnexpectedError(expected(field))
    if not 0 < value <= _LARGEST:
        raise UnexpectedError(expected(field))
    return value if field.kind == "integer" else float(value)


def _quantity(field: Field, value: Any) -> Any:
    """Text with units, or a bare number: bytes, or seconds."""
    parse = quantity.size if field.kind == "size" else quantity.duration
    kinds = str | int if field.kind == "size" else str | int | float
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise UnexpectedError(expected(field))
    if isinstance(value, int) and value > _LARGEST:  # str() refuses giants, which 0xfff... can be
        raise UnexpectedError(expected(field))
    try:
        amount = parse(str(value))
    except ValueError:
        raise UnexpectedError(expected(field)) from None
    if amount > _LARGEST or (amount == 0 and not field.about.get("zero")):
        raise UnexpectedError(f"{expected(field)}, above 0")
    return amount
