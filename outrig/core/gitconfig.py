"""A git config file as data: read without git, judged, and written anew from what is harmless.

A repository's own config can name programs in some thirty keys, and a new git brings new ones. So
what goes into a session's .git is chosen by name: nothing that is not listed here comes along.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# section, lowercase; subsection as it is, or None; name, lowercase; value, None for a bare name
Entry = tuple[str, str | None, str, str | None]

_HEADER = re.compile(r'\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\\n]|\\.)*)")?\s*\]')
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b", '"': '"', "\\": "\\"}
_FALSE = ("", "false", "no", "off", "0")
_TRUE = ("true", "yes", "on", "1")

# How files are compared and kept: without them `git status` inside would not be what it is outside.
_CORE = (
    *("autocrlf", "eol", "safecrlf", "filemode", "symlinks", "ignorecase", "precomposeunicode"),
    *("sparsecheckout", "sparsecheckoutcone", "checkstat", "trustctime", "quotepath", "abbrev"),
    *("protecthfs", "protectntfs", "preloadindex", "untrackedcache", "splitindex"),
    *("logallrefupdates", "commentchar", "whitespace", "bigfilethreshold"),
)
_EXTENSIONS = ("objectformat", "noop", "partialclone", "preciousobjects", "refstorage")
_OTHER = {
    "index": ("version", "sparse", "threads"),
    "init": ("defaultbranch",),
    "pull": ("rebase", "ff"),
    "merge": ("conflictstyle", "ff", "renames"),
    "rebase": ("autosquash", "autostash", "updaterefs"),
    "diff": ("renames", "renamelimit", "algorithm"),
    "status": ("showuntrackedfiles",),
    "push": ("default",),
}
_BRANCH = ("remote", "merge", "rebase")
_REMOTE = ("fetch", "promisor", "partialclonefilter", "tagopt")
_URL = re.compile(r"(?:https?|git|ssh)://|[A-Za-z0-9._-]+(?:@[A-Za-z0-9._-]+)?:(?!:|//)", re.ASCII)

# What a user's own global settings may add: how line ends and names are kept, nothing else.
GLOBAL = ("core.autocrlf", "core.eol", "core.safecrlf", "core.precomposeunicode")

_PROGRAMS = (
    (
        "core",
        r"hookspath|sshcommand|editor|pager|askpass|gitproxy|alternaterefscommand|attributesfile",
    ),
    ("include|includeif", "path"),
    ("alias|pager|browser|man|web|guitool|difftool|mergetool", ".*"),
    ("filter", "clean|smudge|process"),
    ("diff", "external|command|textconv"),
    ("merge", "driver"),
    ("gpg", "program"),
    ("gpg", "defaultkeycommand"),
    ("credential", "helper"),
    ("sequence", "editor"),
    ("remote", "uploadpack|receivepack|vcs|proxy"),
    ("uploadpack", "packobjectshook"),
    ("trailer", "command|cmd"),
    ("interactive", "difffilter"),
    ("sendemail", "smtpserver|.*cmd"),
    ("imap", "tunnel"),
    ("instaweb", "httpd|browser"),
    ("protocol", "allow"),
)


def parse(text: str) -> list[Entry]:
    """The entries of a config file, in order; what cannot be read ends it.

    No entry has a NUL in it, which nobody could use as a path.
    """
    return list(_entries(text.replace("\0", "").replace("\r\n", "\n").removeprefix("\ufeff")))


def _entries(text: str) -> Iterator[Entry]:
    section, subsection, at = "", None, 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] in "#;":
            at = _line_end(text, at)
        elif header := _HEADER.match(text, at):
            section, subsection = _section(header)
            at = header.end()
        elif (name := _NAME.match(text, at)) and section:
            value, at = _value(text, name.end())
            yield section, subsection, name[0].lower(), value
        else:
            return


def _section(header: re.Match[str]) -> tuple[str, str | None]:
    if header[2] is not None:
        return header[1].lower(), re.sub(r"\\(.)", r"\1", header[2])
    section, dot, below = header[1].partition(".")  # the old way: [branch.main]
    return section.lower(), below.lower() if dot else None


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _value(text: str, at: int) -> tuple[str | None, int]:
    """From behind a name: its value, and where the next line begins."""
    while at < len(text) and text[at] in " \t":
        at += 1
    if at >= len(text) or text[at] != "=":
        return None, _line_end(text, at)
    at += 1
    got: list[str] = []
    kept, quoted = 0, False  # of trailing blanks, those that were quoted stay
    while at < len(text) and (quoted or text[at] != "\n"):
        char = text[at]
        if char == "\\" and at + 1 < len(text):
            at += 1
            if text[at] != "\n":
                got.append(_ESCAPES.get(text[at], text[at]))
                kept = len(got)
        elif char == '"':
            quoted = not quoted
            kept = len(got)
        elif char in "#;" and not quoted:
            at = _line_end(text, at)
            break
        elif quoted or not char.isspace() or got:
            got.append(char)
            kept = len(got) if quoted or not char.isspace() else kept
        at += 1
    return "".join(got[:kept]), at


# ---------------------------------------------------------------- judged


def dotted(entry: Entry) -> str:
    """core.hooksPath as git names it: core.hookspath, filter.lfs.clean."""
    section, subsection, name, _ = entry
    return f"{section}.{name}" if subsection is None else f"{section}.{subsection}.{name}"


def runs_programs(entry: Entry) -> bool:
    """Whether a key makes git run, or read as settings, what its value names."""
    section, _, name, value = entry
    if (section, name) == ("core", "fsmonitor"):
        return (value or "").lower() not in (*_FALSE, *_TRUE)
    if (section, name) == ("submodule", "update"):
        return (value or "").startswith("!")
    return any(
        re.fullmatch(sections, section) and re.fullmatch(names, name)
        for sections, names in _PROGRAMS
    )


def harmless(entries: Iterable[Entry]) -> list[Entry]:
    """What comes along into a session's own .git."""
    return [kept for entry in entries if (kept := _kept(entry)) is not None]


