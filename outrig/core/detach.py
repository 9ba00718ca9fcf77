"""Detach keys: a sequence typed in a terminal that lets go of a session without ending it.

The keys before the last are held back until it is clear what they are: a lone first key reaches
the session with the next key, or after 300 ms. Syntax as docker's: "ctrl-p,ctrl-q", "ctrl-],d".
"""

from __future__ import annotations

import re

PATIENCE = 0.3  # seconds a first key is held back
_CONTROL = re.compile(r"ctrl-([a-z@\[\\\]^_])")


def parse(text: str) -> bytes:
    """The bytes of a sequence; b"" for an empty text, which switches detaching off.

    Raises ValueError.
    """
    return b"".join(_key(name) for name in text.split(",")) if text else b""


def _key(name: str) -> bytes:
    found = _CONTROL.fullmatch(name)
    if found:
        return bytes([ord(found[1].upper()) ^ 0x40])
    if len(name) == 1 and name.isascii() and name.isprintable():
        return name.encode()
    raise ValueError(f'"{name}" is neither a character nor ctrl- and a letter or one of @[\\]^_')


class DetachKeys:
    """Watches what is typed. `due` is when a held key must go on, by the clock of `now`."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""
        self.due: float | None = None

    def feed(self, typed: bytes, now: float) -> tuple[bytes, bool]:
        """What goes on to the session, and whether the sequence was completed."""
        if not self._keys:
            return typed, False
        text = self._held + typed
        at = text.find(self._keys)
        if at >= 0:
            self._hold(b"", now)
            return text[:at], True
        held = self._beginning(text)
        self._hold(held, now)
        return text[: len(text) - len(held)], False

    def release(self, now: float) -> bytes:
        """The keys that were held back too long."""
        if self.due is None or now < self.due:
            return b""
        held = self._held
        self._hold(b"", now)
        return held

    def _beginning(self, text: bytes) -> bytes:
        """The longest end of `text` that the sequence begins with."""
        for size in range(min(len(self._keys) - 1, len(text)), 0, -1):
            if self._keys.startswith(text[-size:]):
                return text[-size:]
        return b""

    def _hold(self, held: bytes, now: float) -> None:
        self._held = held
        self.due = now + PATIENCE if held else None
