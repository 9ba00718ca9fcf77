"""What is given on the command line of `run` and `resume`, read: a prompt, labels, settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from outrig.core.layer import Layer, flag_layer
from outrig.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_PROMPT = 128 * 1024 - 1  # bytes; the kernel's MAX_ARG_STRLEN counts a NUL at the end


def prompt(text: str | None, file: Path | None) -> str | None:
    if text is not None and file is not None:
        raise UsageError("--prompt and --prompt-file both give a prompt")
    if text == "-" or file == Path("-"):
        return _prompt_text(sys.stdin.buffer.read(LONGEST_PROMPT + 1), "stdin")
    if file is not None:
        try:
            return _prompt_text(file.read_bytes(), str(file))
        except OSError as error:
            raise UsageError(f"cannot read --prompt-file {file}: {error.strerror}") from error
    return None if text is None else _prompt_text(os.fsencode(text), "--prompt")


def _prompt_text(data: bytes, where: str) -> str:
    if not data.strip():
        raise UsageError(f"the prompt from {where} is empty")
    if b"\0" in data:
        raise UsageError(f"the prompt from {where} holds a NUL byte, and an argument cannot")
    if len(data) > LONGEST_PROMPT:
        raise UsageError(
            f"the prompt from {where} is longer than {LONGEST_PROMPT} bytes, "
            "and the kernel takes no longer argument",
            hint="put it into a file in the workspace and tell the agent to read that",
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the prompt from {where} is not UTF-8") from error


def labels(words: Sequence[str]) -> dict[str, str]:
    found = {}
    for label in words:
        key, equals, value = label.partition("=")
        if not key or not equals:
            raise UsageError(f'--label "{label}" is not KEY=VALUE')
        found[key] = value
    return found


def terminal(tty: bool, no_tty: bool) -> bool | None:
    if tty and no_tty:
        raise UsageError("-t and -T exclude each other")
    return True if tty else False if no_tty else None


def flags(cwd: Path, given: Mapping[str, str | tuple[str, ...] | None]) -> Layer:
    return flag_layer({key: value for key, value in given.items() if value is not None}, str(cwd))
