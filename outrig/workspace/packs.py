"""Packs: how commits cross from one repository into another, each object checked on the way.

What the tips reach goes into a pack of ours that `index-pack --strict` takes, with no settings but
ours: each object's own name, its form, and that all it names is there.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from outrig.core.frozen import replace
from outrig.errors import WorkspaceError
from outrig.workspace.repository import owner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from outrig.workspace.repository import Repository

# Of what a session made: as many deltas at once as fit, where git would take all there is.
_MODEST = ("--threads=2", "--window-memory=256m")
_MOST_LOOKED_AT = 1_000_000  # entries of a tree, in search of a name for an object
_PIECE = 256 * 1024
_REFUSED = re.compile(r"error: object (?P<name>[0-9a-f]+): (?P<why>.*)")


class RefusedError(WorkspaceError):
    """An object of a form that git refuses, since it makes an older or careless git do harm."""

    kind = "refused-object"


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
        *("pack-objects", "--revs", "--non-empty", "-q", *own, *_MODEST, f"{scratch}/pack"),
        stdin=(wanted + without).encode(),
    )
    packs = tuple(scratch / f"pack-{name}.pack" for name in made.decode().split())
    # with no settings but ours
    checking = replace(source, objects=_objects(target), alternates=())
    for pack in packs:
        index = pack.with_suffix(".idx")
        index.unlink(missing_ok=True)
        try:
            checking.run("index-pack", "--strict", "--threads=1", "-o", str(index), str(pack))
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
    """Where a tree has an object, which may unfold into more than anybody can look at."""
    left, rest = _MOST_LOOKED_AT, b""
    with source.git().start("ls-tree", "-r", "-t", "-z", tip) as listing:
        pipe = listing.process.stdout
        assert pipe
        while left > 0 and (data := pipe.read(_PIECE)):
            *lines, rest = (rest + data).split(b"\0")
            left -= len(lines)
            for line in lines:
                facts, _, path = line.partition(b"\t")
                if facts.split()[2:3] == [name.encode()]:
                    return path.decode("utf-8", "backslashreplace")
    return None


def _put(file: Path, folder: Path) -> None:
    """Into a directory of objects, and its owner's; where one of this name is, it has the same."""
    whose = owner(folder.parent)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise WorkspaceError(f"{folder} is no directory of its own; outrig does not follow it")
    if not folder.exists():
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
