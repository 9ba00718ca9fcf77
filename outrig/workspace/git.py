"""Git, run so that nothing a tree contains can run: its settings, hooks and monitors stay asleep.

A plain `git status` in a tree that an agent wrote ran planted programs (tried). What could start
one is switched off here, name by name, and the tests plant each of them. What is left to callers:

| whose repository               | what git may do there                                          |
|--------------------------------|----------------------------------------------------------------|
| ours (`snapshots.git`)         | everything that reads or writes objects, refs and index files  |
| the user's own                 | plumbing on objects, refs and the index; nothing that converts |
|                                | a file's content (filters are named by its settings)           |
| the session's (`.git` it had)  | nothing: its refs and objects are read as data                 |
"""

from __future__ import annotations

import contextlib
import os

from outrig.core.frozen import frozen
from outrig.errors import WorkspaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path
    from typing import Self

SECONDS = 120  # a FIFO where git expects a file makes it wait for ever

_SETTINGS = {
    "core.fsmonitor": "false",  # a program of the tree's choice that is asked what has changed
    "core.hooksPath": "/dev/null",
    "core.attributesFile": "/dev/null",
    "core.bigFileThreshold": "128m",  # larger than what a snapshot holds: never read whole
    "core.untrackedCache": "false",
    "core.alternateRefsCommand": "false",
    "protocol.allow": "never",  # a partial clone fetches what it lacks, by a program it names
    "credential.helper": "",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "diff.ignoreSubmodules": "all",  # else git asks a nested repository, and obeys its settings
    "diff.noprefix": "false",
    "diff.mnemonicPrefix": "false",
}
_QUIET = {
    "GIT_ALLOC_LIMIT": "1g",  # a few bytes of a session's can claim any size (4 GB: tried)
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


@frozen
class Git:
    """git for one repository, named and never discovered: so it does not ask who owns it.

    `path` is the PATH on which git is found, `index` an index file in place of the repository's.
    `objects` is where new objects go in place of the repository's own directory, `alternates` are
    further places to find some; `variables` are added to git's environment, and taken from it
    where they are None; `owner` is the uid and gid that it runs as.
    """

    git_dir: str
    path: str
    work_tree: str | None = None
    index: str | None = None
    settings: Mapping[str, str] | None = None
    objects: str | None = None
    alternates: tuple[str, ...] = ()
    variables: Mapping[str, str | None] | None = None
    owner: tuple[int, int] | None = None

    def __call__(
        self, *argv: str, stdin: bytes = b"", accepted: Collection[int] = (0,), cwd: str = ""
    ) -> bytes:
        """What git prints. Raises WorkspaceError with what it said when it fails or never ends."""
        return self.start(*argv, piped=bool(stdin), cwd=cwd).answer(stdin, accepted=accepted)

    def start(self, *argv: str, piped: bool = False, cwd: str = "") -> Running:
        """Start it; the answer is asked for later. `piped`: it reads what answer() is given."""
        where = {"GIT_DIR": self.git_dir}
        if self.work_tree is not None:
            where["GIT_WORK_TREE"] = self.work_tree
        if self.index is not None:
            where["GIT_INDEX_FILE"] = self.index
        if self.objects is not None:
            where["GIT_OBJECT_DIRECTORY"] = self.objects
        if self.alternates:
            listed = os.pathsep.join(map(_listed, self.alternates))
            where["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = listed
        asked = {**_QUIET, **where, "PATH": self.path, **(self.variables or {})}
        environment = {name: value for name, value in asked.items() if value is not None}
        settings = {**_SETTINGS, **(self.settings or {})}
        place = cwd or self.work_tree or "/"
        return _started(_with(settings), argv, place, environment, piped=piped, owner=self.owner)


class Running:
    """A git that has been started. A context manager, so that no failure leaves it behind."""

    __slots__ = ("_doing", "process")

    def __init__(self, process: subprocess.Popen[bytes], doing: str) -> None:
        self.process = process
        self._doing = doing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe and not pipe.closed:
                with contextlib.suppress(OSError):  # what was still to be written to it
                    pipe.close()

    def answer(
        self,
        stdin: bytes = b"",
        *,
        accepted: Collection[int] = (0,),
        seconds: float | None = None,
    ) -> bytes:
        """All that it prints. Raises TimeoutError after `seconds`, and can then be asked again."""
        import subprocess  # noqa: PLC0415 - loaded by start()

        try:
            said, complained = self.process.communicate(
                stdin or None, timeout=SECONDS if seconds is None else seconds
            )
        except subprocess.TimeoutExpired:
            if seconds is not None:
                raise TimeoutError from None
            self.__exit__()
            raise WorkspaceError(f"git {self._doing} does not answer within {SECONDS} s") from None
        if self.process.returncode not in accepted:
            words = complained.decode("utf-8", "replace").strip()
            raise WorkspaceError(
                f"git {self._doing} failed: {words or f'exit {self.process.returncode}'}"
            )
        return said


def _listed(path: str) -> str:
    """In git's list of paths one with a colon, or that begins with a quote, is quoted as in C."""
    if ":" not in path and not path.startswith('"'):
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _with(settings: Mapping[str, str]) -> tuple[str, ...]:
    pairs = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    return ("git", "--no-pager", "--literal-pathspecs", *pairs)


def _started(
    git: Sequence[str],
    argv: Sequence[str],
    cwd: str,
    env: Mapping[str, str],
    *,
    piped: bool,
    owner: tuple[int, int] | None,
) -> Running:
    import subprocess  # noqa: PLC0415 - 15 ms that a command without git never pays

    try:
        process = subprocess.Popen(
            [*git, *argv],
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            user=owner[0] if owner else None,
            group=owner[1] if owner else None,
            extra_groups=[] if owner else None,
        )
    except FileNotFoundError as error:
        if error.filename != git[0]:
            raise WorkspaceError(f"{cwd} does not exist") from None
        raise WorkspaceError(
            f"git is needed for {cwd}, and is not on your PATH", hint="sudo apt-get install git"
        ) from None
    return Running(process, f"{argv[0]} in {cwd}")


def top_level(directory: Path) -> Path | None:
    """The nearest directory upwards with a `.git` in it, a link not counted."""
    for root in (directory, *directory.parents):
        git = root / ".git"
        if (git.is_dir() or git.is_file()) and not git.is_symlink():
            return root
    return None


def files(directory: Path, top: Path, *, env: Mapping[str, str]) -> tuple[str, ...]:
    """What is tracked, or untracked and not ignored, below `directory` in the checkout `top`.

    Paths are relative to `directory`. One that ends in `/` is a repository in the repository; a
    submodule is a path that is a directory. Raises WorkspaceError when git cannot say.
    """
    path = env.get("PATH", os.defpath)
    git = Git(git_dir=str(top / ".git"), work_tree=str(top), path=path)
    question = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = git(*question, cwd=str(directory))
    return tuple(os.fsdecode(path) for path in listed.split(b"\0") if path)
