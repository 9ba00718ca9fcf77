"""Where in a run a fault can strike, by name; and how to be there without a hook in outrig.

A point is the moment before or after one function is called. `plant()` wraps that function in
this process only: when the moment comes it reports to the harness and waits until it may go on.

What is true of the session at a point:

    nothing     no record yet            made      its container is created      over   it has ended
    planned     a record, no container   starting  the engine is starting it     told   the record
                                         runs      it runs                              says so
"""

from __future__ import annotations

import functools
import importlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

Phase = Literal["nothing", "planned", "made", "starting", "runs", "over", "told"]

PHASES: tuple[Phase, ...] = get_args(Phase)

NAME, ADDRESS = "FAULT_POINT", "FAULT_SOCKET"


@dataclass(frozen=True, slots=True)
class Point:
    name: str
    phase: Phase
    when: Literal["before", "after"]
    target: str  # module:name or module:Class.name
    nth: int = 1
    once_in: str = ""  # calls count from the moment on that this one was entered
    detached: bool = False  # reached by `run -d`, perhaps in the supervisor
    mends: bool = False  # reached by `ls`, of a session whose outrig was killed before


LAUNCH, FOLLOW, SUPERVISE = (f"outrig.runner.{name}:" for name in ("launch", "follow", "supervise"))
AROUND, START = "outrig.runner.around:Surroundings.", "outrig.runner.start:"
ENGINE, RECORDER = "outrig.engine.docker:DockerEngine.", "outrig.record.log:Recorder."
FINISH = FOLLOW + "finish"

POINTS = {
    point.name: point
    for point in (
        Point("unrecorded", "nothing", "before", "outrig.store.creation:write_record"),
        Point("recorded", "planned", "after", "outrig.store.creation:create"),
        Point("image-wanted", "planned", "before", "outrig.runner.image:ready"),
        Point("image-ready", "planned", "after", "outrig.runner.image:ready"),
        Point("workspace-made", "planned", "after", AROUND + "_workspace"),
        Point("snapshot-begun", "planned", "after", AROUND + "_snapshot"),
        Point("furnished", "planned", "after", "outrig.runner.homes:furnish"),
        Point("noted", "planned", "before", ENGINE + "prepare"),
        Point("created", "made", "before", ENGINE + "_attached"),
        Point("attached", "made", "before", "outrig.engine.docker:Watch"),
        Point("prepared", "made", "after", ENGINE + "prepare"),
        Point("ref-noted", "made", "before", START + "Start._recorder"),
        Point("recorder-open", "made", "after", START + "Start._recorder"),
        Point("start-asked", "starting", "before", START + "Start._meanwhile"),
        Point("started", "runs", "after", ENGINE + "start"),
        Point("running", "runs", "before", START + "Launched"),
        Point("launched", "runs", "after", LAUNCH + "launch"),
        Point("following", "runs", "after", FOLLOW + "Pump"),
        Point("heard", "runs", "after", "outrig.engine.output:AttachedOutput.read"),
        Point("untimed", "runs", "before", RECORDER + "_line", nth=2),
        Point("kept", "runs", "after", RECORDER + "write"),
        Point("kept-twice", "runs", "after", RECORDER + "write", nth=2),
        Point("said-all", "over", "before", FOLLOW + "_exit"),
        Point("waited", "over", "after", FOLLOW + "_exit"),
        Point("end-beside", "over", "after", "outrig.store.file:write_all", once_in=FINISH),
        Point("end-unsynced", "told", "before", "outrig.store.file:sync_directory", once_in=FINISH),
        Point("told", "told", "before", ENGINE + "remove"),
        Point("removed", "told", "after", ENGINE + "remove"),
        Point("finished", "told", "after", FINISH),
        Point("handing-over", "runs", "before", SUPERVISE + "hand_over", detached=True),
        Point("handed-over", "runs", "after", SUPERVISE + "hand_over", detached=True),
        Point("taking-over", "runs", "before", SUPERVISE + "main", detached=True),
        Point("supervised", "runs", "after", RECORDER + "write", detached=True),
        Point("supervised-end", "told", "before", ENGINE + "remove", detached=True),
        Point("mending", "over", "before", "outrig.runner.reconcile:recover", mends=True),
        Point("mended-half", "over", "after", RECORDER + "write", mends=True),
        Point("mended-logs", "over", "after", "outrig.runner.reconcile:recover", mends=True),
        Point("mended-end", "told", "before", ENGINE + "remove", mends=True),
    )
}


def plant(point: Point) -> None:
    """Be there when this process comes to that point."""
    armed = [not point.once_in]
    if point.once_in:
        _wrap(point.once_in, functools.partial(_calling_first, functools.partial(_arm, armed)))
    left = [point.nth]

    def pass_by() -> None:
        if armed[0] and left[0]:
            left[0] -= 1
            if not left[0]:
                _report_and_wait()

    _wrap(point.target, functools.partial(_AROUND[point.when], pass_by))


def _arm(armed: list[bool]) -> None:
    armed[0] = True


def _calling_first(step: Callable[[], None], really: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(really)
    def wrapped(*args: Any, **named: Any) -> Any:
        step()
        return really(*args, **named)

    return wrapped


def _calling_last(step: Callable[[], None], really: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(really)
    def wrapped(*args: Any, **named: Any) -> Any:
        found = really(*args, **named)
        step()
        return found

    return wrapped


_AROUND = {"before": _calling_first, "after": _calling_last}


def _wrap(target: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    holder, name = found(target)
    setattr(holder, name, around(getattr(holder, name)))


def found(target: str) -> tuple[Any, str]:
    """What has it, and as what. Raises AttributeError or ImportError where nothing has."""
    module, _, path = target.partition(":")
    holder: Any = importlib.import_module(module)
    *above, name = path.split(".")
    for one in above:
        holder = getattr(holder, one)
    assert callable(getattr(holder, name))
    return holder, name


def _report_and_wait() -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(os.environ[ADDRESS])
        line.sendall(f"{os.getpid()}\n".encode())
        line.recv(1)
