"""Package registries: the hosts that this machine's own pip, npm, apt, cargo and go are set up for.

Each client's settings are read where it keeps them; where it has none, its own program's files
say what it uses then. Only files of the machine and of the user are read, never a repository's.

| client | its settings                                             | where it has none       |
|--------|----------------------------------------------------------|-------------------------|
| pip    | PIP_INDEX_URL ..., /etc/pip.conf, ~/.config/pip, ~/.pip  | pip's models/index.py   |
| npm    | NPM_CONFIG_REGISTRY, ~/.npmrc, /etc/npmrc                | npm's definitions.js    |
| apt    | /etc/apt/sources.list, sources.list.d                    | it needs none           |
| cargo  | ~/.cargo/config.toml                                     | nothing is known        |
| go     | GOPROXY, GOSUMDB, ~/.config/go/env                       | go's own go.env         |

A setting that only adds to the usual registry (extra-index-url, @scope:registry) leaves that; and
pip's usual one hands its files out by another host, also where somebody has named it.
"""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core import network
from outrig.store import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_URL = re.compile(r"\bhttps?://[^\s\"'<>|,;\]\)]+")
_LARGEST = 1024 * 1024
_COMMENT = re.compile(r"^\s*[#;].*$|\s#.*$", re.MULTILINE)

_VARIABLES = {
    "pip": ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"),
    "npm": ("NPM_CONFIG_REGISTRY", "npm_config_registry"),
    "go": ("GOPROXY", "GOSUMDB"),
}
_SYSTEM = {
    "pip": ("etc/pip.conf", "etc/xdg/pip/pip.conf"),
    "npm": ("etc/npmrc", "usr/etc/npmrc", "usr/local/etc/npmrc"),
    "apt": ("etc/apt/sources.list", "etc/apt/sources.list.d/*.list"),
    "deb822": ("etc/apt/sources.list.d/*.sources",),
}
_OF_USER = {
    "pip": (".config/pip/pip.conf", ".pip/pip.conf"),
    "npm": (".npmrc",),
    "cargo": (".cargo/config.toml", ".cargo/config"),
    "go": (".config/go/env",),
}
# What a setting that names registries looks like, a line each.
_SETTINGS = {
    "pip": re.compile(
        r"^\s*(?:extra-)?(?:index-url|find-links)\s*=((?:.*)(?:\n[ \t]+.*)*)", re.MULTILINE
    ),
    "npm": re.compile(r"^\s*(?:@[^:\s]+:)?registry\s*=(.*)", re.MULTILINE),
    "apt": re.compile(r"^\s*deb(?:-src)?\s(.*)", re.MULTILINE),
    "deb822": re.compile(r"^URIs:((?:.*)(?:\n[ \t]+.*)*)", re.MULTILINE | re.IGNORECASE),
    "cargo": re.compile(r"^\s*(?:registry|index|replace-with)\s*=(.*)", re.MULTILINE),
    "go": re.compile(r"^\s*(?:GOPROXY|GOSUMDB)\s*=(.*)", re.MULTILINE),
}
# Which of them take the place of the usual one. Of the other clients all do.
_REPLACING = {
    "pip": ("PIP_INDEX_URL", re.compile(r"^\s*index-url\s*=(.*)", re.MULTILINE)),
    "npm": ("NPM_CONFIG_REGISTRY", re.compile(r"^\s*registry\s*=(.*)", re.MULTILINE)),
    "go": ("GOPROXY", re.compile(r"^\s*GOPROXY\s*=(.*)", re.MULTILINE)),
}
# The client's own program, and what in it says where it goes without a setting.
_BUILT_IN = {
    "pip": (
        ("usr/lib/python3/dist-packages/pip/_internal/models/index.py",),
        re.compile(
            r"^PyPI = PackageIndex\(\s*[\"']([^\"']+)[\"'],\s*file_storage_domain=[\"']([^\"']+)",
            re.MULTILINE,
        ),
    ),
    "npm": (
        (
            "usr/share/nodejs/@npmcli/config/lib/definitions/definitions.js",
            "usr/lib/node_modules/npm/node_modules/@npmcli/config/lib/definitions/definitions.js",
            "usr/local/lib/node_modules/npm/node_modules/@npmcli/config/lib/definitions/definitions.js",
        ),
        re.compile(r"'registry', \{\s*default: [`\"'](.*)[`\"']", re.MULTILINE),
    ),
    "go": (("usr/lib/go*/go.env", "usr/local/go/go.env", "usr/share/go*/go.env"), _SETTINGS["go"]),
}


def hosts(env: Mapping[str, str], root: Path = Path("/")) -> Sequence[str]:
    """Rules for all of them, sorted."""
    home = places.home(env)
    found: set[str] = set()
    for client in ("pip", "npm", "apt", "deb822", "cargo", "go"):
        texts = _settings(client, home, root)
        said = {*_told(client, env, texts)}
        usual = {*_built_in(client, root)}
        found |= said
        if not _is_replaced(client, env, texts) or said & usual:
            found |= usual
    return sorted(found)


def _settings(client: str, home: Path, root: Path) -> Sequence[str]:
    system, own = _SYSTEM.get(client, ()), _OF_USER.get(client, ())
    return [*_files(root, system), *_files(home, own)]


def _told(client: str, env: Mapping[str, str], texts: Iterable[str]) -> Iterator[str]:
    """What the client's settings name. A file of this machine (file://) is no registry."""
    for name in _VARIABLES.get(client, ()):
        yield from _rules([env.get(name, "")])
    for text in texts:
        yield from _rules(_matches(_SETTINGS[client], text))


def _is_replaced(client: str, env: Mapping[str, str], texts: Iterable[str]) -> bool:
    """Whether the settings name another registry in place of the usual one, if only a file."""
    if client not in _REPLACING:
        return False
    name, setting = _REPLACING[client]
    if env.get(name) or env.get(name.lower()):
        return True
    return any(part.strip() for text in texts for part in _matches(setting, text))


def _built_in(client: str, root: Path) -> Iterator[str]:
    patterns, setting = _BUILT_IN.get(client, ((), None))
    if setting is None:
        return
    own = Path(sysconfig.get_path("purelib")) / "pip/_internal/models/index.py"
    beside = [_text(own)] if client == "pip" and root == Path("/") else []
    for text in (*_files(root, patterns), *beside):
        yield from _rules(_matches(setting, text))


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    for found in pattern.finditer(_COMMENT.sub("", text)):
        yield from (part for part in found.groups() if part)


def _rules(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        urls = _URL.findall(text)
        yield from (rule for url in urls if (rule := network.rule_of_url(url)))
        if not urls and re.fullmatch(r"[a-z0-9.-]+\.[a-z]{2,}", text.strip()):
            yield f"{text.strip()}:443"


def _files(top: Path, patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from (_text(path) for path in sorted(top.glob(pattern)))


def _text(path: Path) -> str:
    try:
        with path.open(errors="replace") as file:
            return file.read(_LARGEST)
    except OSError:
        return ""
