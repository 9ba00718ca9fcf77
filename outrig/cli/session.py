"""A session from the command line: ordered, launched, followed, and its end told."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from outrig.cli import output, report
from outrig.cli.console import TerminalConsole, terminal
from outrig.core import description, detach, naming
from outrig.core.container import SHELL
from outrig.core.ending import EXIT_NOT_FOUND, EXIT_OWN_FAILURE
from outrig.core.frozen import frozen
from outrig.core.terminal import one_line
from outrig.engine import connect
from outrig.errors import OutrigError, SessionNotFoundError, UsageError
from outrig.runner import hooks
from outrig.runner.cancel import CancelledError
from outrig.runner.launch import launch
from outrig.runner.order import draw_up
from outrig.store import places, toml
from outrig.store.sessions import SessionStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from outrig.cli.result import Result
    from outrig.core.request import Request
    from outrig.core.session import Session
    from outrig.engine import Engine
    from outrig.runner.launched import Launched
    from outrig.runner.order import Order, Sources
    from outrig.store.finding import Found
    from outrig.store.sessions import Heard

_COMPLAINT = 4096  # bytes of output in which init's own complaint would stand
_VOLUME = r"[^=:]*[/.~][^:]*:/|[A-Za-z0-9_.-]+:/"


@frozen
class Asked:
    """The command line, parsed."""

    request: Request
    env: tuple[str, ...]
    sources: Sources
    session_dir: Path | None
    as_json: bool
    verbose: bool
    resumed: Found | None = None


def parent_id(
    query: str | None, session_root: Path | None, global_config: Path | None
) -> str | None:
    """The id of the session that --parent names. Raises UsageError when there is none."""
    if query is None:
        return None
    from outrig.cli import opening
    from outrig.store import finding

    try:
        return finding.find(opening.store(session_root, global_config), query)
    except SessionNotFoundError as error:
        raise UsageError(f"--parent: {error.message}", hint=error.hint) from error


# ---------------------------------------------------------------- act


@contextlib.contextmanager
def handing_out(result: Result, *, as_json: bool) -> Iterator[None]:
    """A failure, or the record that it ended, goes where it was asked for."""
    try:
        yield
    except OutrigError as error:
        record = error.record
        result.hand_out(record or {"error": report.as_object(error)})
        if as_json and record:
            output.as_json(record)
        report.bell(record or {})
        raise


def run(asked: Asked, result: Result) -> int:
    """Launch and follow; hand out the record."""
    try:
        session = _session(asked)
    except CancelledError as stop:
        code = (stop.record or {}).get("exit_code", 128 + stop.number)
        by = f"signal {stop.number}" if code == 128 + stop.number else "outrig stop"
        report.notice(f"ended by {by} before the command had started")
        if stop.record:
            result.hand_out(stop.record)
            if asked.as_json:
                output.as_json(stop.record)
        return int(code)
    if not session.ended:
        return _told_detached(asked, session)
    result.hand_out(session.fields, kept=session.id)
    report.missing(session)
    report.limits(session)
    report.tamper(session)
    if session.reason == "start-failed":
        report.say_line(one_line(_why_not_started(session)))
    if asked.as_json:
        output.as_json(session.fields)
    else:
        report.over(session)
    report.bell(session.fields)
    return EXIT_OWN_FAILURE if session.exit_code is None else session.exit_code


def _why_not_started(session: Session) -> str:
    """What init meant by the complaint that the session's own stderr ends with."""
    why = "does not exist" if session.exit_code == EXIT_NOT_FOUND else "cannot be executed"
    if "env" in session.secrets.values() and _complains_of_shell(session):
        needs = 'keys that are variables need it: an image with a shell, or as = "file"'
        return f"error: {SHELL} {why} in image {session.image}, and {needs}"
    return f'error: "{session.command[0]}" {why} in image {session.image}'


def _complains_of_shell(session: Session) -> bool:
    for name in ("stderr.log", "terminal.log"):
        with (
            contextlib.suppress(OSError),
            Path(session.text("session_dir"), "logs", name).open("rb") as log,
        ):
            if f"exec {SHELL} failed".encode() in log.read(_COMPLAINT):
                return True
    return False


def _told_detached(asked: Asked, session: Session) -> int:
    """A session that runs on under a supervisor; its result is asked for with `outrig wait`."""
    if asked.as_json:
        output.as_json(session.fields)
    elif asked.request.detach:
        output.text(f"{session.id}\n")
    else:
        report.notice(f"detached; back to it: outrig attach {session.id}")
    return 0


def _session(asked: Asked) -> Session:
    """From an order to the final record."""
    order = _order(asked)
    for notice in order.plan.spoken:
        report.notice(notice)
    store = SessionStore(session_root(order), heard=_heard(order))
    engine = _engine(order, store)
    with TerminalConsole(show_streams=not asked.as_json) as console:
        run = launch(
            order,
            engine=engine,
            store=store,
            session_dir=asked.session_dir,
            cancel=console,
            show=report.notice,
        )
        if asked.request.detach:
            from outrig.runner.supervise import hand_over

            hand_over(run, unfed=b"", piped=None, keeps_input=order.plan.stdin == "held")
            return run.held.session
        if asked.verbose:
            report.notice(
                f"session {run.held.id} runs in container {naming.container_name(run.held.id)}"
            )
        return _followed(run, console, order)


def _engine(order: Order, store: SessionStore) -> Engine:
    return connect(
        order.config.engine,
        env=order.host_env,
        home=order.home,
        cache=places.cache(order.host_env),
        slots=places.slots(order.host_env),
        root=store.known_root_id() or "",
    )


def _followed(run: Launched, console: TerminalConsole, order: Order) -> Session:
    """To its end, or until its user lets go of it."""
    with console.feeding(order.plan.stdin, detach.parse(order.plan.detach_keys)):
        from outrig.runner.follow import follow  # loaded while the engine was starting

        followed = follow(run, console)
    if followed.session.ended:
        run.held.close()
    else:
        _let_go(run, followed.unfed, console, order)
    return followed.session


def _heard(order: Order) -> Heard | None:
    return hooks.heard(order.config.hooks, order.host_env, notify=order.plan.notify)


def _let_go(run: Launched, unfed: bytes, console: TerminalConsole, order: Order) -> None:
    """The user detached, or closed the terminal: a supervisor goes on."""
    from outrig.runner.supervise import hand_over

    piped = console.input if order.plan.stdin == "pipe" else None
    hand_over(run, unfed=unfed, piped=piped, keeps_input=order.plan.stdin == "terminal")


def _order(asked: Asked) -> Order:
    first = asked.request.words[0] if asked.request.words else ""
    if ":/" in first and re.match(_VOLUME, first) and not asked.request.agent:
        raise UsageError(
            f'"{first}" looks like a volume, and would be run as a command',
            hint=f"to mount it: outrig run -v {first} -- COMMAND",
        )
    if asked.resumed is None:
        order = draw_up(asked.request, asked.env, asked.sources, terminal())
    else:
        from outrig.runner import resume

        order = resume.draw_up_again(
            asked.resumed, asked.request, asked.env, asked.sources, terminal()
        )
    for warning in order.warnings:
        report.notice(warning)
    return order


def session_root(order: Order) -> Path:
    configured = order.config.session_root
    return Path(configured) if configured else places.default_session_root(order.host_env)


# ---------------------------------------------------------------- show


def print_plan(asked: Asked) -> int:
    order = _order(asked)
    table = description.as_table(order.plan, order.config.images)
    if asked.as_json:
        output.as_json(table)
    else:
        output.document(toml.text(table))
    return 0
