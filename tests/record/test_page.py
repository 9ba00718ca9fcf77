from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.moment import time_text
from outrig.core.session import Session
from outrig.record import page as pages
from outrig.record.log import Recorder
from tests import records
from tests.browser import PROGRAM, Browser, browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVIL = (
    "</script></pre></title><script>document.title='owned'</script>"
    "<img src=x onerror=\"document.title='owned'\"><!--&amp;'\"\u2028"
)
AT = records.NOON + timedelta(hours=1)


def written(directory: Path, **fields: Any) -> str:
    session = records.first_record("20260501T120000-3f2a", **fields)
    return "".join(pages.page(session, directory, at=AT, version="1.2.3"))


def film_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="film">(.*?)</script>', page)
    assert found
    film: dict[str, object] = json.loads(found[1])
    return film


def hostile(directory: Path) -> str:
    records.say(directory, ("stdout", f"one\n{EVIL}\n".encode()), ("stderr", EVIL.encode()))
    return written(
        directory, **dict.fromkeys(("name", "task", "status", "reason", "image_tag", EVIL), EVIL)
    )


# ---------------------------------------------------------------- what stands in it


def test_record_timeline_log_and_player(tmp_path):
    records.say(tmp_path, ("stdout", b"one\n"), ("stderr", b"\x1b[31mtwo\x1b[0m\n"))
    page = written(
        tmp_path,
        name="greet",
        status="failed",
        reason="oom",
        exit_code=137,
        ended_at=time_text(AT),
        mounts=[{"source": "/a"}],
        limits_hit=[{"limit": "pids", "at": time_text(AT), "evidence": "512 of 512"}],
    )
    assert "<h1>greet</h1>" in page
    assert '<span class="status failed">failed</span>' in page
    assert "oom, exit 137" in page
    assert '<pre id="log" tabindex="0">one\n<span class=e>two\n</span></pre>' in page
    assert "<dd>limit pids: 512 of 512</dd>" in page
    assert "&quot;source&quot;: &quot;/a&quot;" in page
    assert page.count('<rect class="out"') == page.count('<rect class="err"') == 1
    assert "4 bytes, and 13 of stderr in 2.0 s" in page
    assert film_of(page)["end"] == 2000


def test_a_terminal_session_is_readable_in_the_log(tmp_path):
    records.say(tmp_path, ("terminal", b"10%\r20%\r\n\x1b[1mdone\x1b[0m\r\n"), tty=True)
    assert '<pre id="log" tabindex="0">20%\ndone\n</pre>' in written(tmp_path)


def test_a_session_that_said_nothing(tmp_path):
    page = written(tmp_path)
    assert '<pre id="log" tabindex="0"></pre>' in page
    assert film_of(page)["frames"] == []


def test_a_record_of_almost_nothing(tmp_path):
    page = "".join(pages.page(Session({"id": "x"}), tmp_path, at=AT, version="1"))
    assert "<h1>x</h1>" in page


def test_a_log_too_long_for_a_page_is_cut_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "_LONGEST_LOG", 10)
    records.say(tmp_path, ("stdout", b"0123456789abc"))
    page = written(tmp_path)
    assert '<pre id="log" tabindex="0">0123456789</pre>' in page
    assert "outrig logs 20260501T120000-3f2a" in page


# ---------------------------------------------------------------- hostile sessions


def test_nothing_that_was_said_becomes_markup(tmp_path):
    page = hostile(tmp_path)
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page
    assert "<!--" not in page
    assert EVIL not in page


def test_the_policy_allows_our_style_and_script_and_nothing_else(tmp_path):
    page = written(tmp_path)
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found
    script, style = pages._asset("page.js"), pages._asset("page.css")
    assert found[1] == (
        f"default-src 'none'; script-src '{pages._hash(script)}'; "
        f"style-src '{pages._hash(style)}'; base-uri 'none'; form-action 'none'"
    )
    assert f"<script>{script}</script>" in page
    assert f"<style>{style}</style>" in page
    assert not re.search(r"\b(?:https?|wss?):", page)
    assert not re.search(r"<[^>]* style=", page)


