"""How a config key is declared: its default and everything that is said about it in one place.

A field's metadata carries what the cascade, `config.example.toml` and `config schema` need to
know: how its text is read (`kind`), who may set it (`trust`) and one line of explanation.
"""

from __future__ import annotations

from outrig.core.frozen import given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    Kind = Literal[
        "string",  # any text
        "path",  # relative to the declaring file's directory, or to the repo root for repo files
        "size",  # "4g" -> bytes (int)
        "duration",  # "90m" -> seconds (float)
        "number",  # float above 0
        "integer",  # int above 0
        "switch",  # true or false, and true is the tighter one
        "choice",  # one of `choices`
        "strings",  # array of text
        "paths",  # array of paths
        "argv",  # array of text: a command line, never a shell string
        "table",  # NAME = "text"
        "argument-table",  # build arguments: NAME = "text" or "${VAR}"
        "source",  # where a secret is: "env:X", "file:P", ...; "file:" as a path
        "environment",  # NAME = "text" or "${VAR}", resolved when used
    ]
    Trust = Literal[
        "repo",  # a repository may set it
        "repo-inside",  # a repository may set it to something inside itself
        "repo-no-references",  # a repository may set it, but no ${VAR} of the host's environment
        "narrower",  # a repository may only make it tighter than the layers below
        "adds",  # a repository's array is added to that of the layers below
        "trusted",  # system or global config, variables, flags
        "global",  # system or global config, its variable and its flag: never a repository
    ]

TRUST_WORDS: Mapping[Trust, str] = {
    "repo": "anyone",
    "repo-inside": "anyone; a repo only with paths inside itself",
    "repo-no-references": "anyone; a repo without ${VAR}",
    "narrower": "anyone; a repo only to tighten it",
    "adds": "anyone; what a repo sets is added to the rest",
    "trusted": "system or global config, OUTRIG_*, flags",
    "global": "system or global config, OUTRIG_*, flags",
}

VARIABLE_NAME = "[A-Za-z_][A-Za-z0-9_]*"
CAPABILITY = "(?!(CAP_)?ALL$)[A-Z][A-Z_]{2,30}"


def key(
    default: Any = None,
    *,
    doc: str,
    kind: Kind,
    trust: Trust,
    choices: tuple[str, ...] = (),
    example: str | None = None,
    default_words: str | None = None,
    flag: str | None = None,
    pattern: str | None = None,
    expects: str | None = None,
    zero: bool = False,
) -> Any:
    """A config key: its default and everything that is said about it in one place.

    `example` is TOML text for a key without a useful default; `default_words` says what an
    unset key means where None does not tell; `flag` is its flag of `outrig run`; a text must
    match `pattern` whole, and `expects` says so in words; `zero` allows 0, or an empty text.
    """
    return given(
        default=default,
        metadata={
            "doc": doc,
            "kind": kind,
            "trust": trust,
            "choices": choices,
            "example": example,
            "default_words": default_words,
            "flag": flag,
            "pattern": pattern,
            "expects": expects,
            "zero": zero,
        },
    )


def section(factory: Any, *, doc: str) -> Any:
    """An ordinary table, merged key by key across layers."""
    return given(factory=factory, metadata={"doc": doc, "shape": "section", "entry": factory})


def named(entry: Any, *, doc: str, pattern: str, expects: str) -> Any:
    """A named table, `[images.NAME]`: the highest file that has the entry wins alone."""
    return given(
        factory=dict,
        metadata={
            "doc": doc,
            "shape": "named",
            "entry": entry,
            "pattern": pattern,
            "expects": expects,
        },
    )


def names(*, doc: str, kind: Kind, trust: Trust, example: str, pattern: str, expects: str) -> Any:
    """A table of NAME = "text", whose names match `pattern`, in words `expects`."""
    return given(
        factory=dict,
        metadata={
            "doc": doc,
            "kind": kind,
            "trust": trust,
            "example": example,
            "pattern": pattern,
            "expects": expects,
        },
    )
