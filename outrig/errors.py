"""Every failure outrig can report: what it is called, which exit code it means, what to do next.

A failure is raised where it is found and turned into an exit code in one place (`cli/report.py`).
`exit_code` holds for most commands; `run_exit_code` for those that pass an agent's own code
through (run, attach, wait, exec, shell, rerun, resume), where 1 and 2 belong to the agent.
`reason` is what a session record says when this failure ended it (contract, "Status").
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class OutrigError(Exception):
    """Base of all failures that outrig explains to the user instead of showing a traceback.

    `message` says what happened and names the thing; `hint` is the next step, best a command.
    """

    kind = "error"
    exit_code = 1
    run_exit_code = 125
    reason: str | None = None
    as_json = False  # the command that failed had been asked for JSON

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.record: Mapping[str, Any] | None = None  # of the session that this failure ended


def reason(error: OSError) -> str:
    """What the system said, and of which file, if it said."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror}{where}"


class UsageError(OutrigError):
    """The command line asks for something that makes no sense."""

    kind = "usage"
    exit_code = 2


class ConfigError(OutrigError):
    """A configuration file, variable or flag holds a wrong or forbidden value."""

    kind = "config"


class SessionNotFoundError(OutrigError):
    """No session, or more than one, answers to the query."""

    kind = "session-not-found"


class SessionBusyError(OutrigError):
    """The session is still running, or somebody else looks after it."""

    kind = "session-busy"


class SessionNotRunningError(OutrigError):
    """The session has not started yet, or has ended."""

    kind = "session-not-running"


class StoreError(OutrigError):
    """The session root or a record cannot be read or written."""

    kind = "store"


class WorkspaceError(OutrigError):
    """The workspace cannot be used as asked."""

    kind = "workspace"
    reason: str | None = "workspace-failed"


class MountError(OutrigError):
    """A mount is malformed or refused."""

    kind = "mount"


class NetworkError(OutrigError):
    """The network asked for cannot be made."""

    kind = "network"
    reason: str | None = "network-failed"


class AddressesTakenError(NetworkError):
    """Another network of the engine has these addresses."""


class EngineUnreachableError(OutrigError):
    """No container engine answers."""

    kind = "engine-unreachable"
    reason: str | None = "start-failed"
    endpoint = ""  # the URL that was tried, where there was one


class EngineError(OutrigError):
    """The engine answered, and refused."""

    kind = "engine"
    reason: str | None = "start-failed"


class SidecarError(OutrigError):
    """A sidecar does not start, or does not become healthy."""

    kind = "sidecar"
    reason: str | None = "start-failed"


class ContainerGoneError(EngineError):
    """The container vanished, and nobody can say how it ended."""

    kind = "container-gone"


class ImageMissingError(OutrigError):
    """The image does not exist and nothing says how to get it."""

    kind = "image-missing"
    reason: str | None = "image-missing"


class BuildError(OutrigError):
    """An image could not be built."""

    kind = "build-failed"
    reason: str | None = "build-failed"


class BaseImageError(BuildError):
    """The image that a Dockerfile stands on is not there and cannot be pulled."""


class CommandNotExecutableError(OutrigError):
    """The container could not execute the command."""

    kind = "command-not-executable"
    run_exit_code = 126
    reason: str | None = "start-failed"


class CommandNotFoundError(OutrigError):
    """The command does not exist in the image."""

    kind = "command-not-found"
    run_exit_code = 127
    reason: str | None = "start-failed"
