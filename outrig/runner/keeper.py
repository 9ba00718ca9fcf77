"""Keeper: sees that somebody looks after a session that runs, for as long as we look at it.

A supervisor is started where there is none. One that ends before its session (the disk is full)
is replaced, but not at once, and later each time; why it ended is told to the user once.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from outrig.core.terminal import one_line
from outrig.runner import reach, unattended
from outrig.runner.supervise import spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen

    from outrig.store.finding import Found

PATIENCE = 10.0  # seconds until a new process has the lock, on a machine that is busy
PAUSE_SECONDS = 0.02
FIRST_SECONDS = 0.5  # until the next try; doubled each time, up to
LAST_SECONDS = 30.0
TURN_SECONDS = 0.2  # of them slept through at a time
COMPLAINT = 1000  # bytes


class Keeper:
    """`notice` is told, once, that no supervisor stays and why."""

    def __init__(self, found: Found, notice: Callable[[str], None]) -> None:
        self._found = found
        self._notice = notice
        self._process: Popen[bytes] | None = None
        self._complaint = -1
        self._pause = FIRST_SECONDS
        self._due = 0.0

    def look_after(self) -> bool:
        """See that somebody attends it, now or soon; False when nobody can or needs to.

        Then it has ended or its engine is silent, and reconciling it finds out which.
        """
        store, one = self._found.store, self._found.session.id
        if store is None or store.attended(one):
            return store is not None
        if not unattended.can_be_taken_up(store, reach.current(self._found)):
            return False
        if self._process and self._process.poll() is not None:
            self._failed()
        if time.monotonic() < self._due:
            time.sleep(TURN_SECONDS)
            return True
        return self._start()

    def _start(self) -> bool:
        store, session = self._found.store, self._found.session
        assert store
        self._forget()
        self._complaint = os.memfd_create("complaint")
        left = {
            "root": str(store.root),
            "id": session.id,
            "engine": reach.current(self._found).text("engine"),
            "hooks": store.heard is not None,
            "complaint": self._complaint,
        }
        process = self._process = spawn("unattended", left, [self._complaint])
        deadline = time.monotonic() + PATIENCE
        while not (attended := store.attended(session.id)) and time.monotonic() < deadline:
            if process.poll() is not None:
                return process.returncode == unattended.EXIT_FAILURE or store.attended(session.id)
            time.sleep(PAUSE_SECONDS)
        return attended

    def _failed(self) -> None:
        """The one that we started has ended, and the session has not."""
        assert self._process
        killed = self._process.returncode < 0
        words = os.pread(self._complaint, COMPLAINT, 0).decode(errors="replace")
        self._forget()
        if killed:
            return
        if words and self._pause == FIRST_SECONDS:
            self._notice(
                one_line(f"nobody can look after {self._found.session.id}: {words}; trying again")
            )
        self._due = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LAST_SECONDS)

    def _forget(self) -> None:
        if self._process:
            self._process = None
            os.close(self._complaint)
