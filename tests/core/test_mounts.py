"""The words of a mount: what they mean, what is refused and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.mounts import (
    MountSpec,
    holds,
    inside,
    parse_volume,
    refuse_overlap,
    refuse_source,
    refuse_target,
    spec,
)
from outrig.errors import MountError

SEGMENTS = st.lists(st.text(alphabet="ab.", min_size=1, max_size=3), max_size=4)


@pytest.mark.parametrize(
    ("text", "source", "target", "writable"),
    [
        ("/data:/data", "/data", "/data", False),
        ("/data:/data:ro", "/data", "/data", False),
        ("/data:/data:rw", "/data", "/data", True),
        ("./data:/in", "./data", "/in", False),
        ("data:/in/", "data", "/in", False),
        ("~/x:/a//b/../c", "~/x", "/a/c", False),
        ("/a:/proctor", "/a", "/proctor", False),
    ],
)
def test_a_volume(text, source, target, writable):
    assert parse_volume(text) == MountSpec(
        source=source, target=target, writable=writable, declared=f"-v {text}"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not HOST:CONTAINER"),
        ("/data", "is not HOST:CONTAINER"),
        (":/data", "is not HOST:CONTAINER"),
        ("/a:/b:ro:rw", "is not HOST:CONTAINER"),
        ("/a:/b:", 'mode "" is neither'),
        ("/a:/b:RW", 'mode "RW" is neither'),
        ("/a:/b:z", 'mode "z" is neither'),
        ("/a:", "is not absolute"),
        ("/a:b", "is not absolute"),
        ("/a://b", "is not absolute"),
    ],
)
def test_a_malformed_volume(text, why):
    with pytest.raises(MountError) as refused:
        parse_volume(text)
    assert why in refused.value.message
    assert text in refused.value.message


@pytest.mark.parametrize(
    "target",
    [
        *("/", "/.", "/x/..", "/proc", "/proc/1", "/sys/fs", "/dev", "/dev/shm"),
        *("/etc/passwd", "/etc/group", "/etc/./passwd", "/sbin/docker-init"),
        *("/etc", "/sbin"),  # the engine would make passwd, group and docker-init in them
        *("/run", "/run/outrig", "/run/outrig/git", "/var/run", "/var/run/outrig/x", "/var/run/"),
    ],
)
def test_a_target_that_belongs_to_the_system(target):
    with pytest.raises(MountError, match=r"the test: .* in the container belongs to the system"):
        refuse_target(target, "the test")


@pytest.mark.parametrize(
    "target", ["/etc/ssl", "/process", "/device", "/workspace", "/run/x", "/var/run/x", "/var"]
)
def test_a_target_that_is_fine(target):
    assert spec("/a", target, writable=False, declared="-v").target == target


@pytest.mark.parametrize(
    ("path", "why"),
    [
        *((path, "the system's own") for path in ("/", "/proc", "/proc/self", "/sys", "/dev/sda")),
        *((path, "the system's own") for path in ("/var", "/var/run", "/run", "/run/user/1000")),
        *(
            (f"/srv/{name}.sock", "an engine socket")
            for name in ("docker", "podman", "containerd", "crio", "dockerd")
        ),
        ("/run/docker.sock", "an engine socket"),
        ("/home/ada", "holds your home directory"),
        ("/home", "holds your home directory"),
    ],
)
def test_a_source_that_no_session_may_see(path, why):
    with pytest.raises(MountError) as refused:
        refuse_source(path, home="/home/ada", declared="-v here")
    assert why in refused.value.message
    assert refused.value.message.startswith(f"-v here: {path}")


@pytest.mark.parametrize("path", ["/home/ada/x", "/home/adam", "/variable", "/running", "/srv"])
def test_a_source_that_is_fine(path):
    refuse_source(path, home="/home/ada", declared="-v")
    assert not inside(path, ("/run", "/var/run"))


def test_two_mounts_of_one_place_are_refused_and_both_named():
    one = spec("/a", "/data", writable=False, declared="-v one")
    two = spec("/b", "/data/", writable=False, declared="-v two")
    with pytest.raises(MountError, match="-v one and -v two both mount /data"):
        refuse_overlap((one, two))


def test_mounts_in_each_other_are_no_overlap():
    outer = spec("/a", "/data", writable=False, declared="-v")
    inner = spec("/b", "/data/in", writable=False, declared="-v")
    refuse_overlap((outer, inner))
    assert inside(inner.target, (outer.target,))


@pytest.mark.parametrize(
    ("path", "tree", "is_inside"),
    [("/a", "/a", True), ("/a/b", "/a", True), ("/ab", "/a", False), ("/a", "/a/b", False)],
)
def test_inside_and_holds_are_two_sides_of_one_thing(path, tree, is_inside):
    assert inside(path, (tree,)) == is_inside
    assert holds(tree, (path,)) == is_inside


@given(SEGMENTS)
def test_no_spelling_of_a_forbidden_target_gets_through(segments):
    target = "/" + "/".join(segments)
    steps: list[str] = []
    for segment in segments:
        if segment == "..":
            del steps[-1:]
        elif segment != ".":
            steps.append(segment)
    if not steps:
        with pytest.raises(MountError):
            refuse_target(target, "-v")
    else:
        assert spec("/", target, writable=False, declared="-v").target == "/" + "/".join(steps)
