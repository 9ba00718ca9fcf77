"""Patterns as in .gitignore, each row against what git itself says."""

from __future__ import annotations

import subprocess

import pytest

from outrig.core.ignore import rules

ROWS = [
    ("name", "a/name", True),
    ("name", "names", False),
    ("/name", "a/name", False),
    ("a/name", "b/a/name", False),
    ("*.pem", "x/k.pem", True),
    ("*.pem", "k.pem.txt", False),
    ("a*b", "a/b", False),
    ("a?c", "abc", True),
    ("a?c", "a/c", False),
    ("[a-c]x", "bx", True),
    ("[!a-c]x", "bx", False),
    ("[!a-c]x", "dx", True),
    ("a/**/b", "a/b", True),
    ("a/**/b", "a/x/y/b", True),
    ("**/b", "x/y/b", True),
    ("a/**", "a/x/y", True),
    ("a/**", "b/a/x", False),
    ("\\#x", "#x", True),
    ("#x", "#x", False),
    ("\\!x", "!x", True),
    ("x ", "x", True),
    ("x\\ ", "x ", True),
    ("a.b", "axb", False),
    ("dir/", "dir", False),  # a file
    ("dir/", "dir/file", True),
    ("dir", "dir/deep/file", True),
    ("[", "[", False),
    ("a[", "a[", False),
    ("(a|b)+", "(a|b)+", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), ROWS)
def test_a_pattern(tmp_path, pattern, path, expected):
    assert rules([pattern]).fits_below(path, directory=False) is expected
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "rules").write_text(f"{pattern}\n")
    argv = ["git", "ls-files", "--others", "--ignored", "-z", f"--exclude-from={tmp_path}/rules"]
    said = subprocess.run(argv, cwd=tmp_path, capture_output=True, check=True).stdout
    assert (path.encode() in said.split(b"\0")) is expected


def test_the_last_pattern_that_fits_decides():
    found = rules(["*.log", "!keep.log", "", "# nothing"])
    assert found.fits("a.log", directory=False)
    assert not found.fits("keep.log", directory=False)
    assert not rules(["*" * 100])
