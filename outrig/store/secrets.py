"""The values of secrets, from where the user keeps them. They exist in memory only.

    env:NAME                a variable of outrig's own environment
    file:PATH               a file; one newline at its end does not count
    command:ARGV            what a program prints, the same; no shell reads the words; in /
    keyring:SERVICE/USER    the desktop's keyring: `keyring`, else `secret-tool`

What is wrong names the secret and its source, never a byte of a value or of what was read.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from outrig.errors import ConfigError, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from outrig.core.secrets import Secret

LARGEST = 64 * 1024  # bytes
_LARGEST_BUNDLE = 1024 * 1024
COMMAND_SECONDS = 60.0  # somebody may have to type a password first
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def value(secret: Secret, env: Mapping[str, str]) -> str:
    """The value of a secret. Raises ConfigError naming secret and source."""
    kind, _, rest = secret.source.partition(":")
    readers: Mapping[str, Callable[[str, Mapping[str, str]], str]] = {
        "env": _of_variable,
        "file": _of_file,
        "command": _of_command,
        "keyring": _of_keyring,
    }
    try:
        found = readers[kind](rest, env)
    except _UnknownError as error:
        raise ConfigError(
            f"secret {secret.name}: {error}", hint=f"outrig secrets check {secret.name}"
        ) from None
    if wrong := _unfit(secret, found):
        raise ConfigError(f"secret {secret.name}: what {secret.source} gives {wrong}")
    return found


def certificates(env: Mapping[str, str]) -> str | None:
    """Authorities that the user's own programs trust beside the system's: $SSL_CERT_FILE."""
    path = env.get("SSL_CERT_FILE")
    try:
        return _of_file(path, env, _LARGEST_BUNDLE) if path else None
    except _UnknownError as error:
        raise ConfigError(f"SSL_CERT_FILE: {error}", hint="unset SSL_CERT_FILE") from None


class _UnknownError(Exception):
    """Why there is no value."""


def _unfit(secret: Secret, found: str) -> str | None:
    if not found:
        return "is empty"
    if "\0" in found:
        return "holds a NUL byte"
    if secret.way == "broker" and not (found.isascii() and found.isprintable()):
        return "cannot stand in an HTTP header"
    return None


def _of_variable(name: str, env: Mapping[str, str]) -> str:
    if name not in env:
        raise _UnknownError(f"{name} is not set")
    return env[name]


def _of_file(path: str, _env: Mapping[str, str], most: int = LARGEST) -> str:
    try:
        descriptor = os.open(path, _READ)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _UnknownError(f"{path} is not a regular file")
            with os.fdopen(os.dup(descriptor), "rb") as file:
                return _text(file.read(most + 1), path, most)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _UnknownError(f"cannot read {path}: {error.strerror}") from None


def _of_command(words: str, env: Mapping[str, str]) -> str:
    import shlex  # noqa: PLC0415 - most secrets need none

    try:
        argv = shlex.split(words)
    except ValueError as error:
        raise _UnknownError(f"the command's words make no sense: {error}") from None
    return _printed(argv, env)


def _of_keyring(name: str, env: Mapping[str, str]) -> str:
    import shutil  # noqa: PLC0415 - 4 ms, as it loads the compressors

    service, slash, user = name.partition("/")
    if not slash:
        raise _UnknownError("expected keyring:SERVICE/USER")
    for argv in (
        ["keyring", "get", service, user],
        ["secret-tool", "lookup", "service", service, "username", user],
    ):
        if shutil.which(argv[0], path=env.get("PATH")):
            return _printed(argv, env)
    raise _UnknownError("neither `keyring` nor `secret-tool` is installed")


def _printed(argv: list[str], env: Mapping[str, str]) -> str:
    """What a program prints; its complaints go where ours go.

    It runs in /: here, in a repository, an agent could have left a program or settings for it.
    """
    import subprocess  # noqa: PLC0415 - most secrets need none

    name = argv[0]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd="/",
            env=dict(env),
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except OSError as error:
        raise _UnknownError(f"cannot run {name}: {reason(error)}") from None
    except subprocess.TimeoutExpired:
        raise _UnknownError(f"{name} did not end within {COMMAND_SECONDS:.0f} s") from None
    if done.returncode:
        raise _UnknownError(f"{name} ended with exit code {done.returncode}")
    return _text(done.stdout, name)


def _text(data: bytes, source: str, most: int = LARGEST) -> str:
    if len(data) > most:
        raise _UnknownError(f"{source} gives more than {most // 1024} KiB")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise _UnknownError(f"what {source} gives is not UTF-8") from None
