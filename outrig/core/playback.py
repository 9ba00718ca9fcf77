"""What a terminal session said, made fit to be shown on somebody's terminal again.

Kept: text, colour, the motions and erasures of full-screen programs, the alternate screen, cursor
visibility and shape. Gone is what reaches beyond the picture: titles, clipboard, links, palettes
and images (OSC, DCS, APC, PM, SOS); every question that makes a terminal type an answer; mouse,
paste, focus and keyboard modes; window operations; tab stops; clearing of the scrollback; the
bell; bidi controls. What is kept is written anew in 7 bits with bounded numbers, so nothing
passes that is not named here. close() takes back what the recording left switched on.
"""

from __future__ import annotations

import codecs
import re

_HELD_AT_MOST = 4096  # characters of an unfinished sequence kept back for the next chunk
_LARGEST = 9999  # of a number in a sequence: nobody repeats a character a billion times for us
_MOST_NUMBERS = 32

# It begins with a set of characters, because the regex engine runs fast over everything else.
# Backspace, tab, line ends and the return from another character set are not in it: they stay.
_CONTROL = re.compile(
    r"[\x00-\x07\x0e\x10-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
    r"(?:(?:(?<=\x1b)\[|(?<=\x9b))"
    r"(?:(?P<marker>[<-?]?)(?P<numbers>[0-9;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|[0-?]*[ -/]*)"  # one that is cut short or malformed
    r"|(?P<title>(?:(?<=\x1b)\]|(?<=\x9d))[^\x07\x18\x1a\x1b\x9c]*[\x07\x18\x1a\x9c]?)"
    r"|(?P<string>(?:(?<=\x1b)[PX^_]|(?<=[\x90\x98\x9e\x9f]))[^\x18\x1a\x1b\x9c]*[\x18\x1a\x9c]?)"
    r"|(?<=\x1b)(?P<escape>[ -/]*[0-~]))?"
)
# A sequence that the end of a chunk may have cut in two. Strings are not held, but swallowed.
_UNFINISHED = re.compile(r"(?:\x1b[ -/]*|(?:\x1b\[|\x9b)[0-?]*[ -/]*)\Z")
_STRING_END = {
    "title": re.compile("[\x07\x18\x1a\x1b\x9c]"),
    "string": re.compile("[\x18\x1a\x1b\x9c]"),
}

# Sequences that only paint, and how many numbers they have.
_MOTIONS = {**dict.fromkeys("@ABCDEFGIJKLMPSTXZ`abde", 1), **dict.fromkeys("Hfr", 2)}
_PARTS = frozenset({"", "0", "1", "2"})  # of a line or the screen; 3 would be the scrollback
_BARE = frozenset("su")  # save and restore the cursor; with numbers they mean something else
_ESCAPES = {
    **{word: f"\x1b{word}" for word in ("7", "8", "D", "E", "M", "#8")},
    **{f"{slot}{name}": f"\x1b{slot}{name}" for slot in "()" for name in "0AB"},
}
_ALTERNATE = (47, 1047, 1049)
_AUTOWRAP, _CURSOR, _ORIGIN, _TOGETHER = 7, 25, 6, 2026
_MODES = {
    **dict.fromkeys((5, _ORIGIN, 1048, _TOGETHER, *_ALTERNATE), False),
    **dict.fromkeys((_AUTOWRAP, _CURSOR), True),
}  # and how a terminal has them at rest
_FRESH = "\x1b[0m\x1b[?6l\x1b[r\x1b[H\x1b[2J"  # for a full reset, which would reset far more


