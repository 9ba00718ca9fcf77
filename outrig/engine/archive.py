"""Archive: files of an image or a container, read without running anything of it.

A helper container is created from the image, never started, and removed at once; the engine
gives its files as a tar stream. What comes is hostile: sizes are capped, nothing is unpacked.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from posixpath import dirname, join, normpath

from outrig.core.naming import LABEL_ATTEMPT, LABEL_ROLE, LABEL_ROOT
from outrig.engine import learned
from outrig.engine.container import bind
from outrig.engine.failure import NOT_FOUND, refusal
from outrig.engine.line import BAD, Answer
from outrig.errors import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from outrig.core.engine import Image, Mount
    from outrig.engine.wire import Wire

FILE_BYTES = 1024 * 1024
LINKS = 8  # followed at most
LINK_MODE = 1 << 27  # Go's os.ModeSymlink in the path's stat


def helper_labels(*, root: str, attempt: str) -> Mapping[str, str]:
    """What a helper carries, so that clean-up finds one whose maker was killed."""
    return {LABEL_ROLE: "helper", LABEL_ATTEMPT: attempt, LABEL_ROOT: root}


@contextmanager
def helper(
    wire: Wire, image: str, *, labels: Mapping[str, str], mounts: Sequence[Mount] = ()
) -> Iterator[str]:
    """The id of a container that is never started."""
    made = {
        "Image": image,
        "Cmd": ["outrig-helper-is-never-started"],
        "Entrypoint": [""],
        "Labels": dict(labels),
        "HostConfig": {"NetworkMode": "none", "Mounts": [bind(mount) for mount in mounts]},
    }
    answer = wire.call("POST", "/containers/create", body=made)
    if not answer.fine:
        raise refusal(answer, "create a helper container")
    container = str(answer.json()["Id"])
    try:
        yield container
    finally:
        wire.call("DELETE", f"/containers/{container}", query={"force": "1", "v": "1"})


def read_files(
    wire: Wire,
    cache: Path,
    image: Image,
    paths: Sequence[str],
    *,
    labels: Mapping[str, str],
) -> Mapping[str, bytes | None]:
    """Small files of an image, None for each that is absent; remembered by the image's id."""
    key = " ".join((image.id, *paths))
    subject = f"files {image.id}"
    known = learned.recall(cache, subject, key)
    if known is None:
        with helper(wire, image.id, labels=labels) as container:
            found = {path: read_file(wire, container, path) for path in paths}
        known = {path: _text(data) for path, data in found.items()}
        learned.remember(cache, subject, key, known)
    return {path: _bytes(text) for path, text in known.items()}


def real_paths(
    wire: Wire,
    cache: Path,
    image: Image,
    paths: Sequence[str],
    *,
    labels: Mapping[str, str],
) -> Mapping[str, str]:
    """Where paths lead in an image, its links followed; remembered by the image's id."""
    key = " ".join((image.id, *paths))
    subject = f"paths {image.id}"
    known = learned.recall(cache, subject, key)
    if known is None:
        with helper(wire, image.id, labels=labels) as container:
            known = {path: _real_path(wire, container, path) for path in paths}
        learned.remember(cache, subject, key, known)
    return {str(path): str(real) for path, real in known.items()}


def _real_path(wire: Wire, container: str, path: str) -> str:
    """The engine follows the links above a path, so each component is asked for."""
    here = "/"
    for part in normpath(path).split("/")[1:]:
        here = join(here, part)
        query = {"path": here}
        with wire.stream("GET", f"/containers/{container}/archive", query=query) as (head, _):
            stat = _stat(head.headers.get("x-docker-container-path-stat", ""))
        if int(stat.get("mode", 0)) & LINK_MODE:
            here = normpath(join(dirname(here), str(stat.get("linkTarget", ""))))
    return here


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("latin-1")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")


def read_file(wire: Wire, container: str, path: str) -> bytes | None:
    """One regular file, links followed inside the container; None when there is none.

    Raises EngineError for one that is larger than FILE_BYTES.
    """
    for _ in range(LINKS):
        query = {"path": path}
        with wire.stream("GET", f"/containers/{container}/archive", query=query) as (head, body):
            if head.status == NOT_FOUND:
                return None
            if head.status >= BAD:
                said = Answer(status=head.status, headers=head.headers, body=b"".join(body))
                raise refusal(said, f"read {path} of the image")
            stat = _stat(head.headers.get("x-docker-container-path-stat", ""))
            if not int(stat.get("mode", 0)) & LINK_MODE:
                return _first_file(body, path)
        path = normpath(join(dirname(path), str(stat.get("linkTarget", ""))))
    return None


def _stat(header: str) -> Mapping[str, Any]:
    from base64 import b64decode  # noqa: PLC0415 - only the first run on an image reads files

    try:
        found = json.loads(b64decode(header))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _first_file(body: Iterable[bytes], path: str) -> bytes | None:
    import tarfile  # noqa: PLC0415 - 13 ms, and only the first run on an image reads files of it

    reader: Any = _Reader(body)  # as much of a file as tarfile reads of one
    try:
        with tarfile.open(fileobj=reader, mode="r|") as tar:
            first = tar.next()
            if first is None or not first.isreg():
                return None
            if first.size > FILE_BYTES:
                raise EngineError(f"{path} of the image has {first.size} bytes, which is too many")
            data = tar.extractfile(first)
            return data.read(FILE_BYTES) if data else None
    except tarfile.TarError as error:
        raise EngineError(f"the engine's archive of {path} is broken: {error}") from error


class _Reader:
    """An iterable of bytes as something that tarfile can read from."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = b""

    def read(self, size: int) -> bytes:
        while len(self._left) < size and (piece := next(self._pieces, b"")):
            self._left += piece
        found, self._left = self._left[:size], self._left[size:]
        return found
