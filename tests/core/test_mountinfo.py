"""A container's mounts against the plan: each row of the table, with what kernels really print."""

from __future__ import annotations

import pytest

from outrig.core.engine import Mount
from outrig.core.mountinfo import Entry, by_point, differences, parse, source

HERE = """\
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 27 0:21 / /proc rw,relatime - proc proc rw
30 27 0:40 / /tmp rw - tmpfs tmpfs rw
31 27 8:1 /@home /home rw,relatime - btrfs /dev/sda1 rw,subvol=/@home
32 31 0:50 / /home/me/repo/net rw - fuse.sshfs far rw
33 27 8:17 / /home/me/with\\040space rw - ext4 /dev/sdb1 rw
"""
# As 20.10.24 prints it, shortened.
ENGINE = """\
575 89 0:58 / / rw,relatime master:6 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/X
576 575 0:129 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
577 575 0:130 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
578 577 0:131 / /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw
581 580 0:29 /docker/0327 /sys/fs/cgroup/cpu ro,nosuid - cgroup cgroup rw,cpu
589 575 254:0 /usr/bin/tini-static /sbin/docker-init ro,relatime - ext4 /dev/vda rw
632 575 254:0 /var/lib/docker/containers/0327/hosts /etc/hosts rw,relatime - ext4 /dev/vda rw
104 576 0:130 /null /proc/keys rw,nosuid - tmpfs tmpfs rw
"""
REPO = "593 575 8:1 /@home/me/repo /workspace rw,relatime - btrfs /dev/sda1 rw\n"
DATA = "594 593 254:0 /srv/data /workspace/data ro,relatime - ext4 /dev/vda rw\n"
PLAN = (
    Mount(source="/home/me/repo", target="/workspace", writable=True),
    Mount(source="/srv/data", target="/workspace/data"),
)


def found(inside, plan=PLAN):
    return list(differences(plan, ENGINE + inside, HERE))


def test_as_planned():
    assert found(REPO + DATA) == []


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (REPO, "nothing is mounted at /workspace/data"),
        (
            REPO + DATA.replace("/srv/data ", "/home/me/.ssh "),
            "/workspace/data is /home/me/.ssh and not /srv/data",
        ),
        (REPO + DATA.replace("254:0", "8:9"), "/workspace/data is /srv/data and not /srv/data"),
        (
            REPO + DATA.replace("/srv/data ", "/srv/data//deleted "),
            "/workspace/data is /srv/data//deleted and not /srv/data",
        ),
        (REPO + DATA.replace(" ro,", " rw,"), "/workspace/data is writable"),
        (
            REPO + DATA + "600 575 254:0 /etc /etc/ssl ro - ext4 /dev/vda rw\n",
            "/etc is mounted at /etc/ssl, and nobody asked for that",
        ),
        (
            REPO + DATA + "600 593 254:0 /root /workspace/x rw - ext4 /dev/vda rw\n",
            "/root is mounted at /workspace/x, and nobody asked for that",
        ),
        (
            REPO + DATA + "600 575 0:40 / /scratch rw - tmpfs tmpfs rw\n",
            "/ is mounted at /scratch, and nobody asked for that",
        ),
    ],
    ids=["missing", "link", "device", "deleted", "writable", "extra", "within", "host-tmpfs"],
)
def test_a_difference(inside, said):
    assert found(inside) == [said]


def test_what_covers_a_planned_mount_is_what_counts():
    over = DATA.replace("/srv/data ", "/root ").replace("594", "601")
    assert found(REPO + DATA + over) == ["/workspace/data is /root and not /srv/data"]


@pytest.mark.parametrize(
    "inside",
    [
        "600 593 0:50 / /workspace/net rw - fuse.sshfs far rw\n",
        "600 575 0:200 / /tmp rw,nosuid - tmpfs tmpfs rw\n",
        "600 575 0:200 / /run/secrets rw,nosuid - tmpfs tmpfs rw\n",
    ],
    ids=["comes-along", "tmpfs-of-its-own", "podman"],
)
def test_what_is_fine(inside):
    assert found(REPO + DATA + inside) == []


