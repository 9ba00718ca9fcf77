"""One session as one page: record, timeline, player and log; it opens offline and asks for nothing.

Everything that a session, or a record, says is hostile: text is escaped, what the player gets is
JSON with nothing in it that HTML knows, and a policy with the hashes of our one style and one
script forbids everything else, whatever slips through.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from outrig.core.activity import Activity
from outrig.core.listing import moment, span, title
from outrig.core.moment import parse_time
from outrig.core.terminal import Sanitizer, one_line, safe
from outrig.record.cast import Recording
from outrig.record.film import film
from outrig.record.log import FILES
from outrig.record.reading import Logs, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from outrig.core.session import Session
    from outrig.record.reading import Chunk

_LONGEST_LOG = 8 * 1024 * 1024  # characters
_WIDTH, _HEIGHT = 1000, 60  # of the timeline, in units of its own
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


def page(
    session: Session,
    directory: Path,
    *,
    at: datetime,
    version: str,
    diff: Iterable[bytes] | None = None,
) -> Iterator[str]:
    """The page in pieces. `at` is now; `version` that of outrig; `diff` what it changed."""
    style, script = _asset("page.css"), _asset("page.js")
    name = one_line(title(session)) or session.id
    yield _HEAD.format(
        policy=(
            f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
            "base-uri 'none'; form-action 'none'"
        ),
        title=_text(f"{name} - outrig {session.id}"),
        style=style,
    )
    yield from _summary(session, name, at)
    with Recording(directory) as recording:
        shown = film(recording.rows, recording.columns, recording.events())
    yield from _timeline(session, directory)
    yield _PLAYER.format(cut=_CUT if shown["cut"] else "")
    if diff is not None:
        yield from _changes(diff, session.id)
    yield from _log(directory, session.id)
    yield from _record(session)
    yield f"<p class=quiet>outrig {_text(version)}, {_text(moment(at, None))}</p>\n</main>\n"
    yield f'<script type="application/json" id="film">{as_data(shown)}</script>\n'
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def as_data(value: Any) -> str:
    """JSON that can stand in a script element: no markup, no line ends that JavaScript minds."""
    text = json.dumps(value, separators=(",", ":"))  # ASCII only
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


# ---------------------------------------------------------------- parts

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
"""

_PLAYER = """<section id="player" aria-label="Player" hidden>
<h2>Recording</h2>
<div class="stage"><div class="screen" id="screen" role="img" aria-label="Terminal"></div></div>
<div class="controls">
<button type="button" id="play">Play</button>
<input type="range" id="seek" min="0" max="0" step="1" value="0" aria-label="Position">
<span id="clock" class="quiet"></span>
<label>Speed <select id="speed">
<option value="0.5">0.5</option><option value="1" selected>1</option><option value="2">2</option>
<option value="4">4</option><option value="16">16</option></select></label>
<label><input type="checkbox" id="skip" checked> skip pauses</label>
</div>
{cut}</section>
<noscript><p class="quiet">The player needs JavaScript; the log does not.</p></noscript>
"""

_CUT = """<p class="quiet">The recording is too long for a page and ends early here.</p>
"""


def _summary(session: Session, name: str, at: datetime) -> Iterator[str]:
    yield f"<h1>{_text(name)}</h1>\n"
    yield f'<p><span class="status {_text(session.status)}">{_text(session.status)}</span> '
    facts = [] if session.reason in {None, "exit"} else [one_line(str(session.reason))]
    if session.exit_code is not None:
        facts.append(f"exit {session.exit_code}")
    facts += [span(session, at), moment(session.started_at, None), session.id]
    yield f"<span class=quiet>{_text(', '.join(fact for fact in facts if fact))}</span></p>\n"
    if session.command:
        yield f"<p><code>{_text(one_line(' '.join(session.command)))}</code></p>\n"


class _Pulse(NamedTuple):
    activity: Activity
    end: int  # microseconds


def _timeline(session: Session, directory: Path) -> Iterator[str]:
    """How much was said when, as bars whose height grows with the logarithm."""
    pulse = _pulse(directory)
    bars = pulse.activity.bars(pulse.end)
    yield '<h2>Timeline</h2>\n<svg id="timeline" role="img" aria-label="Output over time" '
    yield f'viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none">\n'
    width = _WIDTH * pulse.activity.width / max(pulse.end, 1)
    for number, bar in enumerate(bars):
        height = min(_HEIGHT, 4 * (bar.out + bar.err).bit_length())
        err = height * bar.err // max(1, bar.out + bar.err)
        for kind, top, tall in (("out", err, height - err), ("err", 0, err)):
            if tall:
                x, y = number * width, _HEIGHT - top - tall
                yield f'<rect class="{kind}" x="{x:.1f}" y="{y}" '
                yield f'width="{max(width - 0.5, 0.5):.1f}" height="{tall}"/>\n'
    yield f'<rect id="here" x="0" y="0" width="2" height="{_HEIGHT}"/>\n</svg>\n'
    total = sum(bar.out for bar in bars), sum(bar.err for bar in bars)
    words = f"{total[0]} bytes" + (f", and {total[1]} of stderr" if total[1] else "")
    yield f"<p class=quiet>{words} in {pulse.end / 1e6:.1f} s</p>\n<dl>\n"
    for when, what in sorted(_moments(session)):
        yield f"<dt>{_text(moment(when, None))}</dt><dd>{_text(what)}</dd>\n"
    yield "</dl>\n"


