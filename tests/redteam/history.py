"""Objects and refs that a session can plant into its own repository, made byte by byte."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.runner.works import Worked

Plant = Callable[["Worked"], object]
WHO = b"A <a@b> 1767225600 +0000"


def loose(worked: Worked, kind: str, data: bytes, *, size: int | None = None) -> str:
    """An object as git would store it; `size` is what it claims to have."""
    head = f"{kind} {len(data) if size is None else size}\0".encode()
    name = hashlib.sha1(head + data, usedforsecurity=False).hexdigest()
    path = worked.git_dir / "objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(head + data, 1))
    return name


def tree(worked: Worked, *entries: tuple[str, bytes, str]) -> str:
    rows = (f"{mode} ".encode() + name + b"\0" + bytes.fromhex(at) for mode, name, at in entries)
    return loose(worked, "tree", b"".join(rows))


def commit(worked: Worked, top: str, message: bytes = b"agent\n", *, parents: bool = True) -> str:
    parent = f"parent {worked.git('rev-parse', 'HEAD')}\n".encode() if parents else b""
    head = f"tree {top}\n".encode() + parent + b"author " + WHO + b"\ncommitter " + WHO
    return loose(worked, "commit", head + b"\n\n" + message)


def point(worked: Worked, name: str, ref: str = "refs/heads/main") -> None:
    path = worked.git_dir / ref
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{name}\n")


def bomb(worked: Worked, levels: int = 9) -> str:
    below, mode = loose(worked, "blob", b"x\n"), "100644"
    for _ in range(levels):
        below = tree(worked, *((mode, b"%d" % one, below) for one in range(10)))
        mode = "40000"
    return below


def refused_bomb(worked: Worked) -> None:
    """At another ref, with a name that git refuses: where is it?"""
    bad = tree(worked, ("100644", b".git", loose(worked, "blob", b"x\n")))
    top = tree(worked, ("40000", b"a", bomb(worked)), ("40000", b"z", bad))
    point(worked, commit(worked, top), "refs/heads/other")


def bomb_elsewhere(worked: Worked) -> None:
    top = commit(worked, bomb(worked))
    for ref in ("refs/heads/other", "refs/tags/t", "refs/notes/n", "refs/stash", "refs/x/y"):
        point(worked, top, ref)
    line = f"{'0' * 40} {top} {WHO.decode()}\tx\n"
    (worked.git_dir / "logs").mkdir(exist_ok=True)
    (worked.git_dir / "logs/HEAD").write_text(line)


def deep(worked: Worked, levels: int = 60_000) -> None:
    below, mode = loose(worked, "blob", b"x\n"), "100644"
    for _ in range(levels):
        below, mode = tree(worked, (mode, b"d", below)), "40000"
    point(worked, commit(worked, below))


def wide(worked: Worked, count: int = 1_000_000) -> None:
    blob = bytes.fromhex(loose(worked, "blob", b"x\n"))
    data = b"".join(b"100644 %07d\0" % one + blob for one in range(count))
    point(worked, commit(worked, loose(worked, "tree", data)))


def long_message(worked: Worked, size: int) -> None:
    top = worked.git("rev-parse", "HEAD^{tree}")
    point(worked, commit(worked, top, b"x" * size))


def claims(kind: str) -> Callable[[Worked], None]:
    """An object that claims to be of 40 GB."""

    def plant(worked: Worked) -> None:
        name = loose(worked, kind, b"100644 x\0" + bytes(20), size=40 << 30)
        if kind == "commit":
            point(worked, name)
        elif kind == "tree":
            point(worked, commit(worked, name))
        else:
            point(worked, commit(worked, tree(worked, ("100644", b"x", name))))

    return plant


def zeros(worked: Worked) -> None:
    """4 GB of nothing in a few MB."""
    size = 4 << 30
    head = f"blob {size}\0".encode()
    packing, digest = zlib.compressobj(1), hashlib.sha1(head, usedforsecurity=False)
    path = worked.git_dir / "objects/made"
    with path.open("wb") as file:
        file.write(packing.compress(head))
        piece = bytes(1 << 24)
        for _ in range(size >> 24):
            digest.update(piece)
            file.write(packing.compress(piece))
        file.write(packing.flush())
    name = digest.hexdigest()
    place = worked.git_dir / "objects" / name[:2] / name[2:]
    place.parent.mkdir(exist_ok=True)
    path.rename(place)
    point(worked, commit(worked, tree(worked, ("100644", b"zeros", name))))


# ------------------------------------------------------------------ packs


def number(value: int) -> bytes:
    """As deltas have their sizes."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def entry(kind: int, size: int, data: bytes, base: str = "") -> bytes:
    first, rest = size & 15 | kind << 4, size >> 4
    head = number(rest) if rest else b""
    return bytes([first | (0x80 if rest else 0)]) + head + bytes.fromhex(base) + zlib.compress(data)