@given(st.text())
def test_data_in_a_script_element_is_data(text):
    shown = pages.as_data([text])
    assert shown.isascii()
    assert not set(shown) & set("<>&")
    assert json.loads(shown) == [text]


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("chromium is not installed")
    with browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


def opened(chromium: Browser, path: Path, page: str, place: str = "") -> None:
    path.write_text(page)
    chromium.open(f"file://{path}{place}")


UNTIL = (
    "new Promise(done => {{ const look = () => {} ? done(true) : setTimeout(look, 10); look(); }})"
)


@pytest.fixture
def painted(tmp_path: Path) -> str:
    """One second: a prompt. Two: red words in a full-screen program. Three: it has been left."""
    ticks = iter(range(0, 10**11, 10**9))
    with Recorder(tmp_path, tty=True, started=records.NOON, clock=lambda: next(ticks)) as recorder:
        recorder.write("terminal", b"$ vim \xe6\xbc\xa2\r\n")
        recorder.write("terminal", b"\x1b[?1049h\x1b[2;3H\x1b[1;31mred\x1b[m<b>&\x1b[?25l")
        recorder.write("terminal", b"\x1b[?1049l\x1b[?25hdone\r\n")
        recorder.resize(30, 100)
    return written(tmp_path)


@pytest.mark.parametrize(
    ("place", "rows"),
    [
        ("#t=0", [""]),
        ("#t=1.5", ["$ vim \u6f22"]),
        ("#t=2.5", ["", "  red<b>&"]),
        ("#t=3.5", ["$ vim \u6f22", "done"]),
        ("", ["$ vim \u6f22", "done"]),
        ("#t=9999", ["$ vim \u6f22", "done"]),
    ],
)
def test_a_moment_of_the_recording(chromium, tmp_path, painted, place, rows):
    opened(chromium, tmp_path / "page.html", painted, place)
    assert chromium.terminal() == rows
    assert chromium.complaints() == []


def test_colours_cursor_and_size(chromium, tmp_path, painted):
    opened(chromium, tmp_path / "page.html", painted, "#t=2.5")
    red = chromium.run(
        "(() => { const red = [...document.querySelectorAll('#screen span')]"
        ".find(one => one.textContent === 'red'), style = getComputedStyle(red);"
        "return [style.color, style.fontWeight]; })()"
    )
    assert red == ["rgb(224, 108, 117)", "700"]
    assert chromium.run("document.querySelectorAll('.cursor').length") == 0
    assert chromium.run("document.getElementById('screen').children.length") == 24
    opened(chromium, tmp_path / "page.html", painted)
    assert chromium.run("document.querySelectorAll('.cursor').length") == 1
    assert chromium.run("document.getElementById('screen').children.length") == 30


@pytest.mark.parametrize(("columns", "shrunk", "whole"), [(80, 0, 1), (200, 1, 1), (999, 1, 0)])
def test_a_wide_screen_is_seen_whole_as_long_as_it_can_be_read(
    chromium, tmp_path, columns, shrunk, whole
):
    with Recorder(tmp_path, tty=True, started=records.NOON) as recorder:
        recorder.resize(60, columns)
        recorder.write("terminal", b"\x1b[?1049h\x1b[H" + b"x" * columns + b"\x1b[60Hlast row")
    opened(chromium, tmp_path / "page.html", written(tmp_path))
    size = "parseFloat(getComputedStyle(document.getElementById('screen')).fontSize)"
    assert chromium.run(f"[{size} < 14, {size} >= 5]") == [bool(shrunk), True]
    stage = "document.getElementById('screen').parentElement"
    assert chromium.run(f"{stage}.scrollWidth <= {stage}.clientWidth") == bool(whole)
    assert chromium.run(f"{stage}.scrollHeight <= {stage}.clientHeight")
    assert (len(chromium.terminal()[0]), chromium.terminal()[59]) == (columns, "last row")
    assert chromium.complaints() == []


