"""One unfinished session per issue: those whose runner died, and which are over, do not count."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.core.relations import Work
    from outrig.engine import Engine
    from outrig.store.sessions import SessionStore


def settle_rivals(work: Work | None, store: SessionStore, engine: Engine) -> None:
    """Finish the records of sessions on the same work that nobody looks after.

    What cannot be found out is left as it is, and the store then refuses a second session.
    """
    if work is None:
        return
    rivals = [
        session.id
        for session in store.unfinished()
        if work.is_of(session)
        and session.text("engine") in ("", engine.endpoint)
        and not store.attended(session.id)
    ]
    if rivals:
        from outrig.runner import reconcile  # noqa: PLC0415 - hardly ever needed

        reconcile.settle(store, rivals, connect=lambda _endpoint: engine)
