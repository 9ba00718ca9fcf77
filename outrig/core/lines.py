"""Where each key of a TOML text stands: path -> line number, from 1.

The standard library's parser forgets the lines. This walks a text which that parser has accepted,
so it only has to tell keys from values and never to judge either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outrig.core.keys import Path

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_BASIC = re.compile(r'"((?:\\.|[^"\\])*)"')
_LITERAL = re.compile(r"'([^']*)'")
_TEXTS = (
    r'"""(?:\\.|[^\\])*?"{3,5}',
    r"'''.*?'{3,5}",
    r'"(?:\\.|[^"\\])*"',
    r"'[^']*'",
)
_TEXT = re.compile("|".join(_TEXTS), re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


def lines(text: str) -> dict[Path, int]:
    """The line of each key, table and element of an array, by path."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}
        self.tables: dict[Path, int] = {}  # arrays of tables: how many there are so far
        self.counted = (0, 1)  # a position and its line

    def scan(self) -> dict[Path, int]:
        header: Path = ()
        while self.skip():
            if self.text[self.at] == "[":
                header = self.header()
            else:
                self.pair(header)
        return self.found

    def header(self) -> Path:
        listed = self.text.startswith("[[", self.at)
        self.at += 2 if listed else 1
        self.skip()
        path: Path = ()
        names = self.key()
        for depth, name in enumerate(names):
            path = (*path, name)
            if listed and depth == len(names) - 1:
                self.tables[path] = self.tables.get(path, 0) + 1
            if path in self.tables:
                path = (*path, self.tables[path] - 1)
            self.note(path)
        self.at += 2 if listed else 1
        return path

    def pair(self, prefix: Path) -> None:
        path = prefix
        self.skip()
        start = self.at
        for name in self.key():
            path = (*path, name)
            self.note(path, start)
        self.at += 1  # =
        self.skip()
        self.value(path)

    def key(self) -> list[str]:
        """A dotted key, and the blanks after it."""
        names = []
        while True:
            names.append(self.name())
            self.skip()
            if self.text[self.at] != ".":
                return names
            self.at += 1
            self.skip()

    def name(self) -> str:
        for pattern in (_BASIC, _LITERAL, _BARE):
            if found := pattern.match(self.text, self.at):
                self.at = found.end()
                if pattern is _BARE:
                    return found[0]
                return _ESCAPE.sub(_unescaped, found[1]) if pattern is _BASIC else found[1]
        raise ValueError(f"no key at {self.at}")

    def value(self, path: Path) -> None:
        opening = self.text[self.at]
        if opening not in "[{":
            found = _TEXT.match(self.text, self.at) or _SCALAR.match(self.text, self.at)
            self.at = found.end() if found else len(self.text)
            return
        self.at += 1
        count = 0
        while self.skip() and self.text[self.at] not in "]}":
            if opening == "[":
                self.note((*path, count))
                self.value((*path, count))
                count += 1
            else:
                self.pair(path)
            if self.skip() and self.text[self.at] == ",":
                self.at += 1
        self.at += 1

    def skip(self) -> bool:
        """Go past blanks and comments; False at the end."""
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at < len(self.text)

    def note(self, path: Path, at: int | None = None) -> None:
        position, line = self.counted
        here = self.at if at is None else at
        if here < position:
            position, line = 0, 1
        line += self.text.count("\n", position, here)
        self.counted = (here, line)
        self.found.setdefault(path, line)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(found[3], found[3])
