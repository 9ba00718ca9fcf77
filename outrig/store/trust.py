"""Approvals of repositories' configs: what the user has seen and agreed to, kept outside of them.

    $XDG_STATE_HOME/outrig/trust/<digest of the place>.json

Each holds the text that was approved, so that a change can be shown. What is judged are the very
bytes that were read as configuration; the Dockerfiles they name are read once more here, and
whoever builds one compares it with the seal.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrig.core import approval
from outrig.core.approval import Approval, Subject
from outrig.core.frozen import replace
from outrig.core.moment import time_text
from outrig.errors import ConfigError, StoreError, reason
from outrig.store import config, file, places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from outrig.core.layer import Layer

DIRECTORY = "trust"


def subject(layers: Sequence[Layer], home: Path) -> Subject | None:
    """What an approval would be of; None where no repository has a config."""
    said = [one for one in layers if one.source.is_repo and one.file]
    if not said:
        return None
    root = said[0].root or said[0].base
    files: dict[str, bytes | None] = {_name(str(one.file), root): one.data for one in said}
    for one in said:
        for path in approval.named(one, str(home)):
            files.setdefault(_name(path, root), _content(path))
    usual = Path(str(said[0].file)).parent == Path(root, *places.REPO_CONFIG.parent.parts)
    return Subject(place=root if usual else str(said[0].file), root=root, files=files)


def seals(subject: Subject) -> Mapping[str, str]:
    """What the approved files hold, by their paths as declared; "" for what nobody could see."""
    return {
        os.path.join(subject.root, name): "" if content is None else approval.seal(content)
        for name, content in subject.files.items()
    }


def kept_seals(state: Path, place: str) -> Mapping[str, str]:
    """The seals of what was approved there, whatever it holds now. Raises StoreError."""
    found = read(state, place)
    texts_ = found.files if found else {}
    return {
        os.path.join(place, name): ""
        if text is None
        else approval.seal(text.encode("utf-8", "surrogateescape"))
        for name, text in texts_.items()
    }


def _name(path: str, root: str) -> str:
    below = os.path.relpath(path, root)
    return path if below.startswith("../") else below


def _content(path: str) -> bytes | None:
    """A Dockerfile, its links resolved; None for what cannot be built of anyway."""
    try:
        return config.read(Path(os.path.realpath(path)))
    except (ConfigError, OSError):
        return None


# ---------------------------------------------------------------- approvals


def judged(
    layers: Sequence[Layer], *, state: Path, home: Path, trust_hash: str | None
) -> tuple[list[Layer], Subject | None, Mapping[str, str]]:
    """The layers, each repository's approved or not; what was judged; the seals if it is."""
    found = subject(layers, home)
    if trust_hash is not None:
        given: Approval | None = by_hash(found, trust_hash)
    else:
        given = read(state, found.place) if found else None
    if found is None or given is None or given.digest != approval.digest(found.files):
        return list(layers), found, {}
    approved = [replace(one, approved=True) if one.source.is_repo else one for one in layers]
    return approved, found, seals(found)


def by_hash(found: Subject | None, expected: str) -> Approval:
    """--trust-hash: approved for this once. Raises ConfigError where something else is there."""
    actual = approval.digest(found.files) if found else None
    if found is None or actual != expected.strip().lower():
        what = f"is {actual}" if actual else "cannot be: there is no repository config"
        raise ConfigError(
            f"the hash of what would be trusted {what}, and --trust-hash says {expected}",
            hint="outrig trust --show, and look at what has changed",
        )
    return Approval(place=found.place, at="", digest=expected.strip().lower(), files={})


def read(state: Path, place: str) -> Approval | None:
    """What was approved for a place. Raises StoreError for an approval that is not ours."""
    return _read(_path(state, place))


def every(state: Path) -> Iterator[Approval]:
    try:
        entries = sorted((state / DIRECTORY).iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.suffix == ".json" and (found := _read(entry)):
            yield found


def approve(state: Path, found: Subject, *, at: datetime) -> Approval:
    """Keep it. Raises StoreError."""
    made = Approval(
        place=found.place,
        at=time_text(at),
        digest=approval.digest(found.files),
        files=texts(found),
    )
    path = _path(state, found.place)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fields = {"place": made.place, "at": made.at, "digest": made.digest, "files": made.files}
        file.write_object(str(path), fields)
    except OSError as error:
        raise StoreError(f"the approval cannot be kept: {reason(error)}") from error
    return made


def revoke(state: Path, place: str) -> bool:
    """Take it back; whether there was one. Raises StoreError."""
    try:
        _path(state, place).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"the approval cannot be removed: {reason(error)}") from error
    return True


def texts(found: Subject) -> dict[str, str | None]:
    """The contents as text that JSON can hold, whatever their bytes."""
    return {
        name: None if content is None else content.decode(errors="surrogateescape")
        for name, content in found.files.items()
    }


def _path(state: Path, place: str) -> Path:
    name = approval.seal(place.encode("utf-8", "surrogateescape"))
    return state / DIRECTORY / f"{name}.json"


def _read(path: Path) -> Approval | None:
    try:
        owner = path.lstat().st_uid
        if owner not in (os.geteuid(), 0):
            raise StoreError(f"{path} belongs to uid {owner}, not to you", hint=f"look at {path}")
        fields: Mapping[str, Any] = file.read_object(str(path))
    except FileNotFoundError:
        return None
    except (OSError, file.UnreadableError) as error:
        raise StoreError(
            f"the approval {path} cannot be read: {error}", hint=f"rm {path}; outrig trust"
        ) from error
    texts_ = fields.get("files")
    return Approval(
        place=str(fields.get("place", "")),
        at=str(fields.get("at", "")),
        digest=str(fields.get("digest", "")),
        files=texts_ if isinstance(texts_, dict) else {},
    )
