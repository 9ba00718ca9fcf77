"""Layers as files of each source say them, and what they come to."""

from __future__ import annotations

import tomllib

import pytest

from outrig.core import keys
from outrig.core.cascade import resolve
from outrig.core.layer import Layer, Source
from outrig.core.lines import lines
from outrig.errors import ConfigError

HOME = "/home/me"
ROOT = "/home/me/repo"
FILES = {
    Source.SYSTEM: "/etc/outrig/config.toml",
    Source.GLOBAL: "/home/me/.config/outrig/config.toml",
    Source.REPO: "/home/me/repo/.agents/outrig/config.toml",
    Source.LOCAL: "/home/me/repo/.agents/outrig/config.local.toml",
}
SYSTEM, GLOBAL, REPO, LOCAL = FILES


def layer(source, text):
    file = FILES[source]
    return Layer(
        source=source,
        values=tomllib.loads(text),
        where={keys.dotted(path): f"{file}:{line}" for path, line in lines(text).items()},
        base=ROOT if source.is_repo else file.rpartition("/")[0],
        file=file,
        root=ROOT if source.is_repo else None,
    )


def resolved(**texts):
    """resolve() of layers by the name of their source, in the order given."""
    found = [layer(Source[name.upper()], text) for name, text in texts.items()]
    return resolve(found, home=HOME)


def refused(**texts):
    with pytest.raises(ConfigError) as caught:
        resolved(**texts)
    return caught.value
