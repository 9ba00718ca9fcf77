"""What is read of a Dockerfile before the engine sees it."""

from pathlib import Path

import pytest

from outrig.core.dockerfile import arguments, instructions, packages, stands_on
from outrig.errors import BuildError

SHIPPED = Path(__file__).resolve().parents[2] / "images"


def test_instructions_have_their_continued_lines_joined():
    text = 'from a\n# comment\n\nRUN one \\\n # in between\n\n  && two\nCMD ["x"]'
    assert [tuple(one) for one in instructions(text)] == [
        ("FROM", "a"),
        ("RUN", "one    && two"),
        ("CMD", '["x"]'),
    ]


def test_a_last_line_that_continues_into_nothing_counts():
    assert [one.word for one in instructions("FROM a\nRUN x \\")] == ["FROM", "RUN"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM a", {}),
        ("ARG A", {"A": None}),
        ("arg A=1 B='x y' C=", {"A": "1", "B": "x y", "C": ""}),
        ("ARG A=1\nFROM x\nARG A=2", {"A": "1"}),
        ("ARG A='unclosed", {"A": "'unclosed"}),
        ("RUN echo ARG A=1", {}),
    ],
)
def test_arguments(text, found):
    assert arguments(text) == found


@pytest.mark.parametrize(
    ("text", "given", "base"),
    [
        ("ARG BASE\nFROM ${BASE}", {}, "base"),
        ("ARG BASE=outrig/base\nFROM ${BASE}", {}, "base"),
        ("ARG BASE=outrig/dev\nFROM ${BASE}", {}, "dev"),
        ("ARG BASE=outrig/unknown\nFROM ${BASE}", {}, None),
        ("ARG BASE=debian:12\nFROM ${BASE}", {}, None),
        ("ARG BASE=base\nFROM ${BASE}", {}, None),
        ("FROM debian", {}, None),
        ("ARG BASE=debian:12\nFROM ${BASE}", {"BASE": "dev"}, "dev"),
        ("ARG BASE\nFROM ${BASE}", {"BASE": "debian:12"}, None),
    ],
)
def test_the_image_it_stands_on(text, given, base):
    assert stands_on(text, given, ("base", "dev")) == base


def test_the_shipped_base_can_be_made_of_packages():
    found = packages((SHIPPED / "base/Dockerfile").read_text())
    assert {"git", "curl", "ca-certificates", "python3", "jq", "ripgrep", "less"} <= {*found.names}
    assert {"procps", "make", "gcc"} <= {*found.names}
    assert all(
        name.replace("-", "").replace("+", "").replace(".", "").isalnum() for name in found.names
    )
    assert found.changes == ('CMD ["bash"]',)


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode", "aider", "mini"])
def test_the_shipped_agents_stand_on_base(name):
    text = (SHIPPED / name / "Dockerfile").read_text()
    assert stands_on(text, {}, ("base", name)) == "base"


@pytest.mark.parametrize(
    "more",
    [
        "COPY x /x",
        "RUN make",
        "RUN apt-get update && curl x | sh",
        "RUN rm -rf /",
        "RUN apt-get install -y a; make",
        "RUN apt-get install -y $(cat list)",
        "ADD x /",
    ],
)
def test_a_dockerfile_that_does_more_is_refused(more):
    with pytest.raises(BuildError, match="does more than install packages"):
        packages(f"FROM debian\nRUN apt-get update && apt-get install -y git\n{more}")
