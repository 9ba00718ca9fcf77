"""What a container used, by its cgroup's files and by what the engine says."""

from __future__ import annotations

from outrig.core.engine import Measured
from outrig.engine.meter import CPU, MEMORY, Meter

ONE = "5b5421030199bb1df5a09b775569ce07"


def place(top, form, text):
    path = top / form.format(ONE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_version_1(tmp_path):
    memory = place(tmp_path, MEMORY[0], "1048576\n")
    place(tmp_path, CPU[0], "1500000000\n")
    meter = Meter(ONE, top=str(tmp_path))
    meter.look()
    assert meter.last == Measured(memory=1048576, cpu_seconds=1.5)
    memory.write_text("")
    meter.look()
    meter.close()
    assert meter.last.memory == 1048576


def test_of_another_machine_nothing_is_read_here_not_even_of_all_containers_together(tmp_path):
    all_of_them = tmp_path / MEMORY[0].format("")
    all_of_them.parent.mkdir(parents=True)
    all_of_them.write_text("4096\n")
    meter = Meter(None, top=str(tmp_path))
    meter.look()
    meter.close()
    assert meter.last == Measured()


def test_version_2(tmp_path):
    place(tmp_path, MEMORY[2], "2048\n")
    place(tmp_path, CPU[3], "usage_usec 2500000\nuser_usec 1\n")
    meter = Meter(ONE, top=str(tmp_path))
    meter.look()
    meter.close()
    assert meter.last == Measured(memory=2048, cpu_seconds=2.5)


# docker 20.10.24, `GET /containers/ID/stats?stream=0&one-shot=1`, cut to what is read
STATS = {
    "memory_stats": {"usage": 1000, "max_usage": 3000},
    "cpu_stats": {"cpu_usage": {"total_usage": 500_000_000}},
    "networks": {"eth0": {"rx_bytes": 10, "tx_bytes": 20}, "eth1": {"rx_bytes": 1, "tx_bytes": 2}},
}


def test_without_a_cgroup_the_engine_says_it(tmp_path):
    meter = Meter(ONE, top=str(tmp_path))
    meter.look()
    assert meter.last == Measured()
    meter.hear(STATS)
    meter.hear({"memory_stats": {"usage": 1}, "networks": None})
    assert meter.last == Measured(memory=3000, cpu_seconds=0.5, received=11, sent=22)
