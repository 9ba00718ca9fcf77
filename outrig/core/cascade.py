"""Layers of settings -> one Config, and which file and line, variable or flag set each key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outrig.core.config import Config


class Source(IntEnum):
    """Where a layer comes from; a higher one wins."""

    DEFAULT = 0
    SYSTEM = 1
    GLOBAL = 2
    REPO = 3
    LOCAL = 4
    ENVIRONMENT = 5
    FLAG = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One source of settings, as it was written.

    `values` is the nested TOML table; `where` maps a dotted key to the place that set it
    ("path:line", "OUTRIG_X" or "--flag"); `base` is the directory that relative paths mean.
    """

    source: Source
    values: Mapping[str, Any]
    where: Mapping[str, str]
    base: str
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The effective configuration; `origin` maps each dotted key that is set to who set it."""

    config: Config
    origin: Mapping[str, str]
    warnings: tuple[str, ...] = ()
