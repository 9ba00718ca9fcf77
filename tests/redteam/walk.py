"""Plants one hostile thing at a path, lets verbs of outrig look, and says which of them did wrong.

A program of its own, told on stdin what to walk (JSON), which prints one JSON object per planted
thing. outrig is loaded once; each verb runs in a fork of it, with little memory and little time.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 10
MEMORY = 1 << 30
LARGEST_WRITTEN = 64 << 20
SPARSE = 10 << 30
TOLD = json.loads(sys.stdin.read())
WORLD, KEPT, OUTSIDE = (Path(TOLD[name]) for name in ("world", "kept", "outside"))
SECRET = TOLD["secret"].encode()
ESCAPES = b"\x1b]0;owned\x07\x1b[2J\x00\x9b31m\xe2\x80\xae\r\x08\n"


# ------------------------------------------------------------------ what is planted


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        above = os.open(path.parent, os.O_PATH)
        line.bind(f"/proc/self/fd/{above}/{path.name}")  # however long the path is
        os.close(above)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE)


def _unreadable(path: Path) -> None:
    path.write_bytes(b"x")
    path.chmod(0)


def _locked(path: Path) -> None:
    path.mkdir()
    (path / "x").touch()
    path.chmod(0)


def _filled(path: Path) -> None:
    path.mkdir()
    (path / "x").write_bytes(b"x")
    os.mkfifo(path / "y")


KINDS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a FIFO": os.mkfifo,
    "a socket": _socket,
    "10 GB of nothing": _sparse,
    "a link to a file outside": lambda path: path.symlink_to(OUTSIDE / "file"),
    "a link to a directory outside": lambda path: path.symlink_to(OUTSIDE),
    "a link to a FIFO": lambda path: path.symlink_to(OUTSIDE / "fifo"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nowhere": lambda path: path.symlink_to(OUTSIDE / "absent"),
    "a directory": _filled,
    "a file": lambda path: path.write_bytes(b"x\n"),
    "an empty file": Path.touch,
    "what nobody may read": _unreadable,
    "a directory that nobody may enter": _locked,
    "deep JSON": lambda path: path.write_bytes(b"[" * 2_000_000),
    "a long number": lambda path: path.write_bytes(b'{"sent": ' + b"9" * 9999 + b"}\n"),
    "a long line": lambda path: path.write_bytes(b"x" * (8 << 20)),
    "many lines": lambda path: path.write_bytes(b"/x\n" * 300_000),
    "NUL and escapes": lambda path: path.write_bytes(ESCAPES * 40),
    "what is no UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x80 = \xc3\x28\n" * 40),
}


class Planted:
    """In place of what is there, which is put back."""

    def __init__(self, name: str, kind: str) -> None:
        self.path = WORLD / name
        self.aside = WORLD / "aside"
        self.kind = kind

    def __enter__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(self.path):
            self.path.rename(self.aside)
        KINDS[self.kind](self.path)

    def __exit__(self, *_: object) -> None:
        if os.path.lexists(self.path) and not self.path.is_symlink():
            self.path.chmod(0o700)
        _gone(self.path)
        if os.path.lexists(self.aside):
            self.aside.rename(self.path)


def _gone(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _renew() -> None:
    for one in WORLD.iterdir():
        subprocess.run(["rm", "-rf", "--", one], check=True)
    subprocess.run(["cp", "-a", "--", f"{KEPT}/.", WORLD], check=True)


# ------------------------------------------------------------------ who looks


def look(argv: list[str], *, git: bool) -> str:
    """What one verb does wrong; nothing if it does not."""
    said = OUTSIDE.parent / "said"
    pid = os.fork()
    if not pid:
        _child(argv, said)
    try:
        code = _waited(pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    text = said.read_bytes()
    return "; ".join(_wrongs(code, text, git=git))


def _wrongs(code: int | None, text: bytes, *, git: bool) -> Iterator[str]:
    # `git`: in the user's own .git, where git itself follows links, and quotes what it finds.
    if code is None:
        yield f"does not end within {SECONDS} s"
    elif code < 0:
        yield f"is killed by signal {-code}"
    if b"Traceback" in text:
        yield f"fails: {text.decode(errors='replace')[-400:]}"
    if SECRET in text and not git:
        yield "says what is outside"
    if b"\x1b]" in text or b"\x1b[2J" in text:
        yield "speaks to the terminal"
    if sorted(path.name for path in OUTSIDE.iterdir()) != ["fifo", "file"]:
        yield f"writes outside: {os.listdir(OUTSIDE)}"
    if (OUTSIDE / "file").read_bytes().strip() != SECRET:
        yield "changes a file outside"


def _child(argv: list[str], said: Path) -> None:
    os.setsid()
    os.chdir(WORLD / TOLD["cwd"])
    os.environ.update(TOLD["env"])
    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, out), (2, out)):
        os.dup2(source, target)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_WRITTEN, LARGEST_WRITTEN))
    sys.argv = ["outrig", *argv]
    try:
        importlib.import_module("outrig.cli.entry").entry()
    except SystemExit as stop:
        sys.stdout.flush()
        os._exit(stop.code if isinstance(stop.code, int) else 1)
    finally:  # whatever it raised is told as Python tells of it, and the fork ends here
        if sys.exc_info()[0]:
            sys.excepthook(*sys.exc_info())
        os._exit(99)


def _waited(pid: int) -> int | None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.004)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def main() -> None:
    for module in TOLD["modules"]:
        importlib.import_module(module)
    dirty = True
    for name, kind, looks, acts in TOLD["walks"]:
        wrongs: dict[str, str] = {}
        if dirty:
            _renew()
            dirty = False
        with Planted(name, kind):
            for argv in looks:
                wrongs[" ".join(argv)] = look(argv, git=name.startswith("repo/.git/"))
        for argv in acts:
            _renew()
            Planted(name, kind).__enter__()
            wrongs[" ".join(argv)] = look(argv, git=name.startswith("repo/.git/"))
            dirty = True
        found = {verb: wrong for verb, wrong in wrongs.items() if wrong}
        print(json.dumps([name, kind, len(wrongs), found]), flush=True)  # noqa: T201 - its answer


main()
