"""`.dockerignore`: which paths of a build context it leaves out, as docker reads it.

| pattern     | means                                                                        |
|-------------|------------------------------------------------------------------------------|
| `# ...`     | a comment, where the # is the first character of the line                    |
| `x`, `/x`   | x at the top of the context, and everything below it                         |
| `*` `?` `[` | any text, one character, one of these: never across a `/`                    |
| `**`        | any number of directories, none included                                     |
| `!x`        | x after all, if a pattern above left it out; the last one that matches wins  |

The file may be an agent's, so a pattern must not be able to take for ever: the parts of a path
are matched one by one, with `fnmatch`, whose patterns do not backtrack.
"""

from __future__ import annotations

import re
from fnmatch import translate
from posixpath import normpath
from typing import TYPE_CHECKING

from outrig.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANY_DEPTH = "**"
_STARS = re.compile(r"\*{2,}")
_ESCAPED = re.compile(r"\\(.)")


@frozen
class Pattern:
    """One line: `text` to compare with, or `parts` where it has wildcards (None is `**`)."""

    text: str
    parts: tuple[re.Pattern[str] | None, ...] = ()
    keeps: bool = False  # with `!`

    def matches(self, path: str) -> bool:
        return _match(self.parts, path.split("/")) if self.parts else path == self.text


def parse(text: str) -> tuple[Pattern, ...]:
    """The patterns of a file, in its order."""
    lines = text.removeprefix("\ufeff").split("\n")
    wanted = (line.strip() for line in lines if not line.startswith("#"))
    return tuple(_pattern(line) for line in wanted if line not in {"", "!"})


def verdicts(patterns: Sequence[Pattern], path: str, above: Sequence[bool]) -> tuple[bool, ...]:
    """Which patterns match `path` or a directory above it.

    `above` is the answer for the directory that it is in; () at the top. Paths are relative to
    the context, with `/` between their parts.
    """
    inherited = above or (False,) * len(patterns)
    return tuple(
        before or pattern.matches(path) for before, pattern in zip(inherited, patterns, strict=True)
    )


def left_out(patterns: Sequence[Pattern], matched: Sequence[bool]) -> bool:
    """What verdicts() means: the last pattern that matches decides."""
    decisive = [pattern.keeps for pattern, hit in zip(patterns, matched, strict=True) if hit]
    return bool(decisive) and not decisive[-1]


def may_keep_below(patterns: Sequence[Pattern], directory: str) -> bool:
    """Whether something in a directory that is left out may be in the context after all."""
    return any(
        pattern.keeps and (bool(pattern.parts) or pattern.text.startswith(f"{directory}/"))
        for pattern in patterns
    )


def _pattern(line: str) -> Pattern:
    keeps = line.startswith("!")
    text = normpath("/" + line.removeprefix("!").strip()).lstrip("/") or "."
    if not any(sign in text for sign in "*?[\\"):
        return Pattern(text=text, keeps=keeps)
    parts = text.split("/")
    if parts[0].startswith(_ANY_DEPTH) and parts[0] != _ANY_DEPTH:
        parts.insert(0, _ANY_DEPTH)  # `**.log` is `**/*.log`
    return Pattern(text=text, parts=tuple(map(_part, parts)), keeps=keeps)


def _part(text: str) -> re.Pattern[str] | None:
    if text == _ANY_DEPTH:
        return None
    spelled = _ESCAPED.sub(r"[\1]", text).replace("[^", "[!")
    return re.compile(translate(_STARS.sub("*", spelled)))


def _match(parts: Sequence[re.Pattern[str] | None], path: Sequence[str]) -> bool:
    """Whether the parts cover the whole path.

    A `**` first takes nothing, then one more each time, and at the end at least one. Only the last
    need be tried again: what an earlier one could take, it can.
    """
    at = where = 0
    again: tuple[int, int] | None = None
    while where < len(path):
        part = parts[at] if at < len(parts) else _NOTHING
        if part is None:
            again = (at + 1, where)
            at += 1
        elif part.match(path[where]):
            at, where = at + 1, where + 1
        elif again:
            at, where = again[0], again[1] + 1
            again = (at, where)
        else:
            return False
    return at == len(parts)


_NOTHING = re.compile(r"(?!)")
