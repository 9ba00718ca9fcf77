"""What `outrig trust` approves as one: a repository's config files and every file that they name.

The digest covers the name and the content of each. It does not say where the repository is, so
that `--trust-hash` in CI means what somebody approved elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outrig.core import value
from outrig.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from outrig.core.layer import Layer


@frozen
class Subject:
    """The files by their names: relative to `root` below it, absolute elsewhere.

    `place` is what an approval is kept for: the repository, or a file named with --config. A file
    that is absent, or cannot be read, is None.
    """

    place: str
    root: str
    files: Mapping[str, bytes | None]


@frozen
class Approval:
    """What somebody approved, with the text that they saw."""

    place: str
    at: str
    digest: str
    files: Mapping[str, str | None]


def digest(files: Mapping[str, bytes | None]) -> str:
    """64 hex digits over every name and content."""
    import hashlib  # noqa: PLC0415 - most repositories have no config

    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{_hex(name.encode('utf-8', 'surrogateescape'))} ".encode())
        content = files[name]
        whole.update(b"-\n" if content is None else f"{_hex(content)}\n".encode())
    return whole.hexdigest()


def _hex(data: bytes) -> str:
    import hashlib  # noqa: PLC0415 - as above

    return hashlib.sha256(data).hexdigest()


def seal(content: bytes) -> str:
    """What one approved file's content is known by, when it is read again."""
    return _hex(content)


def named(layer: Layer, home: str) -> Iterator[str]:
    """The Dockerfiles that a layer's images are built of, as absolute paths."""
    images = layer.values.get("images")
    for entry in images.values() if isinstance(images, dict) else ():
        if not isinstance(entry, dict):
            continue
        said = entry.get("dockerfile") or _below(entry.get("context"))
        if isinstance(said, str) and "\0" not in said:
            try:
                yield value.path(said, base=layer.base, home=home)
            except value.UnexpectedError:  # the cascade says so, with its line
                continue


def _below(context: Any) -> str | None:
    return f"{context}/Dockerfile" if isinstance(context, str) and context else None


def difference(before: Mapping[str, str | None], now: Mapping[str, str | None]) -> list[str]:
    """What changed, as the lines of a unified diff; everything, where nothing was approved."""
    import difflib  # noqa: PLC0415 - only for whoever is asked

    found: list[str] = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        found += difflib.unified_diff(
            [] if old is None else old.split("\n"),
            [] if new is None else new.split("\n"),
            f"approved/{name}" if old is not None else "/dev/null",
            f"now/{name}" if new is not None else "/dev/null",
            lineterm="",
        )
    return found
