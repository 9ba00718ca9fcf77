"""What containment is by default, seen from inside; what a session can do all the same; root.

Figures come from the kernel: /proc/self/status, limits, cgroup and mounts of the session itself.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Outrig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Run

pytestmark = [pytest.mark.docker, pytest.mark.timeout(200)]

CAPABILITIES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7}
NET_RAW = 13
LOOK = """
grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status
echo nofile: $(ulimit -Hn)
echo core: $(ulimit -Hc)
echo home: $HOME
echo pids: $(cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max)
echo shm: $(df -k /dev/shm | tail -1 | awk '{print $2}')
echo root: $(awk '$2 == "/" {print $4}' /proc/mounts | cut -c1-2)
echo pid1: $(tr '\\0' ' ' < /proc/1/cmdline)
echo sockets: $(find / -xdev -type s 2>/dev/null)
echo devices: $(ls /dev)
"""
WRITE = """
for place in /tmp /run /var/tmp ~ /workspace; do touch $place/x && echo "wrote $place"; done
touch /x 2>/dev/null && echo "wrote /"; touch /bin/x 2>/dev/null && echo "wrote /bin"; true
"""


def mask(*names: str) -> str:
    return f"{sum(1 << CAPABILITIES[name] for name in names):016x}"


def seen(run: Run, *options: str) -> dict[str, str]:
    """What a session sees of itself."""
    said = run(*options, "sh", "-c", LOOK).ok().out
    return {
        name.strip(): words.strip()
        for name, _, words in (line.partition(":") for line in said.splitlines())
    }


def test_the_defaults_hold_inside_and_stand_in_the_record(run):
    found = seen(run)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert found[kind] == "0" * 16
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"  # a filter
    assert found["pids"] == "512"
    assert found["core"] == "0"
    assert found["shm"] == str(256 * 1024)
    assert found["root"] == "rw"
    assert 0 < int(found["nofile"]) <= 65_536
    assert "docker-init" in found["pid1"]
    assert found["sockets"] == ""
    assert not set(found["devices"].split()) & {"sda", "mem", "kmsg", "kvm", "fuse", "disk"}
    record = run.record()
    said = record["security"]
    assert said == {
        "capabilities": [],
        "no_new_privileges": True,
        "init": True,
        "seccomp": "the engine's profile",
        "read_only": False,
        "open_files": 65_536,
        "core": 0,
        "shm": 256 * 1024**2,
        "passwd": "the image's, and the session's user",
        "ports": [],
        "restart": "no",
    }
    assert record["limits"]["cpus"] == os.cpu_count()
    assert (record["limits"]["pids"], record["home"]) == (512, found["home"])
    shown = run.outrig("show").ok().out
    assert "no_new_privileges: yes" in shown
    assert f"cpus: {os.cpu_count()}" in shown
    assert "capabilities: none" in shown
    assert "shm: 256m" in shown
    assert f"home               {found['home']}" in shown
    planned = json.loads(run("--dry-run", "--json", "true").ok().out)
    assert planned["security"] == {name.replace("_", "-"): value for name, value in said.items()}
    assert planned["user"]["home"] == found["home"]
    assert planned["limits"]["memory"] == "80 % of the machine, decided at launch"
    assert planned["limits"]["cpus"] == "all"


def test_a_read_only_root_leaves_the_places_that_programs_need(run):
    assert seen(run, "--read-only")["root"] == "ro"
    wrote = run("--read-only", "sh", "-c", WRITE).ok().out.splitlines()
    assert wrote == [f"wrote {place}" for place in ("/tmp", "/run", "/var/tmp")] + [
        f"wrote {run('sh', '-c', 'echo ~').out.strip()}",
        "wrote /workspace",
    ]


def test_the_host_image_runs_on_a_read_only_root(run):
    done = run("--image", "host", "--read-only", "python3", "-c", "open('/tmp/x', 'w'); print(7)")
    assert done.ok().out == "7\n"


def test_what_loosens_it_says_so(run):
    done = run("--cap-add", "NET_RAW", "grep", "CapBnd", "/proc/self/status")
    assert int(done.ok().out.split()[1], 16) == 1 << NET_RAW
    assert "[outrig] capabilities NET_RAW: more of this machine's kernel is open" in done.err
    env = {
        "OUTRIG_LIMITS__CORE": "1m",
        "OUTRIG_LIMITS__SHM": "1m",
        "OUTRIG_LIMITS__OPEN_FILES": "99",
    }
    done = run("sh", "-c", "ulimit -Hn; ulimit -Hc; df -k /dev/shm | tail -1", env=env).ok()
    files, core, shm = done.out.splitlines()
    assert (files, core, shm.split()[1]) == ("99", "2048", "1024")  # blocks of 512 bytes
    assert "[outrig] core files: what a crashing program had in memory" in done.err
    done = run("--pids", "600", "-m", "1000t", "true").ok()
    assert "[outrig] limits above the usual, pids 600 (512): a session that runs away" in done.err
    assert "[outrig] memory 1000t is more than 80 % of the machine" in done.err


def test_a_seccomp_profile_of_ones_own(run, tmp_path):
    """One that allows everything but mkdir; what is no profile is refused before that."""
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile = tmp_path / "seccomp.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    env = {"OUTRIG_SECURITY__SECCOMP": str(profile)}
    done = run("sh", "-c", "mkdir /workspace/d || echo refused", env=env).ok()
    assert done.out == "refused\n"
    assert f"[outrig] seccomp profile {profile} in place of the engine's" in done.err
    for text in ("[]", "{", '{"defaultAction": "SCMP_ACT_ALLOW"}'):
        profile.write_text(text)
        done = run("true", env=env)
        assert done.code == 125
        assert f"security.seccomp: {profile}" in done.err
    assert len(run.sessions()) == 1


def test_root_that_was_asked_for_has_what_it_needs_and_no_more(run):
    found = seen(run, "--user", "root")
    assert found["CapEff"] == found["CapBnd"] == mask(*CAPABILITIES)
    assert found["NoNewPrivs"] == "1"
    done = run("--user", "root", "true").ok()
    assert "[outrig] --user root: the session is root with CHOWN, DAC_OVERRIDE" in done.err
    assert seen(run, "--user", "0:0")["CapBnd"] == "0" * 16


# ---------------------------------------------------------------- apt-get


POSTINST = "#!/bin/sh\nset -e\nuseradd --system greeter\ninstall -o greeter -d /var/lib/greeter\n"


def package(work: Path) -> None:
    """An apt repository of one package, whose installation makes a user with a directory."""
    top = work / "repo"
    tree = top / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/bin").mkdir(parents=True)
    control = (
        "Package: greeter\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n"
    )
    (tree / "DEBIAN/control").write_text(control)
    (tree / "DEBIAN/postinst").write_text(POSTINST)
    (tree / "usr/bin/greet").write_text("#!/bin/sh\nid -un greeter; stat -c %U /var/lib/greeter\n")
    for script in ("DEBIAN/postinst", "usr/bin/greet"):
        (tree / script).chmod(0o755)
    argv = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(top / "greeter.deb")]
    subprocess.run(argv, check=True, capture_output=True)
    made = (top / "greeter.deb").read_bytes()
    digest = hashlib.sha256(made).hexdigest()
    listed = f"{control}Filename: ./greeter.deb\nSize: {len(made)}\nSHA256: {digest}\n"
    (top / "Packages").write_text(listed)
    (work / "local.list").write_text("deb [trusted=yes] file:/workspace/repo ./\n")


INSTALL = """
set -e
options='-o Dir::Etc::sourcelist=/workspace/local.list -o Dir::Etc::sourceparts=-'
apt-get $options update -q >&2
apt-get $options install -qy greeter >&2
greet
"""


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="no dpkg-deb to make a package with")
def test_root_can_apt_get_install_and_nobody_else(run, debian):
    package(run.work)
    options = ("--image", debian, "--network", "none")
    done = run.outrig("run", *options, "--user", "root", "bash", "-c", INSTALL, env=run.env)
    assert done.ok().out == "greeter\ngreeter\n"
    refused = run.outrig("run", *options, "--user", "1234", "bash", "-c", INSTALL, env=run.env)
    assert refused.code == 100
    assert "Permission denied" in refused.err


# ---------------------------------------------------------------- who works there as the caller


OWNER = 4343 if os.getuid() == 0 else os.getuid()
WORK = """
set -ex
pip install --user --break-system-packages --no-index -q ./pkg-1-py3-none-any.whl
python3 -m pkg
npm install -g --offline --silent ./tool.tgz
tool
git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm one
git log --format=%s
gcc -o hello hello.c && ./hello
python3 -m pytest -q -p no:cacheprovider test_it.py | tail -1
"""


def wheel(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        files = {
            "pkg/__init__.py": "",
            "pkg/__main__.py": "print('pkg')",
            "pkg-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: pkg\nVersion: 1\n",
            "pkg-1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
        }
        for name, text in files.items():
            made.writestr(name, text)
        lines = []
        for name, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            lines.append(f"{name},sha256={digest.decode().rstrip('=')},{len(text)}")
        made.writestr("pkg-1.dist-info/RECORD", "\n".join([*lines, "pkg-1.dist-info/RECORD,,"]))


def npm_package(path: Path) -> None:
    files = {
        "package/package.json": '{"name": "tool", "version": "1.0.0", "bin": "tool.js"}',
        "package/tool.js": "#!/usr/bin/env node\nconsole.log('tool')\n",
    }
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))


@pytest.fixture
def project() -> Iterator[Path]:
    """A workspace that a plain user owns, below a directory that everybody may enter."""
    top = Path(tempfile.mkdtemp(prefix="outrig-test."))
    top.chmod(0o755)
    work = top / "work"
    work.mkdir()
    wheel(work / "pkg-1-py3-none-any.whl")
    npm_package(work / "tool.tgz")
    (work / "hello.c").write_text('#include <stdio.h>\nint main() { puts("gcc"); return 0; }\n')
    (work / "test_it.py").write_text("def test_it():\n    assert 1\n")
    for path in (work, *work.iterdir()):
        os.chown(path, OWNER, -1)
    yield work
    shutil.rmtree(top)


@pytest.mark.skipif(
    not all(map(shutil.which, ("/usr/bin/npm", "/usr/bin/gcc", "/usr/bin/pip"))),
    reason="this machine's /usr has no npm, gcc or pip",
)
def test_a_plain_session_can_work_and_every_file_is_the_callers(run, project):
    site = Path(pytest.__file__).parents[1]
    outrig = Outrig(argv=run.outrig.argv, cwd=project)
    done = outrig(
        *("run", "--image", "host", "--network", "none", "-v", f"{site}:/site:ro"),
        *("-e", "PYTHONPATH=/site", "-e", "PYTHONDONTWRITEBYTECODE=1", "sh", "-c", WORK),
        env={**run.env, "OUTRIG_SESSION_ROOT": str(run.root)},
        timeout=150,
    ).ok()
    *others, tested = done.out.splitlines()
    assert others == ["pkg", "tool", "one", "gcc"]
    assert tested.startswith("1 passed")
    record = json.loads((run.session / "session.json").read_bytes())
    assert record["user"].split(":")[0] == str(OWNER)
    home = run.session / "home"
    assert (home / ".local/bin/tool").exists()
    owners = {path.lstat().st_uid for top in (project, home) for path in (top, *top.rglob("*"))}
    assert owners == {OWNER}
