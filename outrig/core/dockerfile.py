"""What outrig reads of a Dockerfile: its arguments, the image it stands on, its packages.

It is the engine that understands Dockerfiles; here only what must be known before a build.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from outrig.core.frozen import frozen
from outrig.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BASE = "BASE"  # the argument that names another configured image
OURS = "outrig/"

_CONTINUED = re.compile(r"\\[ \t]*$")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_INSTALL = ("apt-get", "install")
# Parts of a RUN that leave nothing behind which mmdebstrap would not leave too.
_UPDATE = ("apt-get", "update")
_TIDY = ("rm", "-rf", "/var/lib/apt/lists/*")
_KEPT = frozenset({"CMD", "ENTRYPOINT", "ENV", "LABEL", "USER", "WORKDIR"})


class Instruction(NamedTuple):
    """One instruction, its continued lines joined."""

    word: str  # in capitals
    rest: str


@frozen
class Packages:
    """A Dockerfile that only installs packages: which, and what else the image is told."""

    names: tuple[str, ...]
    changes: tuple[str, ...]


def instructions(text: str) -> Iterator[Instruction]:
    joined = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not line.strip():
            continue  # also between continued lines
        joined += _CONTINUED.sub(" ", line)
        if not _CONTINUED.search(line):
            yield _instruction(joined)
            joined = ""
    if joined.strip():
        yield _instruction(joined)


def arguments(text: str) -> Mapping[str, str | None]:
    """Each ARG and its default; the first one counts, which is the one before FROM."""
    found: dict[str, str | None] = {}
    for word, rest in instructions(text):
        if word == "ARG":
            for name, equals, default in (part.partition("=") for part in _words(rest)):
                found.setdefault(name, default if equals else None)
    return found


def stands_on(text: str, given: Mapping[str, str], known: Sequence[str]) -> str | None:
    """Which of the `known` images BASE means, as given or by its default; None: none of them."""
    declared = arguments(text)
    if BASE in given:
        return given[BASE] if given[BASE] in known else None
    if BASE not in declared:
        return None
    default = declared[BASE]
    name = "base" if default is None else default.removeprefix(OURS)
    return name if name in known and default in {None, OURS + name} else None


def packages(text: str) -> Packages:
    """Read a Dockerfile that does no more than install Debian packages.

    Raises BuildError for one that does more: an image made from packages would lack it.
    """
    names: list[str] = []
    changes = []
    for word, rest in instructions(text):
        if word == "RUN":
            for part in rest.split("&&"):
                names += _installed(part.strip(), _words(part))
        elif word in _KEPT:
            changes.append(f"{word} {rest}")
        elif word not in {"ARG", "FROM"}:
            raise _too_much(f"{word} {rest}")
    return Packages(names=tuple(names), changes=tuple(changes))


def _installed(shown: str, words: Sequence[str]) -> Sequence[str]:
    plain = [word for word in words if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    options = {word for word in plain if word.startswith("-")}
    bare = [word for word in plain if word not in options]
    if tuple(bare[:2]) == _INSTALL and all(map(_PACKAGE.fullmatch, bare[2:])):
        return bare[2:]
    if tuple(bare) == _UPDATE or tuple(plain) == _TIDY:
        return ()
    raise _too_much(shown)


def _too_much(shown: str) -> BuildError:
    return BuildError(f"the Dockerfile does more than install packages: {shown}")


def _instruction(line: str) -> Instruction:
    word, _, rest = line.strip().partition(" ")
    return Instruction(word.upper(), rest.strip())


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that the engine will complain about
        return text.split()
