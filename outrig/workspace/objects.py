"""Commits cross the border: objects of a .git that an agent could write, checked one by one.

No git runs there: `git fetch` would, and obeys that repository's settings. HEAD and refs are read
as data, objects are copied by handle into a quarantine, packs are indexed anew, and what the refs
reach goes into a pack of ours that `index-pack --strict` has checked: each object's own name, its
form, and that all it names is there. What it borrows from, and what it says of replacements,
grafts, commit graphs or bitmaps, counts for nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from typing import TYPE_CHECKING

from outrig.core.frozen import frozen, replace
from outrig.errors import WorkspaceError
from outrig.workspace.folders import Folders
from outrig.workspace.repository import owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from outrig.workspace.repository import Repository

MOST_BYTES = 8 * 1024**3  # of all objects together
MOST_FILES = 1_000_000
_SMALL = 4096  # bytes of HEAD or of a loose ref
_PACKED = 64 * 1024 * 1024  # bytes of packed-refs
_MOST_REFS = 10_000
_PIECE = 256 * 1024
_DEEPEST = 20  # directories in refs/heads

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_LOOSE = re.compile(rb"[0-9a-f]{38}(?:[0-9a-f]{24})?", re.ASCII)
_FAN = re.compile(rb"[0-9a-f]{2}", re.ASCII)
_PACK = re.compile(rb"pack-[0-9a-f]{40}(?:[0-9a-f]{24})?\.pack", re.ASCII)
_REFUSED = re.compile(r"error: object (?P<name>[0-9a-f]+): (?P<why>.*)")
_HEAD = re.compile(rb"refs/heads/[^\x00-\x20\x7f~^:?*\[\\]+", re.ASCII)


class RefusedError(WorkspaceError):
    """An object of a form that git refuses, since it makes an older or careless git do harm."""

    kind = "refused-object"


@frozen
class Refs:
    """What a repository's refs say: the commit at HEAD, its branch, and the branches."""

    head: str | None
    branch: str | None
    heads: Mapping[str, str]  # refs/heads/NAME -> commit


def read_refs(git_dir: Path) -> Refs:
    """HEAD and branches of a hostile repository, as data."""
    with Folders(git_dir) as folders:
        heads = dict(_packed(_text(folders, b"packed-refs", _PACKED)))
        for path in _loose_refs(folders, b"refs/heads", 0):
            value = _text(folders, path, _SMALL).strip()
            if _HEAD.fullmatch(path) and b".." not in path and _NAME.fullmatch(value):
                heads[os.fsdecode(path)] = value.decode()
            if len(heads) > _MOST_REFS:
                raise WorkspaceError(f"the session's repository has more than {_MOST_REFS} refs")
        said = _text(folders, b"HEAD", _SMALL).strip()
    if _NAME.fullmatch(said):
        return Refs(head=said.decode(), branch=None, heads=heads)
    ref = os.fsdecode(said.removeprefix(b"ref: ").strip())
    branch = ref if _HEAD.fullmatch(os.fsencode(ref)) and ".." not in ref else None
    return Refs(head=heads.get(ref), branch=branch, heads=heads)


