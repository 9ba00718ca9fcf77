"""A fixed sample of the fault harness on a daemon of its own; `--all` of it tries everything."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.faults.__main__ import SAMPLE, cells, line, results, sample
from tests.faults.points import PHASES, POINTS, found
from tests.faults.trial import FAULTS, expected


def test_the_sample_has_every_fault_and_every_phase():
    assert set(SAMPLE) <= {(point.name, fault) for point, fault in cells()}
    assert {fault for _, fault in SAMPLE} == set(FAULTS) - {"none"}
    assert {POINTS[point].phase for point, _ in SAMPLE} == set(PHASES)


@pytest.mark.parametrize("point", POINTS.values(), ids=list(POINTS))
def test_every_point_is_in_the_program(point):
    for target in filter(None, (point.target, point.once_in)):
        holder, name = found(target)
        assert hasattr(holder, name)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_may_be_said_at_the_end_is_said_by_the_contract(fault):
    ends = {one for point in POINTS.values() for one in expected(point, fault)}
    assert ends <= {
        *(("failed", "exit"), ("failed", "start-failed"), ("failed", "signal")),
        *(("failed", "engine-lost"), ("lost", "container-gone"), ("", "")),
    }


@pytest.mark.docker
@pytest.mark.timeout(300)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a daemon and a disk of its own")
def test_whatever_strikes_the_record_tells_the_truth():
    assert shutil.which("dockerd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    tried = list(results(sample()))
    assert len(tried) == len(SAMPLE)
    assert not [line(one) for one in tried if one.wrong]
