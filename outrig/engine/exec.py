"""Exec: a command beside the agent, in its container, with a line and a terminal of its own.

It inherits the container's environment, user and working directory, its limits and its lack of
capabilities. It is no part of the session's record: it may look and help, and what it says is
for whoever asked.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrig.core.ending import KILLED
from outrig.engine.container import SIZE_AT_CREATE
from outrig.engine.failure import NOT_FOUND, refusal
from outrig.engine.line import BAD, Answer
from outrig.engine.output import AttachedOutput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.core.engine import Command, Ref, Stream
    from outrig.engine.wire import Wire

REFUSED_CODES = (126, 127)
PAUSE_SECONDS = 0.01  # doubled each time, up to
LONGEST_PAUSE_SECONDS = 0.5

# An exec takes its detach keys as JSON text, so the bytes that nobody types (container.py) cannot
# be named. Tried on 20.10.24: a lone ctrl-@ is held until the next key and then passed on.
NO_DETACH_KEYS = ",".join(["ctrl-@"] * 8)


def execute(wire: Wire, ref: Ref, command: Command, env: Mapping[str, str]) -> Executed:
    """Start it. Raises what the engine refuses at once: ContainerGoneError, or EngineError."""
    made = wire.call("POST", f"/containers/{ref.id}/exec", body=_body(command, env, wire.api))
    if not made.fine:
        raise refusal(made, "run a command in the container")
    identity = str(made.json()["Id"])
    line, _ = wire.ask(
        "POST",
        f"/exec/{identity}/start",
        headers={"Connection": "Upgrade", "Upgrade": "tcp"},
        body={"Detach": False, "Tty": command.tty},
        doing="start the command",
    )
    output = AttachedOutput(
        line.socket, first=line.taken(), tty=command.tty, where=wire.endpoint.url
    )
    executed = Executed(wire, ref, identity, output)
    if command.size and wire.api < SIZE_AT_CREATE:
        executed.resize(*command.size)
    return executed


def _body(command: Command, env: Mapping[str, str], api: tuple[int, int]) -> Mapping[str, Any]:
    body: dict[str, Any] = {
        "Cmd": list(command.argv),
        "Env": [f"{name}={value}" for name, value in env.items()],
        "User": command.user,
        "WorkingDir": command.working_dir,
        "Tty": command.tty,
        "AttachStdin": command.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
    }
    if command.tty:
        body["DetachKeys"] = NO_DETACH_KEYS
    if command.size and api >= SIZE_AT_CREATE:
        body["ConsoleSize"] = list(command.size)
    return body


class Executed:
    """The Execution protocol, for docker."""

    def __init__(self, wire: Wire, ref: Ref, identity: str, output: AttachedOutput) -> None:
        self._wire = wire
        self._ref = ref
        self._path = f"/exec/{identity}"
        self._output = output
        self._silent = True

    # ------------------------------------------------------------------ its line
    def fileno(self) -> int:
        return self._output.fileno()

    def read(self) -> Sequence[tuple[Stream, bytes]] | None:
        chunks = self._output.read()
        if chunks and self._silent:
            self._silent = False
            self._refuse(chunks[0][1])
        return chunks

    def write(self, data: memoryview) -> int:
        return self._output.write(data)

    def end_input(self) -> None:
        self._output.end_input()

    def close(self) -> None:
        self._output.close()

    def _refuse(self, said: bytes) -> None:
        """Why a command could not be started comes as if the command had printed it."""
        state = self._state() or {}
        ran = state.get("Running") or state.get("Pid")
        if not ran and state.get("ExitCode") in REFUSED_CODES:
            raise refusal(Answer(status=BAD, headers={}, body=said), "start the command")

    # ------------------------------------------------------------------ what becomes of it
    def resize(self, rows: int, columns: int) -> None:
        """A command that has ended already, or never ran, needs no size."""
        self._wire.call("POST", f"{self._path}/resize", query={"h": str(rows), "w": str(columns)})

    def signal(self, number: int) -> bool:
        """The engine cannot signal an exec, the kernel can: where its pids are ours as well."""
        pid = self._pid()
        if not pid or not self._is_in_container(pid):
            return False
        try:
            os.killpg(pid, number)  # runc makes it the leader of a session of its own
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _pid(self) -> int:
        """0 once it has ended. The engine learns the pid after the first words may have come."""
        while (state := self._state()) and state.get("Running"):
            if state.get("Pid"):
                return int(state["Pid"])
            time.sleep(PAUSE_SECONDS)
        return 0

    def exit_code(self) -> int:
        """The engine has no way to wait for an exec, so it is asked, ever more patiently."""
        pause = PAUSE_SECONDS
        while (state := self._state()) and state.get("Running"):
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return KILLED if state is None else int(state.get("ExitCode") or 0)

    def _state(self) -> Mapping[str, Any] | None:
        """None once the container is gone, and the exec with it."""
        answer = self._wire.call("GET", f"{self._path}/json")
        if answer.status == NOT_FOUND:
            return None
        if not answer.fine:
            raise refusal(answer, "say what became of the command")
        found: Mapping[str, Any] = answer.json()
        return found

    def _is_in_container(self, pid: int) -> bool:
        """An engine elsewhere, or in a virtual machine, means another process by that number."""
        try:
            return self._ref.id in Path(f"/proc/{pid}/cgroup").read_text("ascii", "replace")
        except OSError:
            return False