def test_playing_seeking_and_pausing(chromium, tmp_path, painted):
    opened(chromium, tmp_path / "page.html", painted)
    chromium.run("document.getElementById('play').click()")  # at the speed of a clock, to be seen
    assert chromium.run("document.getElementById('play').textContent") == "Pause"
    assert chromium.terminal() == [""]
    chromium.run("document.getElementById('speed').value = '16'")
    shown = "document.getElementById('screen').textContent.includes"
    assert chromium.run(UNTIL.format(f"{shown}('red')"))
    assert chromium.run(UNTIL.format(f"{shown}('done')"))
    assert chromium.run(UNTIL.format("document.getElementById('play').textContent === 'Play'"))
    chromium.run(
        "(() => { const seek = document.getElementById('seek'); seek.value = 1500;"
        "seek.dispatchEvent(new Event('input')); })()"
    )
    assert chromium.terminal() == ["$ vim \u6f22"]
    chromium.run(
        "(() => { const line = document.getElementById('timeline');"
        "const box = line.getBoundingClientRect(), clientX = box.left + box.width * 0.6;"
        "line.dispatchEvent(new MouseEvent('click', {clientX})); })()"
    )
    assert chromium.terminal() == ["", "  red<b>&"]
    for key in ("ArrowLeft", "ArrowRight"):
        chromium.run(
            "document.body.dispatchEvent("
            f"new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}))"
        )
    assert chromium.terminal()[-1] == "done"
    assert chromium.complaints() == []


def test_a_hostile_session_owns_nothing(chromium, tmp_path):
    opened(chromium, tmp_path / "page.html", hostile(tmp_path))
    assert "owned" in chromium.run("document.title")  # as words of the name
    assert chromium.run("document.title").startswith("</script>")
    assert chromium.run("document.querySelectorAll('img').length") == 0
    assert chromium.run("document.getElementById('log').textContent").startswith("one\n</script>")
    assert chromium.asked_for() == [f"file://{tmp_path}/page.html"]
    assert chromium.complaints() == []


def test_what_slipped_through_would_be_stopped(chromium, tmp_path):
    slipped = f"<p id=evil onclick=\"document.title='owned'\" style='color: red'>{EVIL}"
    page = written(tmp_path).replace("</main>", f"{slipped}</main>")
    opened(chromium, tmp_path / "page.html", page)
    chromium.run("document.getElementById('evil').click()")
    assert "owned" not in chromium.run("document.title")
    assert chromium.loaded() == [f"file://{tmp_path}/page.html"]
    assert len(chromium.complaints()) >= 3


def test_without_javascript_everything_but_the_player_is_there(chromium, tmp_path, painted):
    chromium.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        opened(chromium, tmp_path / "page.html", painted)
        assert chromium.run("document.getElementById('player').hidden") is True
        assert "done" in chromium.run("document.getElementById('log').textContent")
    finally:
        chromium.ask("Emulation.setScriptExecutionDisabled", value=False)


# ---------------------------------------------------------------- what it changed


def changes_of(tmp_path: Path, *pieces: bytes) -> str:
    session = records.first_record("20260501T120000-3f2a")
    return "".join(pages.page(session, tmp_path, at=AT, version="1", diff=pieces))


def test_what_a_session_changed(tmp_path: Path) -> None:
    shown = changes_of(
        tmp_path, b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+", b"2\n 3\n"
    )
    assert "<span class=d>-1</span>\n<span class=a>+2</span>\n 3\n</pre>" in shown
    assert "<span class=h>+++ b/x</span>" in shown


def test_changes_are_hostile_too(tmp_path: Path) -> None:
    shown = changes_of(tmp_path, f"+{EVIL}\x1b]0;x\x07\n".encode())
    assert "<script>document.title" not in shown
    assert "\x1b" not in shown


def test_changes_are_cut_where_a_page_would_burst(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_LONGEST_LOG", 10)
    assert "outrig diff 20260501T120000-3f2a" in changes_of(tmp_path, b"+123456789abcdef\n")


def test_nothing_changed_is_said_and_the_unknown_is_not(tmp_path: Path) -> None:
    assert "Nothing was changed." in changes_of(tmp_path)
    assert "Changes</h2>" not in written(tmp_path)
