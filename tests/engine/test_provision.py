"""An engine is started so that it lives on; what a dead one left behind is no hindrance."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from outrig.core.provision import Machine, Step
from outrig.engine import provision
from outrig.errors import EngineUnreachableError

ENV = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "MODEL_API_KEY": "secret"}


def daemon(tmp_path: Path, then: str) -> tuple[list[str], Path]:
    """A script in a daemon's place: it notes its process id and environment, and lives on."""
    note = tmp_path / "note"
    script = f"{{ echo $$; cat /proc/$$/stat; env; }} > {note}.new; mv {note}.new {note}; {then}"
    return ["sh", "-c", script], note


def test_a_daemon_lives_on_in_a_session_of_its_own(tmp_path):
    argv, note = daemon(tmp_path, "exec sleep 60")
    provision.start_daemon(argv, tmp_path / "log", note.exists, ENV)
    pid, stat, *_ = note.read_text().splitlines()
    _, parent, _, sid, *_ = stat.rpartition(")")[2].split()
    try:
        assert pid == sid
        assert parent != str(os.getpid())
        assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
        assert Path(f"/proc/{pid}/fd/1").readlink() == tmp_path / "log"
    finally:
        os.kill(int(pid), signal.SIGKILL)


def test_a_daemon_gets_no_secret_of_the_caller(tmp_path):
    argv, note = daemon(tmp_path, "exec true")
    provision.start_daemon(argv, tmp_path / "log", note.exists, ENV)
    assert "HOME=/nowhere" in note.read_text()
    assert "MODEL_API_KEY" not in note.read_text()


def test_a_daemon_that_gives_up_is_quoted(tmp_path):
    # dockerd 20.10.24, with the pid of a living process in its pid file
    said = (
        "failed to start daemon: pid file found, ensure docker is not running "
        "or delete /var/run/docker.pid"
    )
    (tmp_path / "log").write_text("failed to start daemon: of yesterday\n")
    argv, _ = daemon(tmp_path, f"sleep 0.3; echo {said!r}")
    with pytest.raises(EngineUnreachableError) as caught:
        provision.start_daemon(argv, tmp_path / "log", lambda: False, ENV)
    assert "pid file found" in caught.value.message
    assert "yesterday" not in caught.value.message


def test_an_engine_that_answers_is_left_alone():
    said: list[str] = []
    provision.provision(said.append, answers=lambda: True, named=None, env=ENV)
    assert said == []


BARE = Machine(
    system="Linux",
    families=frozenset({"debian"}),
    root=True,
    systemd=False,
    cgroups=True,
    installed=False,
    socket=None,
    endpoint=None,
    user="ann",
    outrig="outrig",
)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("install", ["refresh-packages", "install"]),  # apt starts what it installs, where it may
        ("start-daemon", ["refresh-packages", "install", "start-daemon"]),
    ],
)
def test_steps_are_done_until_the_engine_answers(monkeypatch, last, expected):
    done: list[Step] = []
    said: list[str] = []
    monkeypatch.setattr(provision, "look", lambda *_: BARE)
    monkeypatch.setattr(provision, "carry_out", lambda step, *_: done.append(step))
    provision.provision(said.append, answers=lambda: last in done, named=None, env=ENV)
    assert done == expected
    assert said == [provision.SAYS[step] for step in done]


def test_who_came_with_sudo_learns_how_to_do_without(monkeypatch):
    done: list[Step] = []
    said: list[str] = []
    monkeypatch.setattr(provision, "look", lambda *_: BARE)
    monkeypatch.setattr(provision, "carry_out", lambda step, *_: done.append(step))
    env = {**ENV, "SUDO_USER": "ann"}
    provision.provision(said.append, answers=lambda: "install" in done, named=None, env=env)
    assert "usermod -aG docker ann" in said[-1]


def test_an_engine_that_never_answers_is_an_error(monkeypatch):
    monkeypatch.setattr(provision, "PATIENCE", 0.0)
    monkeypatch.setattr(provision, "look", lambda *_: BARE)
    monkeypatch.setattr(provision, "carry_out", lambda *_: None)
    with pytest.raises(EngineUnreachableError, match="does not answer"):
        provision.provision(lambda _: None, answers=lambda: False, named=None, env=ENV)


