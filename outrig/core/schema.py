"""The keys written down for editors (JSON Schema) and for people (config.example.toml).

Both are made from the fields of Config, so neither can disagree with what the cascade reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outrig.core import keys
from outrig.core.config import Config
from outrig.core.field import TRUST_WORDS
from outrig.core.value import SOURCES, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.core.keys import Field

_NOT_EMPTY = {"type": "string", "minLength": 1}
_SIZE = r"^\s*\d{1,19}(\.\d{1,9})? ?[kKmMgGtTpP]?([iI]?[bB])?\s*$"
_DURATION = r"^\s*(\d+(\.\d+)?|(\d{1,12}(\.\d{1,9})?\s*([sSmMhHdDwW]|[mM][sS])\s*)+)\s*$"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a config file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "outrig configuration",
        **_object(Config),
    }


def _object(section: Any) -> dict[str, Any]:
    properties = {name: _property(field) for name, field in keys.fields(section).items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _property(field: Field) -> dict[str, Any]:
    about = field.about
    if field.shape:
        shape = _shape(field)
        return {"description": about["doc"], **shape}
    words = [about["doc"], f"May be set by: {TRUST_WORDS[about['trust']]}."]
    if about.get("default_words"):
        words.insert(1, f"Default: {about['default_words']}.")
    found: dict[str, Any] = {"description": "\n".join(words), **_kind(field)}
    if field.default is not None and not (field.default == "" and not about.get("zero")):
        found["default"] = written(field, field.default)
    return found


def _shape(field: Field) -> dict[str, Any]:
    if field.shape == "section":
        return _object(field.entry)
    if field.shape == "list":
        needed = [name for name, inner in keys.fields(field.entry).items() if inner.default == ""]
        return {"type": "array", "items": {**_object(field.entry), "required": needed}}
    names = {"pattern": f"^(?:{field.about['pattern']})$"}
    return {"type": "object", "propertyNames": names, "additionalProperties": _object(field.entry)}


def _kind(field: Field) -> dict[str, Any]:
    about = field.about
    text = dict(_NOT_EMPTY) if not about.get("zero") else {"type": "string"}
    pattern = {"pattern": f"^(?:{about['pattern']})$"} if about.get("pattern") else {}
    least = {"minimum": 0} if about.get("zero") else {"exclusiveMinimum": 0}
    if field.is_table:
        return {
            "type": "object",
            "propertyNames": pattern,
            "additionalProperties": {"type": "string"},
        }
    kinds: dict[str, dict[str, Any]] = {
        "string": {**text, **pattern},
        "path": text,
        "source": {**text, "pattern": rf"^(?:{'|'.join(SOURCES)}):.*\S"},
        "choice": {"enum": list(about.get("choices", ()))},
        "size": {"anyOf": [{"type": "integer", **least}, {"type": "string", "pattern": _SIZE}]},
        "duration": {
            "anyOf": [{"type": "number", **least}, {"type": "string", "pattern": _DURATION}]
        },
        "integer": {"type": "integer", **least},
        "switch": {"type": "boolean"},
        "number": {"type": "number", **least},
        "strings": {"type": "array", "items": {**_NOT_EMPTY, **pattern}},
        "paths": {"type": "array", "items": _NOT_EMPTY},
        "argv": {"type": "array", "items": {"type": "string"}},
    }
    return kinds[field.kind]


# ---------------------------------------------------------------- config.example.toml

EXAMPLE_ENTRIES = {"images": "base", "agents": "claude", "secrets": "anthropic", "sidecars": "db"}
_HEAD = """\
# All settings of outrig. Made from the code by `outrig config example`.
#
# Files, the later one wins key by key; then OUTRIG_LIMITS__MEMORY=4g, then flags:
#   /etc/outrig/config.toml
#   ~/.config/outrig/config.toml           ($XDG_CONFIG_HOME)
#   <repo>/.agents/outrig/config.toml      nearest to the working directory
#   <repo>/.agents/outrig/config.local.toml
#
# An entry of [images.NAME], [agents.NAME], [secrets.NAME] or [sidecars.NAME] in a file replaces
# that of the files before it, and is laid over the built-in one; [[workspace.mounts]] add up.
# Relative paths are relative to the file's directory; in a repo, to its root. ~ is the home.
#
# A repo's config could have been written by an agent. Who may set a key stands before the |:
"""


def example() -> str:
    """The text of config.example.toml: each key with its default, or an example, commented out."""
    width = max(map(len, TRUST_WORDS)) + 2
    legend = "".join(f"#   {trust:{width}}{words}\n" for trust, words in TRUST_WORDS.items())
    return _HEAD + legend + "".join(_section(Config, ""))


def _section(section: Any, header: str) -> Iterator[str]:
    """Plain keys first: TOML would count them to the table before."""
    fields = keys.fields(section)
    table = [field for field in fields.values() if field.is_table and not header]
    plain = {name: field for name, field in fields.items() if not field.shape}
    yield "\n" if not header else ""
    for name, field in plain.items():
        if field not in table:
            yield _line(name, field, unset="" if "." in header else "none")
    for name, field in fields.items():
        below = f"{header}.{name}" if header else name
        if field in table:
            yield f"\n[{below}]\n"
            yield _line("", field, unset="none")
        elif field.shape == "section":
            yield f"\n[{below}]  # {field.about['doc']}\n"
            yield from _section(field.entry, below)
        elif field.shape == "named":
            entry = f"{below}.{EXAMPLE_ENTRIES[name]}"
            yield f"\n#[{entry}]  # {field.about['doc']}\n"
            yield from _section(field.entry, entry)
        elif field.shape == "list":
            yield f"\n#[[{below}]]  # {field.about['doc']}\n"
            yield from _section(field.entry, below)


def _line(name: str, field: Field, *, unset: str) -> str:
    """One key; `unset` says what it is without a line, where its field does not."""
    about = field.about
    example = about.get("example")
    text = example or keys.literal(written(field, field.default))
    setting = f"#{name} = {text}" if name else f"#{text.strip('{ }')}"
    default = about.get("default_words") or unset
    words = f"{about['doc']} (default: {default})" if example and default else about["doc"]
    return f"{setting:<44}  # {about['trust']:<18} | {words}\n"
