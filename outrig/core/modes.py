"""What a program has switched on of the terminal that it paints on, and how that is undone.

A program that is killed, or whose user goes away, leaves the alternate screen showing, the cursor
hidden, the mouse reporting and the keyboard speaking another language. Whoever shows its bytes
feeds them here too: off() puts a terminal back to rest, on() brings one from rest to where the
program believes it is.

| what                                     | undone by                                     |
|------------------------------------------|-----------------------------------------------|
| alternate screen, cursor, mouse, paste,  | the mode as it is at rest                     |
| focus, cursor keys, wrapping ... (DECSET) |                                              |
| margins, character set, cursor shape     | those of a terminal at rest                   |
| keypad, insertion, modifyOtherKeys       | off                                           |
| kitty's keyboard flags                   | popped from each screen as often as pushed    |
| titles that were pushed                  | popped                                        |
| colours of the terminal, a link, a       | reset, ended, taken away                      |
| progress bar (OSC 4, 10-12, 8, 9;4)      |                                               |
| a string or colour that never ended      | ended, always                                 |
"""

from __future__ import annotations

import re

_ALTERNATE = (47, 1047, 1049)
_ON_AT_REST = frozenset({7, 25})  # wrapping, cursor
_KNOWN = frozenset(
    {
        *(1, 5, 6, 9, 45, 66, 69, 1004, 2004, 2026, 2031, 2048),
        *(1000, 1001, 1002, 1003, 1005, 1006, 1015, 1016),
        *_ON_AT_REST,
        *_ALTERNATE,
    }
)
_OF_PICTURE = frozenset({5, 6, 2026, *_ON_AT_REST, *_ALTERNATE})
_MOST_PUSHED = 99  # a hostile program pushes for ever

# Compiled when a terminal is painted on: it takes 1 ms, and most commands have none.
_SEQUENCE = (
    rb"\x1b(?!\[[0-9;]*[A-PXac-gm])(?:"  # most only paint: past them at once
    rb"\[\?(?P<private>[0-9;]{1,80})(?P<set>[hl])"
    rb"|\[(?P<stack>[<>=])(?P<flags>[0-9;]{0,20})u"
    rb"|\[>4(?P<keys>(?:;[0-9]{0,4})?)m"
    rb"|\[(?P<titles>2[23])(?:;[0-9]{0,4}){0,2}t"
    rb"|\[(?P<shape>[0-9]{0,2}) q"
    rb"|\[(?P<margins>[0-9;]{0,20})r"
    rb"|\[4(?P<insert>[hl])"
    rb"|\](?P<colour>4|10|11|12);"
    rb"|\](?P<recolour>104|110|111|112)(?=[\x07\x1b;])"
    rb"|\]8;[^;\x07\x1b]*;(?P<link>.)"
    rb"|\]9;4;(?P<progress>[0-9])"
    rb"|(?P<keypad>[=>])"
    rb"|\((?P<set0>[0-~])"
    rb"|(?P<soft>\[!p)"
    rb"|(?P<reset>c)"
    rb")|(?P<shift>[\x0e\x0f])"
)
_LONGEST = 128  # bytes of a sequence
_UNFINISHED = rb"\x1b[^\x07\x1b]*\Z"
_UNSEEN = (  # what moves no text onto a line
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x1f]"
)
_LINE = 4096  # bytes of the last line that are looked at


