"""The host image: what of this machine is shown, and above all what is not."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from outrig.engine import host
from outrig.errors import MountError

SECRETS = (
    "etc/shadow", "etc/passwd", "etc/ssh/ssh_host_key", "etc/ssl/private/key.pem", "etc/pip.conf",
    "etc/npmrc", "etc/pki/tls/private/key.pem", "etc/gitconfig", "etc/environment",
    "etc/docker/key.json", "etc/sudoers", "etc/maven/settings.xml", "etc/apt/auth.conf",
)  # fmt: skip


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A merged-/usr machine in miniature."""
    root = tmp_path / "machine"
    write(root, "usr/bin/sh", "usr/sbin/ldconfig", "usr/lib/os-release", "usr/lib64/ld.so")
    write(root, "usr/share/zoneinfo/UTC", "etc/ssl/certs/ca.crt", "etc/ssl/openssl.cnf")
    write(root, "etc/services", "etc/java-17-openjdk/security/java.policy", *SECRETS)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/UTC")
    (root / "etc/timezone").symlink_to("services")
    return root


def test_a_merged_machine_is_links_and_one_usr(machine: Path) -> None:
    layout, mounts = host.survey(machine)
    targets = {mount.target: mount for mount in mounts}
    assert layout.links["bin"] == "usr/bin"
    assert layout.links["etc/os-release"] == "../usr/lib/os-release"
    assert layout.links["etc/localtime"] == "/usr/share/zoneinfo/UTC"
    assert layout.links["sbin/ldconfig"] == "/usr/sbin/ldconfig"
    assert "sbin" in layout.directories  # init is mounted there, so it is a directory of its own
    assert targets["/usr"].source == str(machine / "usr")
    assert targets["/etc/timezone"].source == str(machine / "etc/services")
    assert targets["/etc/java-17-openjdk"].source == str(machine / "etc/java-17-openjdk")
    assert not any(mount.writable for mount in mounts)
    assert not {"/bin", "/sbin", "/lib", "/etc/os-release"} & set(targets)


def test_a_machine_with_real_directories_mounts_them(machine: Path) -> None:
    for name in ("bin", "sbin", "lib", "lib64"):
        (machine / name).unlink()
    write(machine, "bin/ls", "sbin/init", "lib/libc.so")
    layout, mounts = host.survey(machine)
    targets = {mount.target: mount.source for mount in mounts}
    assert targets["/bin"] == str(machine / "bin")
    assert targets["/.host/sbin"] == str(machine / "sbin")
    assert layout.links["sbin/init"] == "/.host/sbin/init"
    assert {"bin", "lib", ".host/sbin", "sbin"} <= set(layout.directories)
    assert "lib64" not in layout.links


def test_no_secret_of_the_machine_is_shown(machine: Path) -> None:
    _, mounts = host.survey(machine)
    shown = [Path(mount.source) for mount in mounts]
    for name in SECRETS:
        assert not any((machine / name).is_relative_to(path) for path in shown), name
    assert any((machine / "etc/ssl/certs/ca.crt").is_relative_to(path) for path in shown)


def test_the_tag_changes_with_the_layout_alone(machine: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = host.tag(host.survey(machine)[0], cache)
    (machine / "usr/bin/new").touch()
    os.utime(machine / "etc/services", (0, 0))
    assert host.tag(host.survey(machine)[0], cache) == before
    assert host.tag(host.survey(machine)[0], tmp_path / "another") == before
    (machine / "etc/magic").touch()
    assert host.tag(host.survey(machine)[0], cache) != before


def test_the_archive_is_a_root_without_content(machine: Path) -> None:
    layout, mounts = host.survey(machine)
    packed = host.archive(layout)
    assert packed == host.archive(layout)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        found = {entry.name: entry for entry in tar}
    assert found["tmp"].mode == 0o1777
    assert found["bin"].linkname == "usr/bin"
    assert found["sbin"].isdir()
    assert {mount.target.lstrip("/") for mount in mounts} <= set(found)  # no mount point is made
    files = [entry.name for entry in found.values() if entry.isfile() and entry.size]
    assert sorted(files) == ["etc/group", "etc/passwd"]
    assert list(found).index("etc") < list(found).index("etc/ssl")


# ---------------------------------------------------------------- host-paths


def test_host_paths_are_mounted_where_they_are(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write(home, ".local/share/tool/bin/x")
    (home / ".local/bin").symlink_to("share/tool/bin")
    given = str(home / ".local/bin")
    (mount,) = host.path_mounts([f"{given}/"], home=home)
    assert (mount.target, mount.source) == (given, str(home / ".local/share/tool/bin"))
    assert not mount.writable


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("/", "the whole machine"),
        ("{home}", "the home directory"),
        ("{home}/..", "the home directory"),
        ("{home}/keys", "keys"),
        ("{home}/.ssh", "keys"),
        ("{home}/.config", "keys"),
        ("{home}/.ssh/config", "keys"),
        ("{home}/nothing", "does not exist"),
        ("/etc/ssl", "the machine's own"),
        ("/proc/self", "the machine's own"),
        ("/dev", "the machine's own"),
        ("/run", "the machine's own"),
    ],
)
def test_host_paths_that_would_show_too_much_are_refused(
    tmp_path: Path, given: str, why: str
) -> None:
    home = tmp_path / "home"
    write(home, ".ssh/config", ".config/gh/hosts.yml")
    (home / "keys").symlink_to(".ssh")
    with pytest.raises(MountError, match=why):
        host.path_mounts([given.format(home=home)], home=home)


# ---------------------------------------------------------------- PATH


def test_the_path_inside_is_mine_as_far_as_it_is_there() -> None:
    path = "/home/me/.local/bin:/usr/bin:/opt/x/bin:relative::/home/me/.local/bin"
    assert host.search_path(path, ["/home/me/.local"]) == (
        "/home/me/.local/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin"
    )


def test_directories_of_path_that_are_missing_are_named_once(tmp_path: Path) -> None:
    write(tmp_path, "a/bin/x", "b/bin/x")
    (tmp_path / "empty").mkdir()
    path = f"{tmp_path}/a/bin:/usr/bin:{tmp_path}/b/bin/:{tmp_path}/a/bin:{tmp_path}/empty:/no/such"
    assert host.missing_path_dirs(path, []) == [f"{tmp_path}/a/bin", f"{tmp_path}/b/bin"]
    assert host.missing_path_dirs(path, [f"{tmp_path}/a"]) == [f"{tmp_path}/b/bin"]


def test_a_program_is_there_if_all_that_it_needs_is(tmp_path: Path) -> None:
    write(tmp_path, "bin/tool", "lib/real", "bin/plain")
    (tmp_path / "bin/tool").chmod(0o755)
    (tmp_path / "lib/real").chmod(0o755)
    (tmp_path / "bin/linked").symlink_to("../lib/real")
    path, inside = f"{tmp_path}/bin:/usr/bin", [f"{tmp_path}/bin"]
    assert host.program_path("tool", path, inside) == f"{tmp_path}/bin/tool"
    assert host.program_path("tool", path, []) is None
    assert host.program_path("linked", path, inside) is None
    assert host.program_path("linked", path, [str(tmp_path)]) == f"{tmp_path}/bin/linked"
    assert host.program_path("plain", path, inside) is None
    assert host.program_path("env", path, []) == "/usr/bin/env"
    assert host.program_path("/usr/bin/env", "", []) == "/usr/bin/env"
