"""What `outrig trust` approves as one: a repository's config files and every file that they name.

A secret's own file is none of them: what is approved is shown.

The digest covers the name and the content of each. It does not say where the repository is, so
that `--trust-hash` in CI means what somebody approved elsewhere.
"""

from __future__ import annotations

from outrig.core import value
from outrig.core.frozen import frozen
from outrig.core.trust import is_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

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
    """The files that a layer names, as absolute paths: Dockerfiles, a seccomp profile, programs."""
    images, security = layer.values.get("images"), layer.values.get("security")
    entries = [one for one in _tables(images) if isinstance(one, dict)]
    said = [one.get("dockerfile") or _below(one.get("context")) for one in entries]
    said += [security.get("seccomp")] if isinstance(security, dict) else []
    for text in said:
        if isinstance(text, str) and "\0" not in text:
            try:
                yield value.path(text, base=layer.base, home=home)
            except value.UnexpectedError:  # the cascade says so, with its line
                continue
    for entry in _tables(layer.values.get("secrets")):
        source = entry.get("from") if isinstance(entry, dict) else None
        for path in words(source) if isinstance(source, str) else ():
            if is_inside(path, layer.root or layer.base):
                yield path


def words(source: str) -> Iterator[str]:
    """What may be files among the words of a secret's command, which runs in /."""
    kind, _, command = source.partition(":")
    if kind != "command" or "\0" in command:
        return
    import shlex  # noqa: PLC0415 - most secrets need none
    from posixpath import join, normpath  # noqa: PLC0415

    try:
        yield from dict.fromkeys(normpath(join("/", word)) for word in shlex.split(command))
    except ValueError:  # whoever wants its value is told
        return


def _tables(named_: Any) -> Iterable[Any]:
    return named_.values() if isinstance(named_, dict) else ()


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
