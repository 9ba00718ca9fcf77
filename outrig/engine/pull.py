"""Pulling an image: only ever one that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outrig.engine import images
from outrig.engine.credentials import for_pull
from outrig.engine.failure import NOT_FOUND
from outrig.engine.line import Answer
from outrig.engine.progress import Transfer, events
from outrig.errors import ImageMissingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from outrig.core.engine import Image
    from outrig.engine.wire import Wire

SECONDS = 300.0  # without a word; an engine that extracts a large layer is silent for long


def pull(wire: Wire, reference: str, show: Callable[[str], None]) -> Image:
    """Fetch an image from its registry. `show` is told how far it is, a line at a time."""
    whole = with_tag(reference)
    query = {"fromImage": whole}
    with wire.stream(
        "POST", "/images/create", query=query, headers=for_pull(whole), seconds=SECONDS
    ) as (head, body):
        if head.status >= 400:  # noqa: PLR2004 - HTTP's own bound
            said = Answer(status=head.status, headers=head.headers, body=b"".join(body))
            raise _failed(whole, said.message, absent=head.status == NOT_FOUND)
        transfer = Transfer()
        for event in events(body):
            if "error" in event:
                raise _failed(whole, str(event["error"]), absent=False)
            if line := transfer.line(event):
                show(line)
    image = images.inspect(wire, reference)
    if image is None:
        raise _failed(whole, "the engine does not have it after all", absent=False)
    return image


def with_tag(reference: str) -> str:
    """Without a tag the engine would fetch all there are."""
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def _failed(reference: str, words: str, *, absent: bool) -> ImageMissingError:
    hint = "correct image-name, or docker login" if absent else "docker load brings it from a file"
    return ImageMissingError(f"{reference} could not be pulled: {words}", hint=hint)
