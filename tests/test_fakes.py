"""The fake keeps the promises of the protocol that it stands in for."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

import pytest

from outrig.core.engine import UNLINKED, Container
from outrig.errors import ContainerGoneError, EngineUnreachableError
from tests.fakes import FakeEngine, Script, exited

if TYPE_CHECKING:
    from outrig.engine import Engine

CONTAINER = Container(
    name="outrig-x",
    labels={"org.outrig.root": "r"},
    image="sha256:fake",
    entrypoint=None,
    command=(),
    user="1:1",
    working_dir="/",
    mounts=(),
    network=UNLINKED,
    memory=1,
    cpus=None,
    pids=1,
    log_bytes=1,
    tty=False,
    stdin=True,
)


def readable(line: int) -> bool:
    return bool(select.select([line], [], [], 0)[0])


def test_a_script_is_played_once_and_ends() -> None:
    engine: Engine = FakeEngine(Script(says=[("stdout", b"hi")], ends=exited(3)))
    ref = engine.prepare(CONTAINER, {})
    output = engine.start(ref)
    assert readable(output.fileno())
    assert output.read() == [("stdout", b"hi")]
    assert readable(output.fileno())
    assert output.read() is None
    assert engine.wait(ref).code == 3
    engine.remove(ref)
    engine.remove(ref)
    with pytest.raises(ContainerGoneError):
        engine.wait(ref)


def test_one_that_runs_ends_with_its_signal() -> None:
    engine = FakeEngine(Script(says=[("stdout", b"hi")], runs_until="TERM", ends=exited(143)))
    ref = engine.prepare(CONTAINER, {})
    output = engine.start(ref)
    assert output.read() == [("stdout", b"hi")]
    assert not readable(output.fileno())
    assert not engine.ended(ref, 0)
    engine.signal(ref, "INT")
    assert not readable(output.fileno())
    engine.signal(ref, "TERM")
    assert readable(output.fileno())
    assert output.read() is None
    assert [seen.alive for seen in engine.seen("r")] == [True]
    engine.close()


def test_a_line_may_break() -> None:
    engine = FakeEngine(Script(line_breaks=True, ends=EngineUnreachableError("gone")))
    ref = engine.prepare(CONTAINER, {})
    with pytest.raises(EngineUnreachableError):
        engine.start(ref).read()
    with pytest.raises(EngineUnreachableError):
        engine.wait(ref)
    engine.close()