def _moments(session: Session) -> Iterator[tuple[datetime, str]]:
    """What happened when, as far as the record says."""
    told: list[tuple[Any, str]] = [
        (session.fields.get("started_at"), "started"),
        (session.fields.get("paused_at"), "paused"),
        (session.fields.get("ended_at"), " ".join(filter(None, ("ended:", session.reason)))),
    ]
    told += [
        (hit.get("at"), f"limit {hit.get('limit')}: {hit.get('evidence')}")
        for hit in session.limits_hit
    ]
    for when, what in told:
        if found := parse_time(when):
            yield found, one_line(what)


def _pulse(directory: Path) -> _Pulse:
    activity, end = Activity(), 0
    with Logs(directory) as logs:
        for chunk in logs.merged():
            start = logs.started
            if chunk.at is not None and start is not None:
                end = max(end, chunk.at - start)
            err = chunk.source == FILES["stderr"]
            count = len(chunk.data)
            activity.add(end, out=0 if err else count, err=count if err else 0)
    return _Pulse(activity, end)


def _log(directory: Path, session: str) -> Iterator[str]:
    yield '<h2>Log</h2>\n<pre id="log" tabindex="0">'
    room = _LONGEST_LOG
    for error, text in _words(directory):
        shown = text[:room]
        room -= len(shown)
        yield f"<span class=e>{_text(shown)}</span>" if error else _text(shown)
        if not room:
            break
    yield "</pre>\n"
    if not room:
        yield f"<p class=quiet>Cut here; all of it: <code>outrig logs {_text(session)}</code></p>\n"


def _changes(diff: Iterable[bytes], session: str) -> Iterator[str]:
    """A unified diff, a class for each kind of line."""
    sanitizer, room, rest = Sanitizer(), _LONGEST_LOG, ""
    yield '<h2>Changes</h2>\n<pre id="diff" tabindex="0">'
    for data in diff:
        text = rest + _COLOUR.sub("", sanitizer.feed(data))[: max(room, 0)]
        room -= len(text) - len(rest)
        *lines, rest = text.split("\n")
        yield from (f"{_changed(line)}\n" for line in lines)
        if room <= 0:
            break
    yield f"{_changed(rest)}</pre>\n"
    if room <= 0:
        yield f"<p class=quiet>Cut here; all of it: <code>outrig diff {_text(session)}</code></p>\n"
    elif room == _LONGEST_LOG:
        yield "<p class=quiet>Nothing was changed.</p>\n"


def _changed(line: str) -> str:
    kind = {"+": "a", "-": "d", "@": "h"}.get(line[:1])
    if line.startswith(("+++ ", "--- ", "diff --git ")):
        kind = "h"
    return f"<span class={kind}>{_text(line)}</span>" if kind else _text(line)


def _words(directory: Path) -> Iterator[tuple[bool, str]]:
    """Harmless text without colours, and whether it is of stderr."""
    if FILES["terminal"] in dict(listed(str(directory / "logs"))):
        from outrig.record.transcript import transcript  # noqa: PLC0415 - only for these sessions

        yield from (
            (False, safe(line.data.decode("utf-8", "replace"))) for line in transcript(directory)
        )
        return
    with Logs(directory) as logs:
        yield from _plain(logs.merged())


def _plain(chunks: Iterable[Chunk]) -> Iterator[tuple[bool, str]]:
    sanitizers: dict[str, Sanitizer] = {}
    for chunk in chunks:
        sanitizer = sanitizers.setdefault(chunk.source, Sanitizer())
        if text := _COLOUR.sub("", sanitizer.feed(chunk.data)):
            yield chunk.source == FILES["stderr"], text
    for source, sanitizer in sanitizers.items():
        if text := _COLOUR.sub("", sanitizer.close()):
            yield source == FILES["stderr"], text


def _record(session: Session) -> Iterator[str]:
    yield "<h2>Record</h2>\n<dl>\n"
    for key, value in session.fields.items():
        yield f"<dt>{_text(one_line(key.replace('_', ' ')))}</dt><dd>{_text(_value(value))}</dd>\n"
    yield "</dl>\n"


def _value(value: Any) -> str:
    if isinstance(value, str):
        found = parse_time(value)
        return safe(value) if found is None else f"{moment(found, None)} ({value})"
    spread = bool(value) and (isinstance(value, dict) or _holds_tables(value))
    return json.dumps(value, indent=2 if spread else None)


def _holds_tables(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value)


def _text(words: str) -> str:
    return html.escape(words, quote=True)


def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
