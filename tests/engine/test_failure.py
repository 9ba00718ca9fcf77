"""The words that daemons really sent, and what outrig makes of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from outrig.engine.failure import gone, init_complaint, refusal
from outrig.engine.line import Answer
from outrig.errors import (
    CommandNotExecutableError,
    CommandNotFoundError,
    ContainerGoneError,
    EngineError,
    ImageMissingError,
    MountError,
)

if TYPE_CHECKING:
    from outrig.errors import OutrigError

EXEC = "OCI runtime exec failed: exec failed: unable to start container process: "
CWD = 'chdir to cwd ("/nope") set in config.json failed: no such file or directory: unknown\r\n'
RUNC = (
    "failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)
MOUNTING = (
    'error during container init: error mounting "/usr" to rootfs at "/bin/busybox": mount '
    "/usr:/bin/busybox (via /proc/self/fd/6), flags: 0x5000: not a directory: unknown: Are you "
    "trying to mount a directory onto a file (or vice-versa)? Check if the specified host path "
    "exists and is the expected type"
)
RLIMIT = (
    "error during container init: error setting rlimits for ready process: error setting rlimit "
    "type 7: operation not permitted: unknown"
)
IN_USE = (
    'Conflict. The container name "/outrig-x" is already in use by container "cdf3c4bd". You have '
    "to remove (or rename) that container to be able to reuse that name."
)


def answer(message: str, status: int = 400) -> Answer:
    return Answer(status=status, headers={}, body=json.dumps({"message": message}).encode())


# Everything here but the lines that say otherwise: docker 20.10.24, runc 1.1.5.
@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        (
            RUNC + 'exec: "nosuch": executable file not found in $PATH: unknown',
            CommandNotFoundError,
            "not found in the image: nosuch",
        ),
        (
            RUNC + 'exec: "/no/such": stat /no/such: no such file or directory: unknown',
            CommandNotFoundError,
            "not found in the image: /no/such",
        ),
        (
            EXEC + 'exec: "nosuch": executable file not found in $PATH: unknown\r\n',
            CommandNotFoundError,
            "not found in the image: nosuch",
        ),
        (
            EXEC + CWD,
            EngineError,
            "cannot work in /nope: no such file or directory",
        ),
        (
            RUNC + 'exec: "/bin": permission denied: unknown',
            CommandNotExecutableError,
            "cannot execute /bin: permission denied",
        ),
        (
            'invalid mount config for type "bind": bind source path does not exist: /no/such/dir',
            MountError,
            "does not see /no/such/dir",
        ),
        ("Duplicate mount point: /x", MountError, "the same place in the container: /x"),
        (RUNC + MOUNTING, MountError, "cannot mount /usr at /bin/busybox"),
        ("No such image: nosuch:1", ImageMissingError, "no image nosuch:1"),
        ("Cannot mkdir: /bin/busybox is not a directory", EngineError, "/bin/busybox"),
        ("No such container: 5f1c0a", ContainerGoneError, "5f1c0a"),
        ("No command specified", EngineError, "No command specified"),
        (IN_USE, EngineError, "already in use"),
    ],
)
def test_what_the_engine_said(words: str, kind: type[OutrigError], says: str) -> None:
    error = refusal(answer(words), "start the container")
    assert type(error) is kind
    assert says in error.message


# These hold words of the table above, and are something else.
@pytest.mark.parametrize(
    "words",
    [
        RUNC + RLIMIT,
        # moby, when its own init is not installed
        'exec: "docker-init": executable file not found in $PATH',
        "unable to find user nosuchuser: no matching entries in passwd file",
        "network nosuchnet not found",
        'error looking up logging plugin nosuch: plugin "nosuch" not found',
        "Unknown runtime specified nosuch",
    ],
)
def test_what_must_not_be_taken_for_the_users_command(words: str) -> None:
    assert type(refusal(answer(words), "start the container")) is EngineError


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", "--cpus"),
        ("Minimum memory limit allowed is 6MB", "--memory"),
        ("No command specified", "COMMAND"),
        ('exec: "docker-init": executable file not found in $PATH', "tini"),
    ],
)
def test_a_hint_says_what_to_change(words: str, hint: str) -> None:
    assert hint in str(refusal(answer(words), "create the container").hint)


def test_a_refusal_keeps_the_engines_words() -> None:
    error = refusal(answer("something new", 500), "create the container")
    assert error.message == "the engine refused to create the container: something new"


def test_a_refusal_that_is_no_json_is_shown_as_it_is() -> None:
    plain = Answer(status=502, headers={}, body=b"<html>bad gateway</html>\n")
    assert "bad gateway" in refusal(plain, "start").message
    assert "HTTP 502" in refusal(Answer(status=502, headers={}, body=b""), "start").message


def test_gone_is_only_said_of_containers() -> None:
    assert gone(answer("No such container: 5f1c", 404))
    kill = "Cannot kill container: 5f1c: No such container: 5f1c"
    assert gone(answer(kill, 404))
    assert not gone(answer("page not found", 404))
    assert not gone(answer("No such container: 5f1c", 500))


UNHEARD = b"[WARN  tini (1)] Child was dead when forwarding signal"


# tini 0.19.0, as docker-init of 20.10.24
@pytest.mark.parametrize(
    "words",
    [
        b"[FATAL tini (7)] exec nosuch failed: No such file or directory\n",
        b"[FATAL tini (6)] exec /no/such failed: No such file or directory\n",
        b"[FATAL tini (7)] exec /bin failed: Permission denied\n",
        b"[FATAL tini (7)] exec nosuch failed: No such file or directory\r\n",  # a terminal
        b"outrig-size: 1: exec: nosuch: not found\r\n",  # dash 0.5.12
        b"outrig-size: 1: exec: /bin: Permission denied\r\n",
        b"outrig-size: line 1: exec: nosuch: not found\r\n",  # bash 5.2
        b"outrig-size: line 1: /bin: Is a directory\r\n",
        b"outrig-env: 1: exec: nosuch: not found\n",
        b"outrig-env: exec: line 0: nosuch: not found\n",  # busybox 1.35
        b"outrig-env: line 1: exec: /bin: cannot execute: Is a directory\n",
        UNHEARD + b"\r\noutrig-size: 1: exec: nosuch: not found\r\n",
        UNHEARD + b"\n" + UNHEARD + b"\n[FATAL tini (7)] exec nosuch failed: Permission denied\n",
    ],
)
def test_inits_complaint(words: bytes) -> None:
    assert init_complaint(words)


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"sh: 1: nosuch: not found\n",  # an agent's own 127
        b"bash: line 1: nosuch: command not found\n",
        b"one\noutrig-size: 1: exec: nosuch: not found\n",
        b"[FATAL tini (7)] no child process could be found\n",
        b"building...\n[FATAL tini (7)] exec nosuch failed: No such file or directory\n",
        b"[WARN  tini (6)] Tini is not running as PID 1\n",
        UNHEARD + b"\n",
        UNHEARD + b"\nsh: 1: nosuch: not found\n",
    ],
)
def test_not_inits_complaint(words: bytes) -> None:
    assert not init_complaint(words)
