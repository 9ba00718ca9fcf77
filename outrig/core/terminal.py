"""What may be shown on a terminal: text that an agent wrote must not be able to command it.

Kept: printable text, newline, tab, and colour (SGR). Gone: every other escape sequence with its
payload (titles, clipboard, links, cursor moves), C0 and C1 controls, and the characters that
reorder or hide text in either direction (bidi controls). A lone carriage return becomes a
newline, so that a progress bar reads as lines and nothing can be overwritten. Bytes that are not
UTF-8 become U+FFFD, which also disarms raw C1 bytes.
"""

from __future__ import annotations

import codecs
import functools
import re

COLOUR_OFF = "\x1b[0m"

_HELD_AT_MOST = 4096  # characters of an unfinished sequence kept back for the next chunk

# One sequence or one control character; the groups say what becomes of it. It begins with a set of
# characters, because the regex engine runs fast over everything else.
_UNWANTED = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
    r"(?:(?<=\x1b)(?:(?P<colour>\[[0-9;:]{0,64}m)"
    r"|\[[0-?]*[ -/]*[@-~]?"  # CSI
    r"|[\]PX^_][^\x07\x18\x1a\x1b\x9c\n]*(?:\x07|\x9c|\x1b\\)?"  # OSC, DCS, SOS, PM, APC
    r"|[ -/]*[0-~]?)"  # two characters and their intermediates
    r"|(?<=\r)(?P<line>\n?))?"
)
# A sequence that the end of a chunk may have cut in two.
_UNFINISHED = r"(?:\x1b(?:[ -/]*|\[[0-?]*[ -/]*|[\]PX^_][^\x07\x18\x1a\x1b\x9c\n]*\x1b?)|\r)\Z"


def safe(text: str) -> str:
    """Text of several lines, harmless on a terminal."""
    if _is_plain(text.replace("\n", "")):
        return text
    return _compiled(_UNWANTED).sub(_keep, text)


def plain(text: str) -> str:
    """Text of several lines, without colours: what outrig says itself has none."""
    if _is_plain(text.replace("\n", "")):
        return text
    return _compiled(_UNWANTED).sub(_keep_text, text)


def one_line(text: str) -> str:
    """Metadata in one line: no colour, no line breaks, runs of white space as one space."""
    if not _is_plain(text):
        text = _compiled(_UNWANTED).sub(_keep_text, text)
    return " ".join(text.split())


def _is_plain(text: str) -> bool:
    """Nearly always; to compile the pattern takes longer than `ls` has for all it shows."""
    return text.isascii() and text.isprintable()


class Sanitizer:
    """The same for a stream of bytes, whose chunks may cut characters and sequences in two."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self._coloured = False

    def feed(self, data: bytes) -> str:
        """What may be shown of everything so far; an unfinished sequence waits for its rest."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        cut = _compiled(_UNFINISHED).search(text, max(0, len(text) - _HELD_AT_MOST))
        if cut:
            self._held = text[cut.start() :]
            text = text[: cut.start()]
        return self._clean(text)

    def close(self) -> str:
        """The rest, and the end of a colour that the text left on."""
        text = self._clean(self._held + self._decoder.decode(b"", final=True))
        self._held = ""
        return text + (COLOUR_OFF if self._coloured else "")

    def _clean(self, text: str) -> str:
        shown = safe(text)
        self._coloured = self._coloured or "\x1b" in shown
        return shown


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Only when needed: compiling takes a millisecond, and most metadata is plain."""
    return re.compile(pattern)


def _keep(found: re.Match[str]) -> str:
    if found["colour"]:
        return found[0]
    return "\n" if found["line"] is not None else ""


def _keep_text(found: re.Match[str]) -> str:
    return " " if found["line"] is not None else ""
