"""Hooks: commands of the user's own, run on this machine when something happens to a session.

`[hooks]` in global config names an argv for an event; no shell reads it. The record is on its
stdin as JSON, the event in OUTRIG_EVENT, the session in OUTRIG_SESSION. It runs beside us and
outlives us: nothing waits for it, and a small process of its own ends it, with all that it
started, when its time is over. What it prints goes to `hooks.log` in the state directory.

A session that was run with --notify says its end on the desktop the same way, whoever sees it.
"""

from __future__ import annotations

import json
import os
import sys

from outrig.core import cascade
from outrig.core.config import HooksConfig
from outrig.core.events import EVENTS
from outrig.core.terminal import one_line
from outrig.errors import OutrigError
from outrig.store import layers, places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from outrig.core.session import Session
    from outrig.store.sessions import Heard

LOG = "hooks.log"
DESKTOPS = ("DISPLAY", "WAYLAND_DISPLAY")
_LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

# Not ours to wait for, so the time-out needs somebody who does.
PROGRAM = """
import os, signal, subprocess, sys
try:
    hook = subprocess.Popen(sys.argv[2:], start_new_session=True)
    hook.wait(float(sys.argv[1]))
except OSError as error:
    sys.exit(f"outrig hook: {sys.argv[2]}: {error.strerror}")
except subprocess.TimeoutExpired:
    os.killpg(hook.pid, signal.SIGKILL)
    sys.exit(f"outrig hook: {sys.argv[2]}: killed after {sys.argv[1]} s")
"""


def heard(config: HooksConfig, env: Mapping[str, str], *, notify: bool = False) -> Heard | None:
    """What a store tells its events to; None where no hook is set and nobody is to be notified."""
    if not notify and not any(command(config, name) for name in EVENTS):
        return None

    def tell(event: Mapping[str, Any], session: Session) -> None:
        for argv in (command(config, str(event["event"])), notification(event, session, env)):
            if argv:
                _start(argv, event, session, timeout=config.timeout, env=env)

    return tell


def of_user(env: Mapping[str, str], global_config: Path | None = None) -> Heard:
    """The same from the user's own configuration, which is read only when something happens."""
    found: list[Heard | None] = []

    def tell(event: Mapping[str, Any], session: Session) -> None:
        if not found:
            found.append(heard(_configured(env, global_config), env, notify=True))
        if found[0]:
            found[0](event, session)

    return tell


def command(config: HooksConfig, event: str) -> tuple[str, ...]:
    """The argv of an event; () for one that has none."""
    argv = getattr(config, event.replace("-", "_"), ())
    return argv if isinstance(argv, tuple) else ()


def notification(
    event: Mapping[str, Any], session: Session, env: Mapping[str, str]
) -> tuple[str, ...]:
    """The argv that says on the user's desktop that a session run with --notify has ended."""
    asked = event["event"] == "ended" and session.fields.get("notify") is True
    if not asked or not any(env.get(name) for name in DESKTOPS):
        return ()
    from outrig.core.listing import title  # noqa: PLC0415 - only where it is shown

    words = f"outrig: {session.name or session.id} {session.status}"
    return ("notify-send", "--app-name=outrig", one_line(words), one_line(title(session)))


def _configured(env: Mapping[str, str], global_config: Path | None) -> HooksConfig:
    """A configuration that cannot be read has no hooks; commands that need it say why."""
    home = places.home(env)
    try:
        read = layers.read(
            env=env, cwd=home, home=home, config_file=None, global_config=global_config
        )
        return cascade.resolve(read.layers, home=str(home)).config.hooks
    except OutrigError:
        return HooksConfig()


def _start(
    argv: tuple[str, ...],
    event: Mapping[str, Any],
    session: Session,
    *,
    timeout: float,
    env: Mapping[str, str],
) -> None:
    """A session goes on whether or not its hook can be started."""
    import subprocess  # noqa: PLC0415 - only where a hook is set

    letter = os.memfd_create("outrig")
    try:
        with os.fdopen(os.dup(letter), "w") as file:
            json.dump(dict(session.fields), file)
        os.lseek(letter, 0, os.SEEK_SET)
        log = _log(places.state(env))
        try:
            subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", PROGRAM, str(timeout), *argv],
                stdin=letter,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**env, "OUTRIG_EVENT": str(event["event"]), "OUTRIG_SESSION": session.id},
                start_new_session=True,
            ).returncode = 0  # nobody here waits for it
        finally:
            os.close(log)
    except OSError:
        return
    finally:
        os.close(letter)


def _log(directory: Path) -> int:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(directory / LOG, _LOG_FLAGS, 0o600)
