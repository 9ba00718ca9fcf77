"""Limits in words for whoever runs a session: those that it hit, those that nobody counts for.

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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from outrig.core.config import Config
    from outrig.core.secrets import Secret
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


def uncounted(
    config: Config, given: Iterable[Secret], agent: str | None, origins: Mapping[str, str]
) -> Iterator[str]:
    """Limits on models where no broker counts; of a plain command only what its flags say."""
    if any(one.route for one in given):
        return
    limits = config.limits
    for name, limit in (
        ("model-requests", limits.model_requests),
        ("model-tokens", limits.model_tokens),
    ):
        key = f"limits.{name}"
        if limit is not None and (agent or origins.get(key, "").startswith("--")):
            yield (
                f"{key} is not kept: no key of this session goes by a broker, which counts "
                "(with --network filter or audit)"
            )