def bring_home(git_dir: Path, ours: Repository, scratch: Path, *, known: Sequence[str]) -> Refs:
    """Take what HEAD and the branches reach into a repository of ours, as refs/session/*.

    `known` are commits of which nothing needs to come; `scratch` is a directory that may be
    written and is removed. Returns the refs whose commits are whole. Raises WorkspaceError for
    objects that are damaged, or too many.
    """
    refs = read_refs(git_dir)
    shutil.rmtree(scratch, ignore_errors=True)
    quarantine = scratch / "objects"
    (quarantine / "pack").mkdir(mode=0o700, parents=True)
    try:
        aside = replace(ours, objects=quarantine, alternates=(ours.git_dir / "objects",))
        for pack in _copied(git_dir, quarantine):
            aside.run("index-pack", str(pack))
        tips = _commits(aside, {*refs.heads.values(), *([refs.head] if refs.head else [])})
        if refs.head and refs.head not in tips:
            raise WorkspaceError(
                f"the session's HEAD is {refs.head}, and there is no such commit",
                hint="what it did to files is in: outrig patch SESSION",
            )
        if refs.head:
            _must_unfold(aside, refs.head)
        transfer(aside, ours, tips, scratch, known=known, local=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return _named(ours, refs, tips)


def _must_unfold(source: Repository, commit: str) -> None:
    """Raises WorkspaceError for a commit of too many files.

    A tree may name another one often: ten objects unfold into a billion files, and comparing those
    took all memory there was (tried).
    """
    left = MOST_FILES
    with source.git().start("ls-tree", "-r", "-z", "--name-only", commit) as listing:
        pipe = listing.process.stdout
        assert pipe
        while left >= 0 and (data := pipe.read(_PIECE)):
            left -= data.count(b"\0")
    if left < 0:
        raise WorkspaceError(
            f"the session's commit {commit} holds more than {MOST_FILES:,} files",
            hint="what it did to files is in: outrig patch SESSION",
        )


def transfer(
    source: Repository,
    target: Repository,
    tips: set[str],
    scratch: Path,
    *,
    known: Sequence[str] = (),
    local: bool = False,
) -> None:
    """What the tips reach and `known` does not, into the other repository, checked on the way."""
    deliver(packed(source, target, tips, scratch, known=known, local=local), target)


def packed(
    source: Repository,
    target: Repository,
    tips: set[str],
    scratch: Path,
    *,
    known: Sequence[str] = (),
    local: bool = False,
) -> tuple[Path, ...]:
    """The same as packs in `scratch`, which the target would take. Nothing of it is written.

    `local` leaves out what the source itself only borrows. Raises RefusedError.
    """
    if not tips:
        return ()
    wanted = "".join(f"{tip}\n" for tip in sorted(tips))
    without = "".join(f"^{commit}\n" for commit in known)
    own = ["--local"] if local else []
    made = source.run(
        *("pack-objects", "--revs", "--non-empty", "-q", *own, f"{scratch}/pack"),
        stdin=(wanted + without).encode(),
    )
    packs = tuple(scratch / f"pack-{name}.pack" for name in made.decode().split())
    # with no settings but ours
    checking = replace(source, objects=_objects(target), alternates=())
    for pack in packs:
        index = pack.with_suffix(".idx")
        index.unlink(missing_ok=True)
        try:
            checking.run("index-pack", "--strict", "-o", str(index), str(pack))
        except WorkspaceError as error:
            raise _refusal(error, source, tips) from error
    return packs


def deliver(packs: Sequence[Path], target: Repository) -> None:
    """Checked packs, into the target's objects. Each shows when it is whole."""
    for pack in packs:
        for file in (pack, pack.with_suffix(".idx")):  # the index last: with it, the pack is seen
            _put(file, _objects(target) / "pack")


def _objects(repository: Repository) -> Path:
    return repository.objects or repository.git_dir / "objects"


def _refusal(error: WorkspaceError, source: Repository, tips: set[str]) -> WorkspaceError:
    """What git says of an object that it takes from nobody, and where that object is."""
    told = _REFUSED.search(error.message)
    if told is None:
        return error
    where = next(filter(None, (_path(source, tip, told["name"]) for tip in sorted(tips))), None)
    return RefusedError(
        f"git takes {where or told['name']} from nobody: {told['why']}",
        hint="the rest of it: outrig accept SESSION --path PATH; all of it: outrig patch SESSION",
    )


def _path(source: Repository, tip: str, name: str) -> str | None:
    """Where a tree has an object."""
    for line in source.run("ls-tree", "-r", "-t", "-z", tip).split(b"\0"):
        facts, _, path = line.partition(b"\t")
        if facts.split()[2:3] == [name.encode()]:
            return path.decode("utf-8", "backslashreplace")
    return None


def _put(file: Path, folder: Path) -> None:
    """Into a directory of objects, and its owner's; where one of this name is, it has the same."""
    whose = owner(folder.parent)
    if not folder.is_dir():
        folder.mkdir()
        if whose:
            os.chown(folder, *whose)
    if (folder / file.name).exists():
        return
    beside = folder / f"tmp_pack_{os.urandom(6).hex()}"  # a name that `git gc` clears away
    shutil.copyfile(file, beside)
    beside.chmod(0o444)
    if whose:
        os.chown(beside, *whose)
    beside.rename(folder / file.name)


# ---------------------------------------------------------------- the hostile side


def _text(folders: Folders, path: bytes, most: int) -> bytes:
    """A small regular file; b"" for anything else."""
    try:
        spot = folders.spot(path)
        descriptor = os.open(spot.name, _READ, dir_fd=spot.folder) if spot else -1
    except OSError:
        return b""
    if descriptor < 0:
        return b""
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            return b""
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)


def _packed(text: bytes) -> Iterator[tuple[str, str]]:
    for line in text.splitlines()[:_MOST_REFS]:
        name, _, ref = line.partition(b" ")
        if _NAME.fullmatch(name) and _HEAD.fullmatch(ref) and b".." not in ref:
            yield os.fsdecode(ref), name.decode()


