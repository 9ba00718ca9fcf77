"""A real engine: what goes in comes out, what is made goes away, what fails says why."""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from outrig.core import naming
from outrig.core.engine import UNLINKED, Container, Exit, Mount, Ref
from outrig.core.frozen import replace
from outrig.engine import connect
from outrig.engine.failure import init_complaint
from outrig.errors import ContainerGoneError, EngineError, MountError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from outrig.core.engine import Image
    from outrig.engine import Engine, Output

pytestmark = pytest.mark.docker


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A session root's id; the isolation of tests checks that nothing of it is left."""
    found = os.urandom(8).hex()
    (tmp_path / ".root-id").write_text(found)
    return found


@pytest.fixture
def engine(tmp_path: Path, root: str) -> Iterator[Engine]:
    made = connect(
        None,
        env=os.environ,
        home=tmp_path,
        cache=tmp_path / "cache",
        slots=tmp_path / "slots",
        root=root,
    )
    yield made
    for seen in made.seen(root):
        made.remove(seen.ref)
    made.close()


@pytest.fixture
def image(engine: Engine, busybox: str) -> Image:
    found = engine.image(busybox)
    assert found
    return found


@pytest.fixture
def plain(image: Image, root: str) -> Container:
    """A container to vary: busybox, no network, no stdin, no terminal."""
    session = os.urandom(4).hex()
    return Container(
        name=f"outrig-test-{session}",
        labels=naming.labels(session=session, root=root, attempt="a", role="agent"),
        image=image.id,
        entrypoint=None,
        command=("true",),
        user="1000:1000",
        working_dir="/",
        mounts=(),
        network=UNLINKED,
        memory=256 * 1024 * 1024,
        cpus=None,
        pids=64,
        log_bytes=1024**3,
        tty=False,
        stdin=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    exit: Exit
    stdout: bytes
    stderr: bytes
    terminal: bytes


def talk(output: Output, data: bytes | None) -> dict[str, bytes]:
    """Feed and read until the line ends."""
    left = memoryview(data or b"")
    heard: dict[str, bytearray] = {}
    if data == b"":
        output.end_input()
    while True:
        poll = select.poll()
        poll.register(output.fileno(), select.POLLIN | (select.POLLOUT if left else 0))
        events = poll.poll()[0][1]
        if left and events & select.POLLOUT:
            left = left[output.write(left) :]
            if not left:
                output.end_input()
        if events & ~select.POLLOUT:
            chunks = output.read()
            if chunks is None:
                return {stream: bytes(said) for stream, said in heard.items()}
            for stream, chunk in chunks:
                heard.setdefault(stream, bytearray()).extend(chunk)


def run(engine: Engine, container: Container, stdin: bytes | None = None) -> Ran:
    ref = engine.prepare(container, {"GREETING": "hello"})
    try:
        heard = talk(engine.start(ref), stdin)
        exit_ = engine.wait(ref)
    finally:
        engine.remove(ref)
    words = {stream: heard.get(stream, b"") for stream in ("stdout", "stderr", "terminal")}
    return Ran(exit=exit_, **words)


def shell(container: Container, script: str, **changes: Any) -> Container:
    return replace(container, command=("sh", "-c", script), **changes)


# ---------------------------------------------------------------- a run


def test_streams_are_apart_and_the_code_is_its_own(engine: Engine, plain: Container) -> None:
    ran = run(engine, shell(plain, 'echo "$GREETING"; echo no >&2; exit 7'))
    assert (ran.stdout, ran.stderr) == (b"hello\n", b"no\n")
    assert (ran.exit.code, ran.exit.started, ran.exit.oom) == (7, True, False)
    assert not ran.exit.engine_died
    assert ran.exit.finished_at.startswith("20")


def test_no_first_byte_is_lost(engine: Engine, plain: Container) -> None:
    assert run(engine, shell(plain, "echo first")).stdout == b"first\n"


@pytest.mark.timeout(120)
def test_a_hundred_megabytes_go_in_and_come_out(engine: Engine, plain: Container) -> None:
    data = os.urandom(1024 * 1024) * 100
    ran = run(engine, replace(plain, command=("cat",), stdin=True), data)
    assert len(ran.stdout) == len(data)
    assert hashlib.sha256(ran.stdout).digest() == hashlib.sha256(data).digest()


def test_an_empty_stdin_ends_at_once(engine: Engine, plain: Container) -> None:
    assert run(engine, shell(plain, "cat; echo done", stdin=True), b"").stdout == b"done\n"


def test_without_stdin_there_is_nothing_to_read(engine: Engine, plain: Container) -> None:
    assert run(engine, shell(plain, "cat; echo done")).stdout == b"done\n"


def test_a_reader_that_stops_reading_does_not_hang(engine: Engine, plain: Container) -> None:
    some = bytes(20 * 1024 * 1024)
    ran = run(engine, replace(plain, command=("head", "-c", "10"), stdin=True), some)
    assert (ran.stdout, ran.exit.code) == (bytes(10), 0)


def test_containment_as_seen_from_inside(engine: Engine, plain: Container) -> None:
    script = "id -u; grep -E '(CapBnd|NoNewPrivs):' /proc/self/status; ulimit -c; ls /sys/class/net"
    said = run(engine, shell(plain, script)).stdout.decode().split()
    assert said == [
        "1000", "CapBnd:", "0000000000000000", "NoNewPrivs:", "1", "0", "lo",
    ]  # fmt: skip


def test_a_terminal(engine: Engine, plain: Container) -> None:
    script = 'until [ "$(stty size 2>/dev/null)" ]; do :; done; stty size; cat; echo end'
    ran = run(engine, shell(plain, script, tty=True, stdin=True, size=(33, 77)), b"")
    assert b"33 77\r\n" in ran.terminal
    assert ran.terminal.endswith(b"end\r\n")


def test_the_engines_detach_keys_are_only_keys(engine: Engine, plain: Container) -> None:
    container = shell(plain, "stty raw -echo; echo go; head -c 3 | od -c", tty=True, stdin=True)
    ref = engine.prepare(container, {})
    output = engine.start(ref)
    heard = b""
    while b"go" not in heard:
        select.select([output], [], [])
        heard += b"".join(data for _, data in output.read() or ())
    assert output.write(memoryview(b"\x10\x11x")) == 3
    assert b"020 021   x" in talk(output, None)["terminal"]
    assert engine.wait(ref).code == 0


def test_a_signal_reaches_the_children_of_a_shell_too(engine: Engine, plain: Container) -> None:
    ref = engine.prepare(shell(plain, "echo go; sleep 1000; echo survived"), {})
    output = engine.start(ref)
    select.select([output], [], [])
    assert output.read() == [("stdout", b"go\n")]
    assert not engine.ended(ref, 0)
    engine.signal(ref, "TERM")
    assert talk(output, None) == {}
    assert engine.wait(ref).code == 143
    assert engine.ended(ref, 0)
    engine.signal(ref, "TERM")  # it has ended already: no error


def test_out_of_memory_is_told(engine: Engine, plain: Container) -> None:
    script = "exec tail -c 500m /dev/zero"
    ran = run(engine, shell(plain, script, memory=16 * 1024 * 1024))
    assert ran.exit.code == 137
    assert ran.exit.killed_for_memory  # the engine's own word may come too late, also on 20.10


def test_work_is_done_while_the_engine_starts_it(engine: Engine, plain: Container) -> None:
    done: list[str] = []
    ref = engine.prepare(plain, {})
    engine.start(ref, meanwhile=lambda: done.append("work"))
    assert done == ["work"]
    assert engine.wait(ref).code == 0


def test_somebody_else_may_wait(engine: Engine, plain: Container, tmp_path: Path) -> None:
    ref = engine.prepare(shell(plain, "exit 5"), {})
    engine.start(ref)
    other = connect(None, env=os.environ, home=tmp_path, cache=tmp_path, slots=tmp_path / "slots")
    assert other.wait(ref).code == 5
    other.close()


def test_our_death_is_the_end_of_its_stdin(engine: Engine, plain: Container) -> None:
    ref = engine.prepare(shell(plain, "cat; exit 4", stdin=True), {})
    output = engine.start(ref)
    output.write(memoryview(b"half"))
    output.close()
    assert engine.wait(ref).code == 4


# ---------------------------------------------------------------- what fails


@pytest.mark.parametrize(
    ("command", "code"), [("nosuch", 127), ("/no/such", 127), ("/bin", 126), ("/etc/hosts", 126)]
)
def test_a_command_that_is_not_there_is_inits_to_tell(
    engine: Engine, plain: Container, command: str, code: int
) -> None:
    ran = run(engine, replace(plain, command=(command,)))
    assert ran.exit.code == code
    assert init_complaint(ran.stderr)


def test_a_mount_without_a_source_is_refused_and_not_made(
    engine: Engine, plain: Container, tmp_path: Path, root: str
) -> None:
    missing = tmp_path / "missing"
    mounts = (Mount(source=str(missing), target="/x"),)
    with pytest.raises(MountError, match="missing"):
        engine.prepare(replace(plain, mounts=mounts), {})
    assert not missing.exists()
    assert engine.seen(root) == []


def test_a_directory_on_a_file_is_told_at_start(engine: Engine, plain: Container) -> None:
    mounts = (Mount(source="/usr", target="/bin/busybox"),)
    ref = engine.prepare(replace(plain, mounts=mounts), {})
    with pytest.raises(MountError, match="cannot mount /usr at /bin/busybox"):
        engine.start(ref)
    engine.remove(ref)


def test_a_name_that_is_taken_is_told(engine: Engine, plain: Container, root: str) -> None:
    engine.prepare(plain, {})
    with pytest.raises(EngineError, match="already in use"):
        engine.prepare(plain, {})
    assert len(engine.seen(root)) == 1


def test_a_working_directory_that_is_a_file_is_told(engine: Engine, plain: Container) -> None:
    with pytest.raises(EngineError, match="working directory is no directory"):
        engine.prepare(replace(plain, working_dir="/bin/busybox"), {})


# ---------------------------------------------------------------- what is there


def test_seen_is_what_carries_the_roots_id(engine: Engine, plain: Container, root: str) -> None:
    ref = engine.prepare(shell(plain, "sleep 1000"), {})
    (seen,) = engine.seen(root)
    assert (seen.ref, seen.role, seen.root, seen.alive) == (ref, "agent", root, False)
    assert f"outrig-test-{seen.session}" == seen.name == plain.name
    engine.start(ref)
    assert engine.seen(root)[0].alive
    assert engine.seen("another-root") == []
    engine.remove(ref)
    assert engine.seen(root) == []
    engine.remove(ref)  # gone already: no error


def test_a_container_that_vanished_is_told(engine: Engine, plain: Container) -> None:
    ref = engine.prepare(plain, {})
    engine.remove(ref)
    with pytest.raises(ContainerGoneError):
        engine.wait(ref)
    with pytest.raises(ContainerGoneError):
        engine.start(ref)
    engine.signal(ref, "KILL")
    engine.resize(ref, 1, 1)


def test_one_that_is_removed_under_us_is_told(
    engine: Engine, plain: Container, engine_client: docker.DockerClient
) -> None:
    ref = engine.prepare(shell(plain, "sleep 1000"), {})
    engine.start(ref)
    engine_client.api.remove_container(ref.id, force=True)
    with pytest.raises(ContainerGoneError):
        engine.wait(ref)


def test_removing_waits_for_a_removal_by_somebody_else(
    engine: Engine, plain: Container, tmp_path: Path
) -> None:
    ref = engine.prepare(shell(plain, "sleep 1000"), {})
    engine.start(ref)
    other = connect(None, env=os.environ, home=tmp_path, cache=tmp_path, slots=tmp_path / "slots")
    thread = threading.Thread(target=other.remove, args=(ref,))
    thread.start()
    engine.remove(ref)
    thread.join()
    other.close()
    with pytest.raises(ContainerGoneError):
        engine.wait(ref)


def test_facts_are_asked_once(engine: Engine, engine_client: docker.DockerClient) -> None:
    facts = engine.facts()
    told = engine_client.info()
    assert (facts.id, facts.memory, facts.cpus) == (told["ID"], told["MemTotal"], told["NCPU"])
    assert facts.platform.startswith("linux/")
    assert engine.facts() == facts


def test_the_engine_sees_our_files(engine: Engine, root: str, tmp_path: Path) -> None:
    found = engine.locality()
    assert found.local, found.why
    assert engine.locality() == found
    assert engine.seen(root) == []
    assert not list((tmp_path / "cache").glob("nonce-*"))


def test_files_of_an_image_are_read_without_running_it(
    engine: Engine, image: Image, root: str
) -> None:
    paths = ("/bin/sh", "/etc/passwd", "/bin", "/bin/busybox/x")
    with pytest.raises(EngineError, match="too many"):
        engine.read_files(image, paths)  # /bin/sh is a link to 2 MB
    assert engine.seen(root) == []


def test_where_paths_lead_in_an_image(engine: Engine, root: str, debian: str) -> None:
    """Debian's /var/run is a link to /run; a path goes on where it ends to exist."""
    image, _ = engine.host_image([])
    found = engine.image(debian)
    assert found is not None
    for _ in range(2):
        assert engine.real_paths(found, ("/var/run/x/y", "/workspace", "/var/./run")) == {
            "/var/run/x/y": "/run/x/y",
            "/workspace": "/workspace",
            "/var/./run": "/run",
        }
        assert engine.real_paths(image, ("/usr/x", "/nope/a")) == {
            "/usr/x": "/usr/x",
            "/nope/a": "/nope/a",
        }
    assert engine.seen(root) == []


def test_the_host_image_is_this_machines_own_system(engine: Engine, plain: Container) -> None:
    image, mounts = engine.host_image([])
    assert image.reference.startswith("outrig/host:")
    script = (
        "cat /etc/os-release; ls /etc/shadow /etc/ssl/private /etc/pip.conf /root/.ssh; sh -c :"
    )
    container = shell(plain, script, image=image.id, mounts=tuple(mounts))
    ran = run(engine, container)
    with open("/etc/os-release", "rb") as file:
        assert ran.stdout == file.read()
    assert ran.stderr.count(b"No such file") == 4
    assert ran.exit.code == 0
    files = engine.read_files(image, ("/etc/passwd", "/etc/shadow", "/etc"))
    assert (files["/etc/passwd"] or b"").startswith(b"root:x:0:0:")
    assert (files["/etc/shadow"], files["/etc"]) == (None, None)
    assert engine.image(image.reference) == replace(image, reference=image.reference)


def test_nothing_can_be_written_into_the_machine(engine: Engine, plain: Container) -> None:
    image, mounts = engine.host_image([])
    script = "for d in / /usr /usr/bin /etc /etc/ssl/certs; do touch $d/x; done; touch /tmp/x"
    container = shell(plain, script, image=image.id, mounts=tuple(mounts), user="0:0")
    ran = run(engine, container)
    assert ran.stderr.count(b"Read-only file system") == 3  # /usr, /usr/bin, /etc/ssl/certs
    assert not os.path.exists("/usr/x")


def test_an_image_that_is_not_there_is_none(engine: Engine) -> None:
    assert engine.image("outrig-test/nosuch:1") is None


def test_closing_leaves_what_runs(engine: Engine, plain: Container, root: str) -> None:
    ref = engine.prepare(shell(plain, "sleep 1000"), {})
    engine.start(ref)
    engine.close()
    time.sleep(0.1)
    assert [seen.alive for seen in engine.seen(root)] == [True]
    with contextlib.suppress(ContainerGoneError):
        engine.remove(Ref(engine=ref.engine, endpoint=ref.endpoint, id=ref.id))
