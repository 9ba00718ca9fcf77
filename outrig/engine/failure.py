"""Failure: the engine's refusals -> outrig's errors, told apart by the words it really sent.

Each pattern stands beside a message that a daemon sent (docker 20.10.24 with runc 1.1.5, unless
it says otherwise); the tests quote them, and those that look alike and must not match.

With init, a command that is missing is no refusal: the container starts, and init complains.
"""

from __future__ import annotations

import re

from outrig.errors import (
    CommandNotExecutableError,
    CommandNotFoundError,
    ContainerGoneError,
    EngineError,
    ImageMissingError,
    MountError,
    OutrigError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.engine.line import Answer

NOT_FOUND = 404
CONFLICT = 409

# tini 0.19: `[FATAL tini (7)] exec nosuch failed: No such file or directory`
# The pid is that of init's child, which is what was to become the command.
# outrig-size: 1: exec: nosuch: not found    (dash; bash says `line 1` for 1)
# outrig-env: exec: line 0: nosuch: not found    (busybox; ours is core/container.py's other shell)
_COMPLAINT = (
    rb"(?s)\[FATAL tini \(\d+\)\] exec .+ failed: .+"
    rb"|outrig-(?:size|env): (?:exec: )?(?:line )?\d+: (?:exec: )?.+: .+"
)

# ... runc create failed: unable to start container process: exec: "nosuch": executable file not
# found in $PATH: unknown
# ... exec: "/no/such": stat /no/such: no such file or directory: unknown
_MISSING = (
    r'exec: "(?P<name>.*)": '
    r"(?:executable file not found in \$PATH|stat .*: no such file or directory)"
)
# ... exec: "/bin": permission denied: unknown; newer runc: `exec: "/bin": is a directory`
_NOT_EXECUTABLE = (
    r'exec: "(?P<name>.*)": (?P<why>permission denied|is a directory|exec format error)'
)
# The daemon's own init is not installed (moby, daemon/oci_linux.go); it is not the user's command.
_NO_INIT = r'exec: "(?:docker-init|catatonit)": executable file not found'

# invalid mount config for type "bind": bind source path does not exist: /no/such/dir
_NO_SOURCE = r"bind source path does not exist: (?P<path>.*)"
# Duplicate mount point: /x
_DUPLICATE = r"Duplicate mount point: (?P<path>.*)"
# error mounting "/usr" to rootfs at "/bin/busybox": mount /usr:/bin/busybox (via ...), flags: ...
_MOUNTING = (
    r'error mounting "(?P<source>[^"]*)" to rootfs at "(?P<target>[^"]*)": (?P<why>.*?): unknown'
)
# Cannot mkdir: /bin/busybox is not a directory
_NO_DIRECTORY = r"Cannot mkdir: (?P<path>.*) is not a directory"
# ... chdir to cwd ("/nope") set in config.json failed: no such file or directory: unknown
_CWD = r'chdir to cwd \("(?P<path>.*)"\) set in config.json failed: (?P<why>.*?): unknown'
# No such image: nosuch:1
_NO_IMAGE = r"No such image: (?P<name>.*)"
# No such container: 5f1c...
# podman 4 (read, not tried): no container with name or ID "5f1c" found: no such container
_NO_CONTAINER = r"[Nn]o such container(?:: (?P<name>\w+))?"


# A signal, such as that of a new size, that came when the command was dead; tini's pid is 1.
_UNHEARD = b"[WARN  tini (1)] Child was dead when forwarding signal"


def init_complaint(stderr_head: bytes) -> bool:
    """Whether init says that it could not execute the command: the agent never ran.

    `stderr_head` is the beginning of what the container wrote to stderr (or to its terminal);
    the complaint is all that there is, so it must be the first line; init may only have said
    before it that a signal came too late.
    """
    lines = (line.rstrip(b"\r") for line in stderr_head.lstrip(b"\r\n").split(b"\n"))
    first = next((line for line in lines if line != _UNHEARD), b"")
    return re.fullmatch(_COMPLAINT, first) is not None


def refusal(answer: Answer, doing: str) -> OutrigError:
    """What an answer that is not fine means. `doing` completes "the engine refused to ..."."""
    words = answer.message
    return (
        _of_command(words)
        or _of_mount(words)
        or _of_image(words)
        or _of_container(words)
        or EngineError(f"the engine refused to {doing}: {words}", hint=_hint(words))
    )


def gone(answer: Answer) -> bool:
    """Whether the container that was asked about does not exist (any more)."""
    return answer.status == NOT_FOUND and re.search(_NO_CONTAINER, answer.message) is not None


def _of_command(words: str) -> OutrigError | None:
    if re.search(_NO_INIT, words):
        return EngineError(
            "the engine lacks its init program, docker-init", hint="sudo apt-get install tini"
        )
    if found := re.search(_MISSING, words):
        return CommandNotFoundError(f"command not found in the image: {found['name']}")
    if found := re.search(_NOT_EXECUTABLE, words):
        return CommandNotExecutableError(f"cannot execute {found['name']}: {found['why']}")
    if found := re.search(_CWD, words):
        return EngineError(
            f"cannot work in {found['path']}: {found['why']}", hint="-w DIR sets another"
        )
    return None


def _of_mount(words: str) -> OutrigError | None:
    if found := re.search(_NO_SOURCE, words):
        return MountError(
            f"the engine does not see {found['path']}, which is to be mounted",
            hint=f"ls -ld {found['path']}",
        )
    if found := re.search(_DUPLICATE, words):
        return MountError(f"two mounts want the same place in the container: {found['path']}")
    if found := re.search(_MOUNTING, words):
        return MountError(
            f"cannot mount {found['source']} at {found['target']}: {found['why']}",
            hint="a directory goes onto a directory, a file onto a file",
        )
    return None


def _of_image(words: str) -> OutrigError | None:
    if found := re.search(_NO_IMAGE, words):
        return ImageMissingError(
            f"there is no image {found['name']} on the engine", hint="outrig images"
        )
    if found := re.search(_NO_DIRECTORY, words):
        return EngineError(
            f"the working directory is no directory in the image: {found['path']}",
            hint="-w DIR sets another",
        )
    return None


def _of_container(words: str) -> OutrigError | None:
    if found := re.search(_NO_CONTAINER, words):
        which = (found["name"] or "")[:12]
        return ContainerGoneError(f"the container {which} does not exist (any more)")
    return None


def _hint(words: str) -> str | None:
    """The next step for refusals that are the user's numbers."""
    for sign, hint in _NUMBERS.items():
        if sign in words:
            return hint
    return None


_NUMBERS = {
    # Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available
    "Range of CPUs is from": "--cpus N, no more than the machine has",
    # Minimum memory limit allowed is 6MB
    "Minimum memory limit allowed": "--memory 64m or more",
    # No command specified
    "No command specified": "give a COMMAND: the image has none of its own",
    # Conflict. The container name "/x" is already in use by container "cdf3..."
    "is already in use by container": "outrig ls",
}
