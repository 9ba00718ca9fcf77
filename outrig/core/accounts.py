"""passwd and group files for a session: the image's own entries, and one for its user.

An entry of the image with the same uid or gid keeps its name (an image's `node` stays `node`);
only then does nothing need to be added. A name that the image gives to somebody else is not
taken from them.
"""

from __future__ import annotations

ROOT = "root:x:0:0:root:/root:/bin/sh"
ROOT_GROUP = "root:x:0:"
NOBODY = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"
NOBODY_GROUP = "nogroup:x:65534:"
_SHELL = "/bin/sh"
_ID_FIELD = 2


def passwd(image: str, *, uid: int, gid: int, name: str, home: str) -> str:
    """The text of /etc/passwd; `image` is the image's own, or "" when it has none."""
    lines = _lines(image) or [ROOT, NOBODY]
    if _has(lines, uid):
        lines = [_at_home(line, home) if _id(line) == str(uid) else line for line in lines]
    else:
        free = _free(name, lines)
        lines.append(f"{free}:x:{uid}:{gid}:{free}:{home}:{_SHELL}")
    return "\n".join(lines) + "\n"


def group(image: str, *, gid: int, name: str) -> str:
    """The text of /etc/group; `image` is the image's own, or "" when it has none."""
    lines = _lines(image) or [ROOT_GROUP, NOBODY_GROUP]
    if not _has(lines, gid):
        lines.append(f"{_free(name, lines)}:x:{gid}:")
    return "\n".join(lines) + "\n"


def _lines(text: str) -> list[str]:
    """A newline alone ends an entry; splitlines() breaks one at U+2028 and could forge another."""
    return [line for line in text.split("\n") if line.count(":") > _ID_FIELD]


def _id(line: str) -> str:
    return line.split(":")[_ID_FIELD]


def _has(lines: list[str], number: int) -> bool:
    return any(_id(line) == str(number) for line in lines)


def _at_home(line: str, home: str) -> str:
    """The image's entry with the session's HOME, which ssh and others take from here."""
    fields = line.split(":")
    return ":".join((*fields[:5], home, *fields[6:])) if len(fields) > 6 else line  # noqa: PLR2004


def _free(name: str, lines: list[str]) -> str:
    taken = {line.split(":", 1)[0] for line in lines}
    wanted = name if name and not set(name) & set(":\n/ ") else "outrig"
    candidates = (wanted, "outrig", *(f"outrig{number}" for number in range(1, len(lines) + 2)))
    return next(candidate for candidate in candidates if candidate not in taken)
