"""What stands beside a session: of this machine's own system, or of the image that stands in."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from outrig.core.frozen import replace
from outrig.errors import NetworkError
from outrig.runner import preflight, system
from outrig.runner.recipe import Catalogue, recipes
from tests.fakes import IMAGE, FakeEngine, Script
from tests.runner.orders import launched, order, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Home


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with contextlib.closing(
        FakeEngine(Script(says=[("stdout", b"ready\n")], runs_until="KILL"))
    ) as made:
        made.remember(preflight.APART, preflight.SHUT)
        yield made


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without iptables."""
    monkeypatch.setattr(system, "absent", lambda: ["iptables-restore"])


def test_programs_that_are_not_there(tmp_path: Path):
    assert {"iptables-restore", "ip", "setpriv"} <= set(system.absent(str(tmp_path)))
    (tmp_path / "ip").write_text("#!/bin/sh\n")
    (tmp_path / "ip").chmod(0o755)
    assert "ip" not in system.absent(str(tmp_path))


def test_no_linux_has_none_of_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert "ip" in system.absent()


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("mode", ["filter", "open"])
def test_without_them_it_takes_an_image_and_says_how_to_make_it(
    home: Home, engine: FakeEngine, mode: str
):
    with pytest.raises(NetworkError, match="lacks iptables-restore") as raised:
        launched(home, engine, order(home, flags={"network.mode": mode}))
    assert raised.value.hint
    assert "outrig build gateway" in raised.value.hint
    assert record(home)["reason"] == "network-failed"
    assert engine.containers == {}


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("mode", ["filter", "open"])
def test_with_the_image_it_is_made_of_that(home: Home, engine: FakeEngine, mode: str):
    wanted = order(home, flags={"network.mode": mode})
    known = Catalogue(images=wanted.config.images, confined={}, env=wanted.host_env)
    reference = recipes(system.GATEWAY_IMAGE, known)[-1].reference
    made = replace(IMAGE, reference=reference, id="sha256:gateway")
    engine._images[reference] = made
    run = launched(home, engine, wanted)
    for each in (run.recorder, run.output, run.held):
        each.close()
    beside, _agent = engine.prepared
    assert beside.image == made.id
    assert not any(mount.target == "/usr" for mount in beside.mounts)
    assert beside.command[0] in ("/usr/bin/python3", "/bin/sh")
