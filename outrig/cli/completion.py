"""What the shell offers after Tab: sessions, agents, images. Silent when nothing can be read."""

from __future__ import annotations

import os
from pathlib import Path

from outrig.errors import OutrigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from outrig.core.config import Config

MOST = 50  # sessions offered at once


def complete_session(incomplete: str) -> list[str]:
    """Ids, newest first, and names."""
    from outrig.store import config, places
    from outrig.store.sessions import SessionStore

    try:
        store = SessionStore(config.session_root(flag=None, env=os.environ, cwd=Path.cwd()))
        ids = store.ids()
    except (OutrigError, FileNotFoundError):  # a working directory that is gone
        return []
    try:
        names = sorted(os.listdir(store.root / places.NAMES))  # noqa: PTH208 - names are enough
    except OSError:
        names = []
    return _starting([*names, *ids], incomplete)[:MOST]


def complete_agent(incomplete: str) -> list[str]:
    config = _config()
    return _starting(sorted(config.agents), incomplete) if config else []


def complete_image(incomplete: str) -> list[str]:
    config = _config()
    return _starting(sorted(config.images), incomplete) if config else []


def complete_sidecar(incomplete: str) -> list[str]:
    config = _config()
    return _starting(sorted(config.sidecars), incomplete) if config else []


def complete_network(incomplete: str) -> list[str]:
    return _starting(_choices("network", "mode"), incomplete)


def complete_kind(incomplete: str) -> list[str]:
    from outrig.core.relations import KINDS

    return _starting(KINDS, incomplete)


def complete_status(incomplete: str) -> list[str]:
    from outrig.core.listing import STATUSES

    return _starting(STATUSES, incomplete)


def _choices(*key: str) -> Iterable[str]:
    """The values that a key of the configuration takes."""
    from outrig.core.keys import find

    found = find(key)
    return found.about["choices"] if found else ()


def _config() -> Config | None:
    from outrig.core import cascade
    from outrig.store import layers, places

    home = places.home(os.environ)
    try:
        found = layers.read(env=os.environ, cwd=Path.cwd(), home=home)
        return cascade.resolve(found.layers, home=str(home)).config
    except (OutrigError, FileNotFoundError):
        return None


def _starting(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
