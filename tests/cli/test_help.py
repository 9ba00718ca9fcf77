"""`outrig help`: the pages, and that what they name exists."""

from __future__ import annotations

import re

import pytest

from outrig.cli.doors import DOORS
from outrig.cli.help import DOCS, page, topics
from outrig.core import keys
from tests.conftest import REPO


def test_every_page_is_listed_with_its_title(outrig):
    lines = outrig("help").ok().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(path.stem for path in DOCS.iterdir())
    assert "What outrig protects, and what it does not" in lines[0]


@pytest.mark.parametrize("topic", ["security", "trust"])
def test_a_page_is_printed_as_it_is(outrig, topic):
    assert outrig("help", topic).ok().out == (DOCS / f"{topic}.md").read_text()


@pytest.mark.parametrize(
    ("topic", "hint"),
    [
        ("securty", "outrig help security"),
        ("run", "outrig run --help"),
        ("ps", "outrig ls --help"),
        ("../../README", "outrig help"),
        ("x", "outrig help"),
    ],
)
def test_a_page_that_there_is_not(outrig, topic, hint):
    done = outrig("help", topic)
    assert done.code == 2
    assert f"no page on {topic}; there are security, trust" in done.err
    assert f"hint: {hint}\n" in done.err


@pytest.mark.parametrize("topic", sorted(topics()))
def test_what_a_page_names_exists(topic):
    """Commands, flags of run and sections of the config, as a reader would type them."""
    text = page(topic)
    commands = {word for door in DOORS for word in (door.name, door.alias)}
    named = set(re.findall(r"`outrig (\w+)", text)) | set(
        re.findall(r"(?m)^    outrig (\w+)", text)
    )
    assert named
    assert named <= commands
    told = ("run", "options", "trust")
    run = "".join((REPO / f"outrig/cli/{name}.py").read_text() for name in told)
    for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text):
        assert f'{flag}"' in run or f"{flag} " in run or flag in ("--help", "--origin"), flag
    sections = {str(path[0]) for path, _ in keys.every()}
    for section in re.findall(r"`\[([a-z]+)\]", text):
        assert section in sections, section
