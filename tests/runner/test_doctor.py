"""The doctor looks at everything, changes nothing, and one broken thing hides no other."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime

import pytest

from outrig.core.session import Session
from outrig.errors import EngineUnreachableError
from outrig.runner.doctor import Patient, _line, _servers, examine, fix
from outrig.store.creation import create
from outrig.store.sessions import SessionStore
from tests import records


@pytest.fixture
def patient(home, tmp_path):
    return Patient(env={**os.environ, **home.variables()}, cwd=tmp_path)


def by_name(patient):
    return {check.name: check for check in examine(patient)}


def write_global(home, text):
    path = home.config / "outrig/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def unfinished(root):
    now = datetime.now(UTC)
    started = now.isoformat().replace("+00:00", "Z")

    def build(session, directory):
        return Session(
            {
                "id": session,
                "schema": 1,
                "status": "running",
                "started_at": started,
                "session_dir": str(directory),
            }
        )

    return create(SessionStore(root), now=now, build=build)


def test_without_an_engine(patient, home):
    checks = by_name(patient)
    assert checks["engine"].state == "wrong"
    assert "no-engine.sock" in checks["engine"].says
    assert checks["engine"].remedy == "outrig doctor --fix"
    assert "api" not in checks
    assert checks["git"].says == shutil.which("git")
    assert checks["session root"].says == f"{home.sessions}, made with the first session"
    assert checks["sessions"].says == "none unfinished"
    assert checks["config"].says == "no file: the built-in defaults"
    assert checks["disk"].says.endswith(f"for {home.path}")


def test_looking_changes_nothing(patient, home):
    list(examine(patient))
    assert sorted(path.name for path in home.path.iterdir()) == ["run"]


def test_without_git(patient, tmp_path):
    check = by_name(Patient(env={**patient.env, "PATH": str(tmp_path)}, cwd=tmp_path))["git"]
    assert (check.state, check.says.partition(":")[0]) == ("warning", "not found")


def test_a_config_that_counts_is_named(patient, home):
    path = write_global(home, 'default-image = "base"\n')
    assert by_name(patient)["config"].says == str(path)


def test_an_unknown_key_is_a_warning(patient, home):
    path = write_global(home, 'defualt-image = "base"\n')
    check = by_name(patient)["config"]
    assert check.state == "warning"
    assert f"{path}:1" in check.says


@pytest.mark.parametrize("text", ["no toml", "engine = 3\n"])
def test_a_broken_config_is_wrong_and_hides_nothing(patient, home, text):
    path = write_global(home, text)
    checks = by_name(patient)
    assert checks["config"].state == "wrong"
    assert str(path) in checks["config"].says
    assert {"engine", "git", "session root", "sessions"} <= set(checks)


def test_a_session_root_that_cannot_be(patient, tmp_path):
    (tmp_path / "file").write_text("")
    root = tmp_path / "file" / "sessions"
    checks = by_name(Patient(env=patient.env, cwd=tmp_path, session_root=root))
    assert checks["session root"].state == "wrong"
    assert f"{tmp_path}/file is not a directory" in checks["session root"].says
    assert checks["session root"].remedy


def test_unfinished_sessions(patient, home):
    held = unfinished(home.sessions)
    assert by_name(patient)["sessions"].says == "1 running"
    records.abandon(held, f"unix://{home.run}/no.sock")
    check = by_name(patient)["sessions"]
    assert check.state == "warning"
    assert check.says == f"nobody can say what became of: {held.id}"
    assert check.remedy == "outrig ls, where they were started, once their engine answers"


def test_fix_leaves_an_endpoint_of_the_user_alone(patient, home):
    said: list[str] = []
    with pytest.raises(EngineUnreachableError, match=r"no-engine\.sock"):
        fix(patient, said.append)
    assert said == []


@pytest.mark.docker
def test_with_an_engine(patient):
    checks = by_name(patient)
    assert {name for name, check in checks.items() if check.state == "wrong"} == set()
    assert checks["local"].state == "ok"
    assert checks["engine"].says.startswith(("docker ", "podman "))
    assert {
        "api",
        "storage",
        "cgroup",
        "rootless",
        "seccomp",
        "resolver",
        "bridge",
        "network",
        "engine disk",
    } <= set(checks)
    assert "default host" in checks["images"].says


@pytest.mark.docker
def test_fix_leaves_an_engine_that_answers_alone(patient):
    said: list[str] = []
    fix(patient, said.append)
    assert said == []


def test_the_nameservers_of_a_file(tmp_path):
    file = tmp_path / "resolv.conf"
    file.write_bytes(b"# nameserver 1.1.1.1\nsearch x\nnameserver 10.0.0.1\nnameserver\n\xff\n")
    assert _servers(file) == ["10.0.0.1"]
    assert _servers(tmp_path / "none") == []
    assert _line(tmp_path / "none") is None
    assert _line(file) is not None
