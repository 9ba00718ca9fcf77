"""Locality: whether the engine sees this machine's files, which binds and `host` need.

A unix socket may be forwarded from elsewhere, or belong to an engine outside the container that
we are in. So a file with a nonce is written, and the engine is asked to read it back.
"""

from __future__ import annotations

import os
from pathlib import Path

from outrig.core.engine import Locality, Mount
from outrig.engine import archive, learned
from outrig.engine.facts import incarnation
from outrig.errors import EngineError, MountError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from outrig.engine.wire import Wire

SEEN_AT = "/nonce"


def known(wire: Wire, cache: Path) -> Locality | None:
    """What can be said without asking the engine."""
    if wire.endpoint.path is None:
        return Locality(local=False, why=f"{wire.endpoint.url} is no unix socket")
    found = learned.recall(cache, _subject(wire), incarnation(wire))
    return Locality(**found) if found else None


def probe(wire: Wire, cache: Path, image: str, *, labels: Mapping[str, str]) -> Locality:
    """Ask the engine; `image` is any image, for a container that never starts."""
    nonce = os.urandom(16).hex()
    folder = _folder(cache, nonce)
    try:
        (folder / "nonce").write_text(nonce)
        mount = Mount(source=str(folder), target=SEEN_AT)
        try:
            with archive.helper(wire, image, labels=labels, mounts=[mount]) as container:
                read = archive.read_file(wire, container, f"{SEEN_AT}/nonce")
            found = _judged(wire, seen=read == nonce.encode())
        except MountError as error:
            found = Locality(local=False, why=error.message)
        except EngineError as error:  # says nothing of files, and may be another tomorrow
            return Locality(local=False, why=error.message)
    finally:
        (folder / "nonce").unlink(missing_ok=True)
        folder.rmdir()
    value = {"local": found.local, "why": found.why}
    learned.remember(cache, _subject(wire), incarnation(wire), value)
    return found


def _folder(cache: Path, nonce: str) -> Path:
    """A directory of ours alone; without a writable home one in the temporary directory."""
    try:
        folder = cache / f"nonce-{nonce}"
        folder.mkdir(mode=0o700, parents=True)
    except OSError:
        import tempfile  # noqa: PLC0415 - 4 ms, and hardly ever

        folder = Path(tempfile.mkdtemp(prefix="outrig-nonce-"))
    return folder


def _judged(wire: Wire, *, seen: bool) -> Locality:
    why = "sees a file that was just written" if seen else "sees other files than we do"
    return Locality(local=seen, why=f"the engine at {wire.endpoint.url} {why}")


def _subject(wire: Wire) -> str:
    return f"locality {wire.endpoint.url}"