def test_an_image_may_have_a_link_for_a_directory():
    """Debian's /lib is a link to /usr/lib, and its init is mounted at /usr/sbin."""
    plan = (*PLAN, Mount(source="/srv/lib", target="/lib/x"))
    there = "600 575 254:0 /srv/lib {} ro - ext4 /dev/vda rw\n"
    init = "601 575 254:0 /usr/bin/tini-static /usr/sbin/docker-init ro - ext4 /dev/vda rw\n"
    assert found(REPO + DATA + init + there.format("/usr/lib/x"), plan) == []
    elsewhere = found(REPO + DATA + there.format("/workspace/lib/x"), plan)
    assert elsewhere[0] == "nothing is mounted at /lib/x"
    away = DATA.replace("/workspace/data", "/etc/data")  # a link in the workspace led there
    assert found(REPO + away) == [
        "nothing is mounted at /workspace/data",
        "/srv/data is mounted at /etc/data, and nobody asked for that",
    ]


def test_a_link_of_an_image_takes_nothing_around_what_is_ours():
    """/data is a link to /run there, and below that outrig mounts what git needs."""
    git = Mount(source="/srv/objects", target="/run/outrig/git")
    plan = (*PLAN, Mount(source="/srv/mine", target="/data", writable=True), git)
    there = "600 575 254:0 /srv/mine /run rw - ext4 /dev/vda rw\n"
    ours = "601 600 254:0 /srv/objects /run/outrig/git ro - ext4 /dev/vda rw\n"
    told = "/run/outrig/git lies in /data, behind a link of the image"
    assert found(REPO + DATA + there + ours, plan) == [told]
    aside = there.replace(" /run ", " /mnt ")
    assert found(REPO + DATA + aside + ours, plan) == []


def test_what_comes_along_into_a_read_only_mount_is_read_only_too():
    """Engines before 25 make only the mount itself read-only (tried on 20.10.24)."""
    plan = (Mount(source="/home/me/repo", target="/data"), Mount(source="/", target="/usr"))
    data = REPO.replace("/workspace rw", "/data ro")
    usr = "594 575 254:0 / /usr ro - ext4 /dev/vda rw\n"
    below = "600 593 0:50 / /data/net {} - fuse.sshfs far rw\n"
    tmp = "601 594 0:40 / /usr/tmp rw - tmpfs tmpfs rw\n"
    assert found(data + usr + below.format("ro") + tmp, plan) == []
    assert found(data + usr + below.format("rw"), plan) == [
        (
            "/data/net is writable below /data, which is read-only: this engine makes read-only "
            "what is mounted there, and nothing mounted below"
        )
    ]


def test_a_volume_is_the_engine_s_own_place():
    plan = (Mount(source="outrig-x-tree", target="/workspace", writable=True, volume=True),)
    assert found("593 575 0:77 / /workspace rw - overlay overlay rw\n", plan) == []
    assert found("", plan) == ["nothing is mounted at /workspace"]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/srv/data", ("254:0", "/srv/data")),
        ("/", ("254:0", "/")),
        ("/home", ("8:1", "/@home")),
        ("/home/me/repo", ("8:1", "/@home/me/repo")),
        ("/home/me/repo/net/a", ("0:50", "/a")),
        ("/homely", ("254:0", "/homely")),
        ("/home/me/with space/x", ("8:17", "/x")),
    ],
)
def test_where_a_source_lies(path, known):
    assert source(by_point(parse(HERE)), path) == known


def test_a_later_mount_covers_an_earlier_one_here_too():
    over = HERE + "40 27 9:9 /other /home rw - ext4 /dev/x rw\n"
    assert source(by_point(parse(over)), "/home/me") == ("9:9", "/other/me")


def test_a_line_that_is_none_is_passed_over():
    assert parse("\nx y\n1 2 3:4 / /a ro,rw2 - ext4 x rw\n") == [
        Entry(device="3:4", path="/", point="/a", writable=False, kind="ext4")
    ]