class Modes:
    """A stream of a terminal's bytes; chunks may cut sequences in two."""

    def __init__(self) -> None:
        self._held = b""
        self._line = b""  # since the last line began
        self._escaped = False  # ever
        self._rest()

    def _rest(self) -> None:
        self._private: dict[int, bool] = {}
        self._pushed: dict[bool, list[bytes]] = {False: [], True: []}  # by alternate screen
        self._switched: dict[str, tuple[bytes, bytes]] = {}  # on, off

    @property
    def alternate(self) -> bool:
        return any(self._private.get(mode) for mode in _ALTERNATE)

    def feed(self, data: bytes) -> None:
        text = self._held + data if self._held else data
        self._held = b""
        if any(mark in text for mark in (b"\x1b", b"\x0e", b"\x0f")):
            self._escaped = True
            end = 0
            for found in re.finditer(_SEQUENCE, text):
                self._react(found)
                end = found.end()
            cut = re.compile(_UNFINISHED).search(text, max(end, len(text) - _LONGEST))
            self._held = cut[0] if cut else b""
        begin = data.rfind(b"\n") + 1
        self._line = (data[begin:] if begin else self._line + data)[-_LINE:]

    @property
    def at_line_start(self) -> bool:
        """As far as one can tell without asking the terminal."""
        begin = max(self._line.rfind(b"\x1b[?%dl" % mode) for mode in _ALTERNATE)
        line = self._line[max(0, begin) :]
        return self.alternate or not line or not re.sub(_UNSEEN, b"", line)

    @property
    def left_on(self) -> bool:
        """Whether the program left behind what it would have undone itself."""
        return bool(self._off())

    def on(self) -> bytes:
        """What brings a terminal that is at rest to where this one is."""
        main, other = (b"".join(map(_pushing, self._pushed[side])) for side in (False, True))
        others = [
            _private(m, on=m not in _ON_AT_REST) for m in self._moved() if m not in _ALTERNATE
        ]
        return b"".join([main, self.alternate_on(), other, *others, *self._switched_on()])

    def alternate_on(self) -> bytes:
        """The part of it that has to come before a picture is painted."""
        return b"".join(_private(mode, on=True) for mode in self._moved() if mode in _ALTERNATE)

    def unpainted_on(self) -> bytes:
        """The part of it that does not belong to the picture: keyboard, mouse and the like."""
        pushed = map(_pushing, self._pushed[self.alternate])
        others = [_private(mode, on=True) for mode in self._moved() if mode not in _OF_PICTURE]
        return b"".join([*pushed, *others, *self._switched_on()])

    def _switched_on(self) -> list[bytes]:
        return [on for on, _ in self._switched.values()]

    def off(self) -> bytes:
        """What puts a terminal back to rest; nothing where no escape sequence was ever seen."""
        return b"\x1b\\" + b"".join(self._off()) + b"\x1b[0m" if self._escaped else b""

    def _off(self) -> list[bytes]:
        moved = self._moved()
        first = [_private(mode, on=False) for mode in (2026, 6, 69) if mode in moved]
        switched = [off for _, off in self._switched.values()]
        keyboards = [b"\x1b[<%du" % len(a) if a else b"" for a in self._pushed.values()]
        alternate = [_private(mode, on=False) for mode in _ALTERNATE if mode in moved]
        last = [
            _private(mode, on=mode in _ON_AT_REST)
            for mode in moved
            if mode not in {2026, 6, 69, *_ALTERNATE}
        ]
        # The margins before the alternate screen goes: resetting them moves the cursor.
        return [w for w in (*first, *switched, keyboards[1], *alternate, keyboards[0], *last) if w]

    def _moved(self) -> list[int]:
        return [mode for mode, on in self._private.items() if on != (mode in _ON_AT_REST)]

    # ------------------------------------------------------------------ one sequence
    def _react(self, found: re.Match[bytes]) -> None:
        kind = found.lastgroup or ""
        match kind:
            case "set":
                self._set(found["private"], on=found["set"] == b"h")
            case "flags":
                self._keyboard(found["stack"], found["flags"])
            case "titles":
                self._titles(pushed=found["titles"] == b"22")
            case "soft":
                self._switched.pop("insert", None)
                self._private = {m: on for m, on in self._private.items() if m in _SURVIVORS}
            case "reset":
                self._rest()
            case "recolour":
                self._switched.pop(f"colour {found['recolour'][1:].lstrip(b'0').decode()}", None)
            case _:
                self._switch(kind, found[0], found[kind])

    def _set(self, numbers: bytes, *, on: bool) -> None:
        known = {int(number) for number in numbers.split(b";") if number[:5].isdigit()} & _KNOWN
        if not on and known & set(_ALTERNATE):
            self._pushed[True].clear()
        self._private |= dict.fromkeys(known, on)

    def _keyboard(self, stack: bytes, flags: bytes) -> None:
        pushed = self._pushed[self.alternate]
        if stack == b">":
            pushed.append(flags or b"0")
            del pushed[_MOST_PUSHED:]
        elif stack == b"<":
            count = int(flags[:3]) if flags[:3].isdigit() else 1
            del pushed[max(0, len(pushed) - count) :]
        else:
            on = b"\x1b[=%su" % flags
            self._put("keyboard", on, b"\x1b[=0;1u", is_on=flags[:1] not in {b"", b"0"})

    def _titles(self, *, pushed: bool) -> None:
        on, off = self._switched.get("titles", (b"", b""))
        size = len(b"\x1b[23;0t")
        off = off + b"\x1b[23;0t" if pushed else off[size:]
        self._put("titles", on, off[: size * _MOST_PUSHED], is_on=bool(off))

    def _switch(self, kind: str, whole: bytes, value: bytes) -> None:
        """What has two states, as a table: when it is on, and what switches it off."""
        match kind:
            case "keys":
                self._put(kind, whole, b"\x1b[>4m", is_on=value not in {b"", b";", b";0"})
            case "shape":
                self._put(kind, whole, b"\x1b[0 q", is_on=value not in {b"", b"0"})
            case "margins":
                self._put(kind, b"", b"\x1b7\x1b[r\x1b8", is_on=value != b"")
            case "insert":
                self._put(kind, whole, b"\x1b[4l", is_on=value == b"h")
            case "colour":
                self._put(f"colour {value.decode()}", b"", b"\x1b]1%02d\x07" % int(value))
            case "link":
                self._put(kind, b"", b"\x1b]8;;\x1b\\", is_on=value not in {b"\x07", b"\x1b"})
            case "progress":
                self._put(kind, b"", b"\x1b]9;4;0\x1b\\", is_on=value != b"0")
            case "keypad":
                self._put(kind, whole, b"\x1b>", is_on=value == b"=")
            case "set0":
                self._put(kind, whole, b"\x1b(B", is_on=value != b"B")
            case _:
                self._put(kind, b"\x0e", b"\x0f", is_on=value == b"\x0e")

    def _put(self, kind: str, on: bytes, off: bytes, *, is_on: bool = True) -> None:
        if is_on:
            self._switched[kind] = (on, off)
        else:
            self._switched.pop(kind, None)


_SURVIVORS = _KNOWN - {1, 6, 7, 25, 66, 69}  # of a soft reset


def _pushing(flags: bytes) -> bytes:
    return b"\x1b[>%su" % flags


def _private(mode: int, *, on: bool) -> bytes:
    return b"\x1b[?%d%c" % (mode, b"h" if on else b"l")
