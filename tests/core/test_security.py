"""What loosens containment, what is said of it then, and what a repository may do about it."""

from __future__ import annotations

import tomllib

import pytest

from outrig.core.cascade import resolve
from outrig.core.config import Config, LimitsConfig, RunConfig, SecurityConfig
from outrig.core.layer import Layer, Source
from outrig.core.security import ROOT_CAPABILITIES, Security, as_table, decide, risks, risks_there
from outrig.errors import ConfigError

ROOT = RunConfig(user="root")


@pytest.mark.parametrize(
    ("config", "security", "said"),
    [
        (Config(), Security(), []),
        (Config(run=ROOT), Security(capabilities=ROOT_CAPABILITIES), []),
        (Config(run=RunConfig(user="0:0")), Security(), []),
        (
            Config(security=SecurityConfig(capabilities=("CAP_NET_RAW", "NET_RAW", "KILL"))),
            Security(capabilities=("NET_RAW", "KILL")),
            ["capabilities NET_RAW KILL: more of this machine's kernel"],
        ),
        (
            Config(run=ROOT, security=SecurityConfig(capabilities=("KILL", "SYS_PTRACE"))),
            Security(capabilities=(*ROOT_CAPABILITIES, "SYS_PTRACE")),
            ["capabilities SYS_PTRACE: more"],
        ),
        (Config(security=SecurityConfig(read_only=True)), Security(read_only=True), []),
        (
            Config(security=SecurityConfig(seccomp="/p.json")),
            Security(seccomp="/p.json"),
            ["seccomp profile /p.json in place of the engine's"],
        ),
        (Config(limits=LimitsConfig(core=1)), Security(core=1), ["core files: what a crashing"]),
        (
            Config(limits=LimitsConfig(shm=5, open_files=7, pids=512, cpus=64.0)),
            Security(shm=5, open_files=7),
            [],
        ),
        (
            Config(limits=LimitsConfig(shm=1024**3, open_files=65_537, pids=513)),
            Security(shm=1024**3, open_files=65_537),
            ["above the usual, pids 513 (512), open-files 65537 (65536), shm 1g (256m): a session"],
        ),
    ],
)
def test_each_row_of_the_table(config, security, said):
    assert decide(config) == security
    told = list(risks(config))
    assert len(told) == len(said)
    assert all(words in line for words, line in zip(said, told, strict=True))


@pytest.mark.parametrize(
    ("memory", "seccomp", "said"),
    [
        (80, True, []),
        (81, True, ["memory 81 is more than 80 % of the machine: a session that runs away"]),
        (80, False, ["this engine filters no system calls"]),
    ],
)
def test_what_only_an_engine_can_tell(memory, seccomp, said):
    told = list(risks_there(memory, machine=100, seccomp=seccomp))
    assert len(told) == len(said)
    assert all(words in line for words, line in zip(said, told, strict=True))


def test_the_record_says_what_holds():
    table = as_table(Security(capabilities=("KILL",), seccomp="/p"))
    assert table["capabilities"] == ["KILL"]
    assert table["seccomp"] == "/p"
    assert table["no_new_privileges"] is True
    assert (table["core"], table["shm"], table["open_files"]) == (0, 256 * 1024**2, 65_536)
    assert table["init"] is True
    assert as_table(Security())["seccomp"] == "the engine's profile"
    assert as_table(Security(), filtered=False)["seccomp"] == "none: the engine has none"


def resolved(repo, trusted=""):
    layers = [
        Layer(source=source, values=tomllib.loads(text), where={}, base="/r", root="/r")
        for source, text in ((Source.GLOBAL, trusted), (Source.REPO, repo))
    ]
    return resolve(layers, home="/h")


@pytest.mark.parametrize(
    ("repo", "trusted", "accepted"),
    [
        ("read-only = true", "", True),
        ("read-only = false", "", True),
        ("read-only = false", "read-only = true", False),
        ("capabilities = ['NET_RAW']", "", False),
        ("capabilities = ['NET_RAW']", "capabilities = ['NET_RAW', 'KILL']", True),
        ("capabilities = ['SYS_ADMIN']", "capabilities = ['NET_RAW']", False),
        ("capabilities = []", "capabilities = ['NET_RAW']", True),
        ("seccomp = 'x.json'", "", False),
    ],
)
def test_a_repository_only_tightens(repo, trusted, accepted):
    found = resolved(f"[security]\n{repo}", f"[security]\n{trusted}")
    assert bool(found.left_out) is not accepted
    expected = resolved("", f"[security]\n{repo if accepted else trusted}")
    assert found.config.security == expected.config.security


@pytest.mark.parametrize("name", ["ALL", "CAP_ALL", "net_raw", "X;Y", ""])
def test_all_capabilities_are_given_to_nobody(name):
    with pytest.raises(ConfigError, match="never ALL"):
        resolved("", f"[security]\ncapabilities = ['{name}']")
