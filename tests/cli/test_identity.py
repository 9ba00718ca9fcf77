"""Whoever calls, on whatever image: the session's user has a name, a home, git, and owns its files.

Root tries the callers that it can become; the same tests run again as an unprivileged user.
"""

from __future__ import annotations

import contextlib
import grp
import io
import os
import pwd
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from tests import images
from tests.conftest import Outrig, leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.conftest import Finished

pytestmark = [pytest.mark.docker, pytest.mark.timeout(200)]

ROOT = os.getuid() == 0
STRANGER = 4242  # has no entry in this machine's passwd
OWNER = 4343
WHO = "id -u; id -g; whoami; echo $HOME; touch made ~/made; mkdir -p ~/.config/x; stat -c %u ~"
GIT = (
    "set -e; git status --short; git log -1 --format=%s; echo more > more; git add more; "
    "git -c user.name=a -c user.email=a@b commit -qm second; git log -1 --format=%s"
)
PYTHON = (
    "import getpass, os, pathlib, pwd; print(getpass.getuser(), pathlib.Path.home(), "
    "pwd.getpwuid(os.getuid()).pw_dir)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """How outrig is called, and who the session should be then."""

    uid: int  # of outrig
    owner: int  # of the workspace
    expected: int
    through: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        with contextlib.suppress(KeyError):
            return pwd.getpwuid(self.expected).pw_name
        return "outrig"

    @property
    def home(self) -> str:
        return "/root" if self.expected == 0 else f"/home/{self.name}"


def becoming(uid: int) -> tuple[str, ...]:
    group = grp.getgrnam("docker").gr_gid
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", f"--groups={group}")


CALLERS = {
    "me": Caller(uid=os.getuid(), owner=os.getuid(), expected=os.getuid()),
    "root-elsewhere": Caller(uid=0, owner=OWNER, expected=OWNER),
    "sudo": Caller(uid=0, owner=OWNER, expected=OWNER, through=("sudo", "-n")),
    "stranger": Caller(uid=STRANGER, owner=STRANGER, expected=STRANGER, through=("setpriv",)),
    "stranger-elsewhere": Caller(
        uid=STRANGER, owner=OWNER, expected=STRANGER, through=("setpriv",)
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A workspace with a repository in it, outside of any directory that is private."""

    caller: Caller
    outrig: Outrig
    top: Path
    cache: Path
    image: str

    def __call__(self, *args: str) -> Finished:
        env = {
            "HOME": str(self.top / "home"),
            "XDG_DATA_HOME": str(self.top / "home/data"),
            "XDG_CACHE_HOME": str(self.cache),
            "XDG_CONFIG_HOME": str(self.top / "home/config"),
        }
        if self.caller.owner not in (self.caller.uid, self.caller.expected):
            env["OUTRIG_WORKSPACE__PATH"] = str(self.work)  # or its owner has to be asked
        options = ("run", "--image", self.image, "--network", "none", *args)
        # sudo lets hardly any variable through, so they stand on its command line.
        named = [f"{name}={value}" for name, value in self.outrig.environment(env).items()]
        argv = (*self.caller.through, "env", *named, *self.outrig.argv)
        return Outrig(argv=argv, cwd=self.work)(*options, timeout=150)

    @property
    def work(self) -> Path:
        return self.top / "work"


def git(directory: Path, *args: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "safe.directory=*")
    subprocess.run(["git", *who, *args], cwd=directory, check=True)


@pytest.fixture(params=CALLERS)
def caller(request: pytest.FixtureRequest) -> Caller:
    found: Caller = CALLERS[request.param]
    if request.param == "me":
        return found
    if not ROOT:
        pytest.skip("only root can become somebody else")
    if found.through and not shutil.which(found.through[0]):
        pytest.skip(f"no {found.through[0]} here")
    if found.through != ("setpriv",):
        return found
    made = Caller(
        uid=found.uid, owner=found.owner, expected=found.expected, through=becoming(found.uid)
    )
    argv = (*made.through, sys.executable, "-P", "-c", "import outrig.cli.main")
    tried = subprocess.run(
        argv, env=Outrig.environment(None), cwd="/", check=False, capture_output=True
    )
    if tried.returncode:
        pytest.skip("this Python, or this tree, is for root alone")
    return made


@pytest.fixture(scope="session")
def caches() -> Iterator[Path]:
    """What each caller learned about the engine and its images, once for all tests."""
    made = Path(tempfile.mkdtemp(prefix="outrig-test."))
    made.chmod(0o755)
    for uid in {caller.uid for caller in CALLERS.values()}:
        (made / str(uid)).mkdir()
        if ROOT:
            os.chown(made / str(uid), uid, uid)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory that everybody may enter: pytest's own are private."""
    made = Path(tempfile.mkdtemp(prefix="outrig-test."))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def place(
    request: pytest.FixtureRequest,
    caller: Caller,
    top: Path,
    caches: Path,
    engine_client: docker.DockerClient,
) -> Iterator[Place]:
    name = getattr(request, "param", "busybox")
    image = name if name == "host" else request.getfixturevalue(name)
    for directory, owner in (("home", caller.uid), ("work", caller.owner)):
        (top / directory).mkdir()
        if directory == "work":
            git(top / "work", "init", "-q")
            git(top / "work", "commit", "-q", "--allow-empty", "-m", "first")
        give(top / directory, owner)
    argv = (sys.executable, "-P", "-m", "outrig")
    yield Place(
        caller=caller,
        outrig=Outrig(argv=argv, cwd=top),
        top=top,
        cache=caches / str(caller.uid),
        image=image,
    )
    assert leftovers(engine_client, top) == []


def give(top: Path, owner: int) -> None:
    for path in (top, *top.rglob("*")):
        os.chown(path, owner, owner if ROOT else -1, follow_symlinks=False)


def on(*images: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", images, indirect=True)


# ---------------------------------------------------------------- the tests


@on("busybox", "busybox_user", "debian", "host")
def test_a_name_a_home_and_files_of_ones_own(place: Place):
    place.work.chmod(0o777)  # for a stranger in somebody else's workspace
    caller = place.caller
    said = place("sh", "-c", WHO).ok().out.split()
    group = os.getgid() if caller.uid == os.getuid() == caller.owner else caller.expected
    assert said[:2] == [str(caller.expected), str(group)]
    assert said[3] == caller.home
    assert said[4] == str(caller.expected)
    if place.image == "outrig-test/busybox:latest":
        assert said[2] == caller.name
    made = (place.work / "made").stat()
    assert (made.st_uid, made.st_gid) == (caller.expected, group)


@on("debian", "host")
def test_git_works_and_suspects_nobody(place: Place):
    if place.caller.owner != place.caller.expected:
        pytest.skip("nobody commits to a repository that they may not write")
    done = place("sh", "-c", GIT).ok()
    assert done.stdout == b"first\nsecond\n"
    assert "dubious" not in done.err
    owners = {path.lstat().st_uid for path in place.work.rglob("*")}
    assert owners == {place.caller.expected}


@on("debian", "host")
def test_a_repository_of_somebody_else_can_be_read(place: Place):
    done = place("git", "log", "-1", "--format=%s").ok()
    assert done.stdout == b"first\n"


@on("debian", "host")
def test_python_knows_who_it_is(place: Place):
    caller = place.caller
    said = place("python3", "-c", PYTHON).ok().out.split()
    assert said == [caller.name, caller.home, caller.home]
    bare = place("env", "-i", "/usr/bin/python3", "-c", PYTHON).ok().out.split()
    assert bare[1:] == [caller.home, caller.home]


def test_root_is_said_aloud(place: Place):
    done = place("true").ok()
    assert ("runs as uid 0 without root's capabilities" in done.err) == (place.caller.expected == 0)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("root", "0 0 root"), ("1234", "1234 1234 outrig"), ("1234:77", "1234 77 outrig")],
)
def test_somebody_who_was_asked_for(place: Place, asked, expected):
    who = "echo $(id -u) $(id -g) $(whoami); touch ~/made && echo home"
    done = place("-u", asked, "sh", "-c", who).ok()
    assert done.out == f"{expected}\nhome\n"
    assert ("--user root: the session is root with CHOWN" in done.err) == (asked == "root")


