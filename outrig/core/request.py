"""Request: what the command line asked of a run, beyond configuration keys."""

from __future__ import annotations

from outrig.core.frozen import frozen, given
from outrig.core.relations import Relations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Request:
    words: tuple[str, ...] = ()
    agent: str | None = None
    prompt: str | None = None
    image: str | None = None
    volumes: tuple[str, ...] = ()
    workdir: str | None = None
    name: str | None = None
    labels: Mapping[str, str] = given(factory=dict)
    relations: Relations = Relations()
    tty: bool | None = None  # -t, -T, or neither
    interactive: bool = False  # -i
    no_stdin: bool = False
    capture: bool = False  # --json: streams go to the logs only
    detach: bool = False  # -d: nobody looks, and a supervisor follows
    no_redact: bool = False  # secrets are kept and shown as they were said
    notify: bool = False  # say on the user's desktop or terminal that it has ended
    start: str | None = None  # --from REF
    with_changes: bool = False
    allow: tuple[str, ...] = ()  # network rules, beside those of the configuration
    deny: tuple[str, ...] = ()
    sidecars: tuple[str, ...] = ()  # NAME or NAME=IMAGE
    resumed: str | None = None  # the session that this one goes on with
    again: bool = False  # the agent has spoken in it, and takes that up