def _names(folders: Folders, path: bytes) -> list[bytes]:
    """What a directory holds; nothing where it is none, or a link."""
    try:
        spot = folders.spot(path + b"/x")
        return [os.fsencode(name) for name in os.listdir(spot.folder)] if spot else []  # noqa: PTH208
    except OSError:
        return []


def _loose_refs(folders: Folders, path: bytes, depth: int) -> Iterator[bytes]:
    for name in _names(folders, path) if depth < _DEEPEST else ():
        below = path + b"/" + name
        spot = folders.spot(below)
        found = spot.look() if spot else None
        if found and stat.S_ISDIR(found.st_mode):
            yield from _loose_refs(folders, below, depth + 1)
        elif found and not name.endswith(b".lock"):
            yield below


def _copied(git_dir: Path, quarantine: Path) -> list[Path]:
    """Objects and packs as they are, by handle; the packs. Raises WorkspaceError for too many."""
    room = _Room()
    packs = []
    with Folders(git_dir) as folders:
        for fan in _names(folders, b"objects"):
            if _FAN.fullmatch(fan):
                for name in _names(folders, b"objects/" + fan):
                    if _LOOSE.fullmatch(name):
                        to = quarantine / os.fsdecode(fan) / os.fsdecode(name)
                        _copy(folders, b"objects/" + fan + b"/" + name, to, room)
        for name in _names(folders, b"objects/pack"):
            if _PACK.fullmatch(name):
                to = quarantine / "pack" / os.fsdecode(name)
                if _copy(folders, b"objects/pack/" + name, to, room):
                    packs.append(to)
    return packs


class _Room:
    """How much may still come."""

    def __init__(self) -> None:
        self.files = MOST_FILES
        self.bytes = MOST_BYTES

    def take(self, size: int) -> None:
        self.files -= 1
        self.bytes -= size
        if self.files < 0 or self.bytes < 0:
            raise WorkspaceError(
                f"the session's repository has more than {MOST_FILES} objects or {MOST_BYTES} bytes"
            )


def _copy(folders: Folders, path: bytes, to: Path, room: _Room) -> bool:
    try:
        spot = folders.spot(path)
        descriptor = os.open(spot.name, _READ, dir_fd=spot.folder) if spot else -1
    except OSError:
        return False
    if descriptor < 0:
        return False
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return False
        room.take(found.st_size)
        to.parent.mkdir(exist_ok=True)
        copy = os.open(to, _MAKE, 0o600)
        try:
            left = found.st_size
            while left > 0 and (count := os.sendfile(copy, descriptor, None, left)) > 0:
                left -= count
        finally:
            os.close(copy)
    finally:
        os.close(descriptor)
    return True


def _commits(aside: Repository, names: set[str]) -> set[str]:
    """Those of these objects that are commits, and there."""
    asked = "".join(f"{name}\n" for name in sorted(names)).encode()
    said = aside.run("cat-file", "--batch-check", "--buffer", stdin=asked) if names else b""
    rows = (line.split() for line in said.decode().splitlines())
    return {row[0] for row in rows if len(row) == 3 and row[1] == "commit"}  # noqa: PLR2004


def _named(ours: Repository, refs: Refs, tips: set[str]) -> Refs:
    """The refs whose commits have come, in our repository too, so that nothing lets go of them."""
    heads = {ref: commit for ref, commit in refs.heads.items() if commit in tips and _utf8(ref)}
    head = refs.head if refs.head in tips else None
    lines = [f"create refs/session/{ref.removeprefix('refs/')}" for ref in heads]
    ours.run("update-ref", "--stdin", stdin=_forgotten(ours))
    wanted = [f"{line} {commit}" for line, commit in zip(lines, heads.values(), strict=True)]
    wanted += [f"create refs/session/HEAD {head}"] if head else []
    valid = [line for line in wanted if _is_ref(line.split(" ")[1])]
    ours.run("update-ref", "--stdin", stdin="".join(f"{line}\n" for line in valid).encode())
    return Refs(head=head, branch=refs.branch, heads=heads)


def _forgotten(ours: Repository) -> bytes:
    """Refs of an earlier time; a branch may have made way for a directory of branches."""
    return ours.run("for-each-ref", "--format=delete %(refname)", "refs/session")


def _is_ref(name: str) -> bool:
    """What git takes for a ref's name, but for what the reader's pattern refused already."""
    parts = name.split("/")
    return (
        not any(part.startswith(".") or part.endswith((".", ".lock")) or not part for part in parts)
        and "@{" not in name
    )


def _utf8(ref: str) -> bool:
    return ref.isascii() or not any("\ud800" <= character <= "\udfff" for character in ref)
