"""`.dockerignore`, row by row, with the answers that docker's own documentation and code give."""

import pytest

from outrig.core.dockerignore import left_out, may_keep_below, parse, verdicts


def out(text, path):
    """Whether `path` stays out: asked as a walk asks, from the top down."""
    patterns = parse(text)
    matched: tuple[bool, ...] = ()
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        matched = verdicts(patterns, "/".join(parts[:depth]), matched)
    return left_out(patterns, matched)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("x", "x"),
        ("x", "x/y/z"),
        ("/x", "x"),
        ("x/", "x/y"),
        ("./x/../y", "y"),
        ("../x", "x"),
        ("*.pyc", "a.pyc"),
        ("*/temp*", "some/temporary.txt"),
        ("*/temp*", "some/temp"),
        ("*/*/temp*", "some/sub/temporary.txt"),
        ("temp?", "tempa"),
        ("**/*.go", "main.go"),
        ("**/*.go", "a/b/main.go"),
        ("**.log", "a/b/c.log"),
        ("**", "a/b"),
        ("a/**/z", "a/z"),
        ("a/**/z", "a/b/c/z"),
        ("a/**", "a/b"),
        ("foo**", "foobar"),
        ("[ab].txt", "a.txt"),
        ("[^a].txt", "b.txt"),
        ("[a-c].txt", "b.txt"),
        (r"\*.txt", "*.txt"),
        ("  x  ", "x"),
        ("\ufeffx", "x"),
        ("x\r\ny\r\n", "y"),
        ("*\n!keep\nkeep", "keep"),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md"),
        ("*\n!a/b", "a/c"),
        ("*.md\n#!x", "a.md"),
    ],
)
def test_left_out(text, path):
    assert out(text, path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "x"),
        ("# x", "# x"),
        ("x", "y/x"),
        ("x", "xy"),
        ("*.pyc", "a/b.pyc"),
        ("temp?", "temp"),
        ("*/temp*", "temp"),
        ("**/*.go", "main.c"),
        ("a/**/z", "b/z"),
        ("a/**", "a"),
        ("[^a].txt", "a.txt"),
        (r"\*.txt", "a.txt"),
        ("a.c", "abc"),
        ("*\n!keep", "keep"),
        ("*\n!keep", "keep/below"),
        ("*\n!a/b", "a/b/c"),
        ("*.md\n!README*.md\nREADME-secret.md", "README-x.md"),
        ("docs\n!docs/**/*.txt", "docs/a/b.txt"),
        ("!x", "x"),
        ("!", "x"),
    ],
)
def test_stays_in(text, path):
    assert not out(text, path)


def test_a_pattern_cannot_take_for_ever():
    # With a backtracking matcher either of these takes longer than the age of the universe.
    assert not out("*a" * 40 + "b", "a" * 200)
    assert not out("**/a/" * 30 + "b", "a/" * 100 + "c")


def test_a_directory_is_entered_for_its_exceptions_only():
    assert may_keep_below(parse("x\n!x/y"), "x")
    assert may_keep_below(parse("x\n!**/y"), "x")
    assert not may_keep_below(parse("x\n!y"), "x")
    assert not may_keep_below(parse("x\nx/y"), "x")