class Playback:
    """A stream of a terminal's bytes, whose chunks may cut characters and sequences in two."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self._swallowing: str | None = None
        self._modes: dict[int, bool] = {}
        self._undo: dict[str, str] = {}  # what else was touched, and what puts it right

    def feed(self, data: bytes) -> str:
        """What may be shown of everything so far; an unfinished sequence waits for its rest."""
        return self._shown(self._held + self._decoder.decode(data), ended=False)

    def rest(self) -> str:
        """What is left at the end of the bytes."""
        return self._shown(self._held + self._decoder.decode(b"", final=True), ended=True)

    def close(self) -> str:
        """The same, and the terminal put back to rest, as far as the recording had moved it."""
        return self.rest() + self._at_rest()

    def _shown(self, text: str, *, ended: bool) -> str:
        self._held = ""
        text = self._after_string(text)
        cut = None if ended else _UNFINISHED.search(text, max(0, len(text) - _HELD_AT_MOST))
        shown = _CONTROL.sub(self._keep, text[: cut.start()] if cut else text)
        if cut and cut[0][0] == "\x1b":
            self._swallowing = None  # it ends a string, whatever it will be itself
        if cut and not self._swallowing:
            self._held = cut[0]
        return shown

    def _after_string(self, text: str) -> str:
        """What follows the end of a string that began in an earlier chunk."""
        if self._swallowing is None:
            return text
        end = _STRING_END[self._swallowing].search(text)
        if end is None:
            return ""
        self._swallowing = None
        return text[end.start() if end[0] == "\x1b" else end.end() :]

    # ------------------------------------------------------------------ one control
    def _keep(self, found: re.Match[str]) -> str:
        if found[0] == "\x0e":
            self._undo["charset"] = "\x0f\x1b(B"
            return found[0]
        if found["final"]:
            return self._sequence(
                found["marker"], found["numbers"], found["between"], found["final"]
            )
        if found["escape"]:
            return self._escape(found["escape"])
        for kind in ("title", "string"):
            if found[kind] is not None and found.end() == len(found.string):
                self._swallowing = None if _STRING_END[kind].search(found[kind]) else kind
        return ""

    def _escape(self, word: str) -> str:
        if word == "c":
            return self._at_rest() + _FRESH
        if word[0] in "()" and word in _ESCAPES:
            self._undo["charset"] = "\x0f\x1b(B"
        return _ESCAPES.get(word, "")

    def _sequence(self, marker: str, numbers: str, between: str, final: str) -> str:
        if final == "m" and not marker and not between:
            return self._colour(numbers)
        values = _values(numbers)
        if values is None:
            return ""
        if marker == "?" and not between:
            return self._private(values, final)
        if marker:
            return ""
        if between == " " and final == "q":
            self._undo["shape"] = "\x1b[0 q"
        elif between == "!" and final == "p":
            self._undo.pop("insert", None)
        elif between or not self._is_harmless(values, final):
            return ""
        return f"\x1b[{';'.join(values[: _MOTIONS.get(final, 1)])}{between}{final}"

    def _colour(self, numbers: str) -> str:
        if len(numbers) > 2 * _MOST_NUMBERS:
            return ""
        if numbers in {"", "0"}:
            self._undo.pop("colour", None)
        else:
            self._undo["colour"] = "\x1b[0m"
        return f"\x1b[{numbers}m"

    def _is_harmless(self, values: list[str], final: str) -> bool:
        """Whether a sequence without marker and intermediates only paints."""
        if final in "hl":
            if values == ["4"]:
                self._undo["insert"] = "\x1b[4l"
            return values == ["4"]
        if final == "r":
            self._undo["margins"] = "\x1b7\x1b[r\x1b8"
        if final in _BARE:
            return values == [""]
        if final in "JK":
            return values[0] in _PARTS
        return final in _MOTIONS and not (final == "T" and len(values) > 1)

    def _private(self, values: list[str], final: str) -> str:
        if final in "JK" and values[0] in _PARTS:
            return f"\x1b[?{values[0]}{final}"
        if final not in "hl":
            return ""
        known = [int(value) for value in values if value and int(value) in _MODES]
        self._modes |= dict.fromkeys(known, final == "h")
        return f"\x1b[?{';'.join(map(str, known))}{final}" if known else ""

    def _at_rest(self) -> str:
        moved = {mode for mode, on in self._modes.items() if on != _MODES[mode]} - {1048}
        first = [mode for mode in (_TOGETHER, _ORIGIN, 5) if mode in moved]
        then = [mode for mode in _ALTERNATE if mode in moved]
        modes = "".join(f"\x1b[?{mode}l" for mode in first)
        # The margins before the alternate screen goes: resetting them would move the cursor.
        modes += self._undo.pop("margins", "") + "".join(f"\x1b[?{mode}l" for mode in then)
        modes += "".join(f"\x1b[?{mode}h" for mode in (_AUTOWRAP, _CURSOR) if mode in moved)
        words = modes + "".join(self._undo.values())
        self._modes, self._undo = {}, {}
        return words


def _values(numbers: str) -> list[str] | None:
    """The numbers of a sequence, bounded; None where there are too many or of another kind."""
    if ":" in numbers or numbers.count(";") >= _MOST_NUMBERS:
        return None
    return [value and _bounded(value) for value in numbers.split(";")]


def _bounded(number: str) -> str:
    number = number.lstrip("0") or "0"
    return number if len(number) <= len(str(_LARGEST)) else str(_LARGEST)