def delta(worked: Worked, *, size: int, count: int) -> None:
    """Deltas that copy one block of 16 MB again and again, each a little different."""
    block = bytes((1 << 24) - 1)
    base = hashlib.sha1(b"blob %d\0" % len(block) + block, usedforsecurity=False).hexdigest()
    entries = [entry(3, len(block), block)]
    for one in range(count):
        copies = size // len(block)
        mark = b"\4%04d" % one
        words = number(len(block)) + number(copies * len(block) + 4)
        words += b"\xf0\xff\xff\xff" * copies + mark
        entries.append(entry(7, len(words), words, base))
    data = struct.pack("!4sII", b"PACK", 2, len(entries)) + b"".join(entries)
    data += hashlib.sha1(data, usedforsecurity=False).digest()
    (worked.git_dir / f"objects/pack/pack-{data[-20:].hex()}.pack").write_bytes(data)
    point(worked, commit(worked, tree(worked, ("100644", b"x", base))))


NAMES = (
    *(
        b".git",
        b".GIT",
        b"git~1",
        b".g\xe2\x80\x8cit",
        b"..",
        b".",
        b"a/b",
        b"",
        b".git ",
        b".git.",
    ),
    *(b".git::$INDEX_ALLOCATION", b"x" * 5000),
)
BEARABLE = (b".gitmodules", b"-x", b"\x1b]0;x\x07", b"a\nb", b"\xff", b"x" * 300)


def named(name: bytes, mode: str = "100644") -> Callable[[Worked], None]:
    def plant(worked: Worked) -> None:
        held = loose(worked, "blob", b"/outside\n")
        if mode == "40000":
            held = tree(worked, ("100644", b"config", held))
        point(worked, commit(worked, tree(worked, (mode, name, held))))

    return plant


def twice(worked: Worked) -> None:
    """A link to the outside, and a directory of the same name with a file to be written."""
    link = loose(worked, "blob", b"/tmp")
    below = tree(worked, ("100644", b"owned", loose(worked, "blob", b"x\n")))
    point(worked, commit(worked, tree(worked, ("120000", b"d", link), ("40000", b"d", below))))


def hostile_refs(worked: Worked) -> None:
    head = worked.git("rev-parse", "HEAD")
    folder = worked.git_dir / "refs/heads"
    names = ("-x", "..x", "a..b", "x.lock", "@{0}", "\x1b]0;x\x07", "a\nb", "HEAD", "\udcff")
    for name in (*names, "x" * 200):
        (folder / name).write_text(f"{head}\n")
    packed = ("../../../x", "--upload-pack=x", "a b")
    lines = [f"{head} refs/heads/{one}" for one in packed]
    (worked.git_dir / "packed-refs").write_text("\n".join(lines) + "\n")


def head_of(text: str) -> Plant:
    return lambda worked: (worked.git_dir / "HEAD").write_text(text)


def _plain(worked: Worked, parent: str, more: str) -> None:
    top = worked.git("rev-parse", "HEAD^{tree}")
    point(worked, loose(worked, "commit", f"tree {top}\nparent {parent}\n{more}".encode()))


def odd_parent(worked: Worked) -> None:
    _plain(
        worked, loose(worked, "blob", b"x"), "author A <a@b> 1 +0\ncommitter A <a@b> 1 +0\n\nm\n"
    )


def escapes(worked: Worked) -> None:
    words = "\x1b]0;x\x07\x1b[2J"
    who = f"{words} <{words}> 1767225600 +0000"
    _plain(worked, worked.git("rev-parse", "HEAD"), f"author {who}\ncommitter {who}\n\n{words}\n")


def many_packs(worked: Worked) -> None:
    for one in range(3000):
        (worked.git_dir / f"objects/pack/pack-{one:040x}.pack").write_bytes(
            b"PACK\0\0\0\2\0\0\0\0" + bytes(20)
        )


# What git itself takes from nobody.
REFUSED: dict[str, Plant] = {
    **{f"a file called {name!a}": named(name) for name in NAMES},
    **{f"a directory called {name!a}": named(name, "40000") for name in NAMES[:5]},
    "a link called .git": named(b".git", "120000"),
    "a link called .gitmodules": named(b".gitmodules", "120000"),
    "a link and a directory": twice,
    "an object in place of a parent": odd_parent,
}
# What git takes, and outrig has to bear.
ODD: dict[str, Plant] = {
    **{f"a file called {name[:20]!a}": named(name) for name in BEARABLE},
    "a mode of its own": named(b"x", "104755"),
    "hostile refs": hostile_refs,
    "HEAD leads out": head_of("ref: ../../../../etc/passwd\n"),
    "HEAD is an option": head_of("ref: refs/heads/--exec=x\n"),
    "HEAD is a megabyte": head_of("ref: refs/heads/" + "x" * (1 << 20)),
    "a commit with escapes": escapes,
}
BOMBS: dict[str, Plant] = {
    "a tree bomb": lambda worked: point(worked, commit(worked, bomb(worked))),
    "a tree bomb at other refs": bomb_elsewhere,
    "a refused tree bomb at another ref": refused_bomb,
    "a message of 20 MB": lambda worked: long_message(worked, 20 << 20),
    "a commit that claims 40 GB": claims("commit"),
    "a tree that claims 40 GB": claims("tree"),
    "a blob that claims 40 GB": claims("blob"),
    "directories 3,000 deep": lambda worked: deep(worked, 3000),
    "a delta of 4 GB": lambda worked: delta(worked, size=(4 << 30) - (1 << 26), count=1),
}
HUGE: dict[str, Plant] = {
    "4 GB of zeros": zeros,
    "50 deltas of 500 MB": lambda worked: delta(worked, size=500 << 20, count=50),
    "60,000 directories deep": deep,
    "a million files": wide,
    "3,000 empty packs": many_packs,
}
