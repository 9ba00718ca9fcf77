"""Images: what is present on the engine; pulling, building and importing what is not."""

from __future__ import annotations

import json

from outrig.core.engine import Image
from outrig.engine.failure import NOT_FOUND, refusal
from outrig.engine.line import Answer
from outrig.errors import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from outrig.engine.wire import Query, Wire

IMPORT_SECONDS = 600.0
OURS = "outrig/*"


def inspect(wire: Wire, reference: str) -> Image | None:
    """None too for what cannot name an image; in a path of the API it would mean another."""
    if {"", ".", ".."}.intersection(reference.split("/")):
        return None
    answer = wire.call("GET", f"/images/{reference}/json")
    if answer.fine:
        return read(answer.json(), reference)
    if answer.status == NOT_FOUND or "invalid reference format" in answer.message:
        return None
    raise refusal(answer, f"look at the image {reference}")


def read(found: Mapping[str, Any], reference: str) -> Image:
    """The answer to an image's inspection."""
    config = found.get("Config") or {}
    digests = found.get("RepoDigests") or ()
    pairs = (text.partition("=") for text in config.get("Env") or ())
    return Image(
        reference=reference,
        id=str(found["Id"]),
        digest=str(digests[0]) if digests else None,
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        user=str(config.get("User") or ""),
        environment={name: value for name, _, value in pairs},
        working_dir=str(config.get("WorkingDir") or ""),
        size=int(found.get("Size") or 0),
        created=str(found.get("Created") or ""),
        tags=tuple(found.get("RepoTags") or ()),
    )


def ours(wire: Wire) -> Sequence[Image]:
    """Every image with a tag of ours, each inspected, newest first."""
    filters = json.dumps({"reference": [OURS]})
    answer = wire.call("GET", "/images/json", query={"filters": filters})
    if not answer.fine:
        raise refusal(answer, "list its images")
    tags = [tag for one in answer.json() for tag in one.get("RepoTags") or ()]
    found = [inspect(wire, tag) for tag in tags if tag.startswith("outrig/")]
    return sorted(filter(None, found), key=lambda image: image.created, reverse=True)


def remove(wire: Wire, reference: str) -> None:
    """Not by force: docker refuses while a container, running or not, is made of it."""
    answer = wire.call("DELETE", f"/images/{reference}", seconds=IMPORT_SECONDS)
    if not answer.fine and answer.status != NOT_FOUND:
        raise refusal(answer, f"remove the image {reference}")


def import_image(
    wire: Wire, tag: str, archive: bytes | Iterable[bytes], changes: Sequence[str]
) -> Image:
    """Make an image of one layer from a tar stream."""
    repository, _, name = tag.rpartition(":")
    query: Query = {
        "fromSrc": "-",
        "repo": repository,
        "tag": name,
        "changes": tuple(changes),
    }
    with wire.stream(
        "POST", "/images/create", query=query, body=archive, seconds=IMPORT_SECONDS
    ) as (head, body):
        said = Answer(status=head.status, headers=head.headers, body=b"".join(body))
    if not said.fine:
        raise refusal(said, f"import the image {tag}")
    for line in said.body.splitlines():
        if "error" in json.loads(line or b"{}"):
            raise EngineError(f"the engine could not import the image {tag}: {line.decode()}")
    image = inspect(wire, tag)
    if image is None:
        raise EngineError(f"the engine imported the image {tag} and does not have it")
    return image