def test_this_machine_is_looked_at():
    machine = provision.look("tcp://far:1", ENV)
    assert (machine.system, machine.root) == (os.uname().sysname, os.geteuid() == 0)
    assert machine.endpoint == "tcp://far:1"


def test_an_engine_that_the_user_named_is_not_replaced():
    said: list[str] = []
    with pytest.raises(EngineUnreachableError, match="tcp://far"):
        provision.provision(said.append, answers=lambda: False, named="tcp://far:1", env=ENV)
    assert said == []


@pytest.mark.parametrize(
    ("engine", "docker_host", "expected"),
    [
        (None, "tcp://far:2375", "tcp://far:2375"),
        ("tcp://far:2375", "", "tcp://far:2375"),
        (None, "ssh://far", "ssh://far"),
        (None, "unix:///run/user/7/podman.sock", "unix:///run/user/7/podman.sock"),
        (None, "unix:///var/run/docker.sock", None),
        ("unix:///run/docker.sock", "", None),
    ],
)
def test_whose_endpoint_it_is(home, engine, docker_host, expected):
    env = {"DOCKER_HOST": docker_host} if docker_host else {}
    assert provision.named_endpoint(engine, env=env, home=home.path) == expected


def test_a_program_that_fails_is_quoted():
    argv = ["sh", "-c", "echo E: no such package; exit 100"]
    with pytest.raises(EngineUnreachableError, match="E: no such package"):
        provision.run(argv, ENV, needed=True)
    provision.run(argv, ENV, needed=False)


def test_a_program_that_is_missing_is_named():
    with pytest.raises(EngineUnreachableError, match="no-such-program is missing"):
        provision.run(["no-such-program"], ENV, needed=True)


# ---------------------------------------------------------------- leavings


@pytest.fixture
def run_dir(home):
    (home.run / "docker/containerd").mkdir(parents=True)
    (home.run / "containerd").mkdir()
    return home.run


@pytest.mark.parametrize("content", ["", "no number", "999999999", "1"])
def test_a_stale_pid_file_is_cleared(run_dir, content):
    pidfiles = [run_dir / "docker.pid", run_dir / "docker/containerd/containerd.pid"]
    for path in pidfiles:
        path.write_text(content)
    assert not provision.already_starting(run_dir)
    assert [path for path in pidfiles if path.exists()] == []


def test_nothing_to_clear_is_fine(tmp_path):
    assert not provision.already_starting(tmp_path)


def test_a_daemon_that_lives_is_waited_for(run_dir):
    with subprocess.Popen(["sleep", "60"]) as process:
        (run_dir / "docker.pid").write_text(f"{process.pid}\n")
        assert provision.lives(run_dir / "docker.pid", "sleep")
        assert not provision.lives(run_dir / "docker.pid", "dockerd")
        process.kill()


def test_a_zombie_does_not_live(run_dir):
    process = subprocess.Popen(["sleep", "0"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    (run_dir / "pid").write_text(str(process.pid))
    assert not provision.lives(run_dir / "pid", "sleep")
    process.wait()


def test_a_socket_without_a_listener_is_cleared(run_dir):
    path = run_dir / "containerd/containerd.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        provision.already_starting(run_dir)
        assert path.exists()
    provision.already_starting(run_dir)
    assert not path.exists()


# ---------------------------------------------------------------- the real one


@pytest.mark.docker
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a second dockerd")
def test_a_real_dockerd_starts_beside_a_stale_pid_file(tmp_path, home):
    # A network namespace of its own: two daemons in one fight over docker0.
    top = home.run
    pidfile, address = top / "docker.pid", top / "docker.sock"
    pidfile.write_text(str(os.getpid()))
    assert not provision.already_starting(top)
    argv = ["unshare", "-n", "dockerd", "--data-root", str(tmp_path / "data")]
    argv += ["--exec-root", str(top / "exec"), "--pidfile", str(pidfile), "-H", f"unix://{address}"]

    def answers() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            if client.connect_ex(str(address)) != 0:
                return False
            client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return client.recv(64).startswith(b"HTTP/1.0 200")

    provision.start_daemon(argv, tmp_path / "log", answers, dict(os.environ))
    try:
        assert provision.already_starting(top)
    finally:
        os.kill(int(pidfile.read_text()), signal.SIGTERM)
        assert provision.within(20, lambda: not pidfile.exists())