def value(entries: Iterable[Entry], section: str, name: str) -> str | None:
    """The last value of a key without a subsection; "true" for a bare name."""
    found = [entry for entry in entries if entry[:3] == (section, None, name)]
    return None if not found else "true" if found[-1][3] is None else found[-1][3]


def is_true(text: str | None) -> bool:
    """What git takes for yes."""
    return text is not None and text.lower() not in _FALSE


def _kept(entry: Entry) -> Entry | None:
    section, subsection, name, held = entry
    if section == "remote" and name == "url" and subsection is not None:
        url = public_url(held or "")
        return (section, subsection, name, url) if url else None
    if subsection is None:
        listed = {"core": _CORE, "extensions": _EXTENSIONS, **_OTHER}.get(section, ())
    else:
        listed = {"branch": _BRANCH, "remote": _REMOTE}.get(section, ())
        if section == "submodule":
            listed = ("active",)
    return entry if name in listed else None


def public_url(url: str) -> str | None:
    """A remote's address without its secrets; None for paths and for helpers of git's own."""
    if not _URL.match(url) or not url.isprintable() or url.startswith("-"):
        return None
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url  # git@host:path has no place for a password
    host, slash, path = rest.partition("/")
    user, at, name = host.rpartition("@")
    who = f"{user.partition(':')[0]}@" if at and scheme == "ssh" else ""
    return f"{scheme}://{who}{name}{slash}{path.partition('?')[0].partition('#')[0]}"


# ---------------------------------------------------------------- written


def text(entries: Iterable[Entry]) -> str:
    """A config file that reads back as these entries."""
    lines: list[str] = []
    at: tuple[str, str | None] | None = None
    for section, subsection, name, held in entries:
        if (section, subsection) != at:
            at = section, subsection
            lines.append(
                f"[{section}]" if subsection is None else f'[{section} "{_sub(subsection)}"]'
            )
        lines.append(f"\t{name}" if held is None else f"\t{name} = {_quoted(held)}")
    return "".join(f"{line}\n" for line in lines)


def _sub(subsection: str) -> str:
    return subsection.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "")


def _quoted(held: str) -> str:
    said = held.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{said}"'
