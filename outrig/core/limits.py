"""Limits that a session hit, in words for whoever ran it.

| limit          | raised by                       |
|----------------|---------------------------------|
| pids           | --pids                          |
| memory         | --memory                        |
| wall           | --timeout                       |
| idle           | --idle-timeout                  |
| disk           | --disk                          |
| model_requests | --model-requests                |
| model_tokens   | --model-tokens                  |
| log_bytes      | told with what the logs lack    |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.core.session import Session

FLAGS = {
    "pids": "--pids",
    "memory": "--memory",
    "wall": "--timeout",
    "idle": "--idle-timeout",
    "disk": "--disk",
    "model_requests": "--model-requests",
    "model_tokens": "--model-tokens",
}


def told(session: Session) -> Iterator[str]:
    for hit in session.limits_hit:
        limit = str(hit.get("limit"))
        if limit in FLAGS:
            key = f"limits.{limit.replace('_', '-')}"
            yield f"{key} was hit: {hit.get('evidence')}; more with {FLAGS[limit]}"
