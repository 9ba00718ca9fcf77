"""What a tree takes, as du counts it."""

from __future__ import annotations

import os
import subprocess

from outrig.workspace.size import BLOCK, taken


def test_it_is_what_du_says(tmp_path):
    tree = tmp_path / "tree"
    (tree / "deep/er").mkdir(parents=True)
    (tree / "deep/er/file").write_bytes(b"x" * 300_000)
    os.link(tree / "deep/er/file", tree / "again")
    with (tree / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    (tree / "out").symlink_to("/")
    os.mkfifo(tree / "fifo")
    said = subprocess.run(["du", "-s", "-B1", tree], capture_output=True, text=True, check=True)
    top = tree.stat().st_blocks * BLOCK
    assert taken([tree]) == int(said.stdout.split()[0]) - top


def test_what_is_not_there_takes_nothing(tmp_path):
    assert taken([tmp_path / "gone"]) == 0
