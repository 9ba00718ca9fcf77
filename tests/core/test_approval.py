"""What one approval covers, what its hash says, and how a change is shown."""

from __future__ import annotations

from outrig.core.approval import difference, digest, named
from outrig.core.layer import Layer, Source

ROOT = "/home/me/repo"
FILES = {"config.toml": b"a = 1\n", "Dockerfile": b"FROM x\n", "absent": None}


def test_the_hash_covers_every_name_and_every_byte():
    whole = digest(FILES)
    assert len(whole) == 64
    assert whole == digest(dict(reversed(FILES.items())))
    others = [
        {**FILES, "Dockerfile": b"FROM x"},
        {**FILES, "Dockerfile": None},
        {**FILES, "absent": b""},
        {**FILES, "more": b""},
        {"config.toml": b"FROM x\n", "Dockerfile": b"a = 1\n", "absent": None},
        {"config.toml": FILES["config.toml"]},
    ]
    assert len({whole, *map(digest, others)}) == 1 + len(others)


def test_no_file_can_pass_for_two():
    two = digest({"a": b"x", "b": b"y"})
    assert two not in {digest({"a": b"x\nb y"}), digest({"a\nb": b"x"}), digest({"ab": b"xy"})}


def test_the_dockerfiles_that_images_are_built_of_are_named():
    images = {
        "one": {"dockerfile": "docker/../Dockerfile"},
        "two": {"context": "two"},
        "three": {"context": "two", "dockerfile": "~/Dockerfile"},
        "none": {"image-name": "x"},
        "odd": {"dockerfile": 7},
        "user": {"dockerfile": "~else/x"},
        "nul": {"dockerfile": "a\0b"},
        "nothing": 7,
    }
    layer = Layer(source=Source.REPO, values={"images": images}, where={}, base=ROOT)
    assert list(named(layer, "/home/me")) == [
        f"{ROOT}/Dockerfile",
        f"{ROOT}/two/Dockerfile",
        "/home/me/Dockerfile",
    ]


def test_a_profile_and_what_runs_for_a_secret_are_named():
    values = {
        "security": {"seccomp": "profile.json"},
        "secrets": {
            "one": {"from": f"command:sh -e {ROOT}/a/../get-key --fast"},
            "two": {"from": "command:/usr/bin/pass show it"},
            "three": {"from": f"file:{ROOT}/.env"},  # a value, and what is approved is shown
            "odd": {"from": "command:'"},
            "none": 7,
        },
    }
    layer = Layer(source=Source.REPO, values=values, where={}, base=ROOT, root=ROOT)
    assert list(named(layer, "/home/me")) == [f"{ROOT}/profile.json", f"{ROOT}/get-key"]


def test_a_change_is_shown_and_at_first_everything():
    first = difference({}, {"c": "a\nb"})
    assert first == ["--- /dev/null", "+++ now/c", "@@ -0,0 +1,2 @@", "+a", "+b"]
    changed = difference({"c": "a\nb", "gone": "x"}, {"c": "a\nB"})
    assert changed == [
        *("--- approved/c", "+++ now/c", "@@ -1,2 +1,2 @@", " a", "-b", "+B"),
        *("--- approved/gone", "+++ /dev/null", "@@ -1 +0,0 @@", "-x"),
    ]
    assert difference({"c": "a"}, {"c": "a"}) == []
