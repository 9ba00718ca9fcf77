"""A real browser, headless, driven through its debugging pipe: what a page shows and does in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
)


class Browser:
    """One tab. `told` is everything that the browser reported on its own: requests, errors."""

    def __init__(self, to: int, back: int) -> None:
        self._to = to
        self._back = back
        self._number = 0
        self._rest = b""
        self._session: str | None = None
        self.told: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found

    def open(self, address: str) -> None:
        for one in ("about:blank", address):  # a new fragment alone would load nothing
            self.told.clear()
            self.ask("Page.navigate", url=one)
            while not self._heard("Page.loadEventFired"):
                self._next()

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        found = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def terminal(self) -> list[str]:
        """The rows that the player of an exported page shows."""
        shown: str = self.run(
            "[...document.getElementById('screen').children].map(row => "
            "[...row.children].filter(one => !one.classList.contains('cursor'))"
            ".map(one => one.textContent).join('')).join('\\n')"
        )
        return shown.rstrip("\n").split("\n")

    def asked_for(self) -> list[str]:
        """What the page wanted to load, itself included."""
        sent = self._heard("Network.requestWillBeSent")
        return [one["params"]["request"]["url"] for one in sent]

    def loaded(self) -> list[str]:
        """What it got."""
        came = self._heard("Network.responseReceived")
        return [one["params"]["response"]["url"] for one in came]

    def complaints(self) -> list[dict[str, Any]]:
        bad = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        return [one for method in bad for one in self._heard(method)]

    def _heard(self, method: str) -> list[dict[str, Any]]:
        return [one for one in self.told if one["method"] == method]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._back, 1 << 16)
            assert piece, "the browser went away"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.told.append(message)
        return message


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """The browser reads commands at descriptor 3 and answers at 4."""
    assert PROGRAM
    theirs_in, to = _pipe()
    back, theirs_out = _pipe()
    flags = (*_FLAGS, f"--user-data-dir={profile}")
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", PROGRAM, *flags],
        pass_fds=(theirs_in, theirs_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Browser(to, back)
    finally:
        os.close(to)  # end-of-file ends it
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        os.close(back)


def _pipe() -> tuple[int, int]:
    """Both ends well above the numbers that the browser wants."""
    ends = os.pipe()
    reader, writer = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends)
    for end in ends:
        os.close(end)
    return reader, writer