def test_the_images_own_user_is_not_asked(place: Place, busybox_user: str):
    done = place("--image", busybox_user, "id", "-u").ok()
    assert done.out == f"{place.caller.expected}\n"


def test_a_user_of_the_image_keeps_their_name(place: Place, engine_client: docker.DockerClient):
    """An image's `node` with the uid of the caller stays `node`, and finds itself at home."""
    uid = place.caller.expected
    program = images.static_busybox().read_bytes()
    passwd = f"root:x:0:0::/root:/bin/sh\nnode:x:{uid}:{uid}::/elsewhere:/bin/sh\n"
    recipe = program + passwd.encode()
    name = f"busybox-node-{uid}"

    def root() -> IO[bytes]:
        return io.BytesIO(with_file(images.busybox_root(program), "etc/passwd", passwd.encode()))

    image = images.kept(engine_client, name, recipe, [], root)
    try:
        done = place("--image", image, "sh", "-c", "whoami; cd; pwd").ok()
    finally:
        engine_client.images.remove(image)
    assert done.out == f"{'root' if uid == 0 else 'node'}\n{place.caller.home}\n"


def with_file(tar: bytes, name: str, data: bytes) -> bytes:
    packed = io.BytesIO(tar)
    with tarfile.open(fileobj=packed, mode="a") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
