"""Limits that a session hit, in words for whoever ran it.

| limit     | raised by                       |
|-----------|---------------------------------|
| pids      | --pids                          |
| memory    | --memory                        |
| wall      | --timeout                       |
| idle      | --idle-timeout                  |
| log_bytes | told with what the logs lack    |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.core.session import Session

FLAGS = {"pids": "--pids", "memory": "--memory", "wall": "--timeout", "idle": "--idle-timeout"}


def told(session: Session) -> Iterator[str]:
    for hit in session.limits_hit:
        limit = str(hit.get("limit"))
        if limit in FLAGS:
            yield f"limits.{limit} was hit: {hit.get('evidence')}; more with {FLAGS[limit]}"
