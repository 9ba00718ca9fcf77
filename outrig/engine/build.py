"""Building an image: a tar stream goes in, the engine's log comes out, a tag exists at the end.

The engine builds without a tag, and the tag is given when all of it has succeeded: a build that
failed or was broken off leaves none. Breaking off is closing the connection. It is the classic
builder that is spoken to, which every engine has: no heredoc, no `RUN --mount`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from outrig.engine import images
from outrig.engine.credentials import for_build
from outrig.engine.failure import refusal
from outrig.engine.line import Answer
from outrig.engine.progress import Transfer, events
from outrig.errors import BaseImageError, BuildError, EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from outrig.core.engine import Image
    from outrig.engine.wire import Wire

# Step 2/5 : FROM ${FROM}
_STEP = re.compile(r"Step \d+/\d+ : (?P<instruction>.*)")
# the --mount option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn ...
_BUILDKIT = "requires BuildKit"


def build(
    wire: Wire,
    *,
    tag: str,
    context: Iterable[bytes],
    dockerfile: str,
    build_args: Mapping[str, str],
    no_cache: bool,
    show: Callable[[str], None],
) -> Image:
    """Build, tag, and describe the image. `show` gets the log, line by line.

    Raises BaseImageError where the image after FROM is neither there nor can be pulled, and
    BuildError for every other end of it.
    """
    query = {
        "dockerfile": dockerfile,
        "buildargs": json.dumps(dict(build_args)),
        "nocache": "1" if no_cache else "0",
        "rm": "1",
        "forcerm": "1",
    }
    with wire.stream(
        "POST", "/build", query=query, body=context, headers=for_build(show), seconds=None
    ) as (head, body):
        if head.status >= 400:  # noqa: PLR2004 - HTTP's own bound
            said = Answer(status=head.status, headers=head.headers, body=b"".join(body))
            raise BuildError(f"the engine refused to build {tag}: {said.message}")
        built = _log(body, tag, show)
    return _tagged(wire, built, tag)


def _log(body: Iterable[bytes], tag: str, show: Callable[[str], None]) -> str:
    """Show what the engine says; the id of what it built."""
    instruction = built = text = ""
    transfer = Transfer()
    for event in events(body):
        if "error" in event:
            raise _failed(tag, str(event["error"]), instruction)
        if "stream" in event:
            *lines, text = (text + str(event["stream"])).split("\n")
            for line in lines:
                if found := _STEP.match(line):
                    instruction = found["instruction"]
                show(line)
        elif told := transfer.line(event):
            show(told)
        aux = event.get("aux")
        built = str(aux["ID"]) if isinstance(aux, dict) and "ID" in aux else built
    if text:
        show(text)
    if not built:
        raise EngineUnreachableError(f"the engine stopped building {tag} without a word")
    return built


def _failed(tag: str, words: str, instruction: str) -> BuildError:
    if instruction.startswith("FROM ") and _BUILDKIT not in words:
        return BaseImageError(
            f"the image that {tag} stands on cannot be pulled ({instruction}): {words}"
        )
    name = tag.rpartition(":")[0]
    hint = f"docker buildx build --load -t {name} ..., then --image {name}"
    return BuildError(
        f"{tag} could not be built: {words}", hint=hint if _BUILDKIT in words else None
    )


def _tagged(wire: Wire, built: str, tag: str) -> Image:
    repository, _, name = tag.rpartition(":")
    query = {"repo": repository, "tag": name}
    answer = wire.call("POST", f"/images/{built}/tag", query=query)
    if not answer.fine:
        raise refusal(answer, f"tag the image {tag}")
    image = images.inspect(wire, tag)
    if image is None:
        raise BuildError(f"{tag} was built and is not there any more", hint="build again")
    return image
