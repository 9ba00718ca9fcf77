"""`outrig run` of an agent: its prompt, its stdin, and images' entrypoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.agents import configure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.conftest import Home


# ---------------------------------------------------------------- entrypoint


@pytest.mark.docker
def test_an_images_entrypoint_stays_for_commands(run: Run, echoing: str):
    assert run("--image", echoing, "a", "b").ok().stdout == b"entry a b\n"


@pytest.mark.docker
@pytest.mark.parametrize(
    ("entrypoint", "words", "expected"),
    [
        ("", ("echo", "plain"), b"plain\n"),
        ("/bin/printf", ("%s.", "a", "b"), b"a.b."),
    ],
)
def test_another_entrypoint(run: Run, echoing: str, entrypoint, words, expected):
    done = run("--image", echoing, "--entrypoint", entrypoint, *words).ok()
    assert done.stdout == expected


@pytest.mark.docker
def test_an_images_entrypoint_is_not_for_agents(run: Run, echoing: str, home: Home):
    configure(home)
    done = run("--image", echoing, "--agent", "bot", "-p", "hello").ok()
    assert done.stdout == b"asked: hello\nmore: \n"


@pytest.mark.docker
@pytest.mark.parametrize("way", ["flag", "file", "stdin", "file-stdin"])
def test_a_prompt(run: Run, home: Home, tmp_path: Path, way):
    configure(home)
    prompt = 'fix $HOME "it"\n{prompt} ü -x\n'
    (tmp_path / "prompt").write_text(prompt)
    option = {
        "flag": ("-p", prompt),
        "file": ("--prompt-file", str(tmp_path / "prompt")),
        "stdin": ("-p", "-"),
        "file-stdin": ("--prompt-file", "-"),
    }[way]
    stdin = prompt.encode() if "stdin" in way else b"not read"
    done = run("--agent", "bot", *option, "--", "--more", "words", stdin=stdin).ok()
    assert done.out == f"asked: {prompt}\nmore: --more words\n"
    record = run.record()
    assert (record["agent_name"], record["task"]) == ("bot", prompt)


@pytest.mark.docker
def test_an_agent_with_a_prompt_does_not_wait_for_stdin(run: Run, home: Home):
    configure(home, '[agents.cat]\ncommand = ["sh", "-c", "cat; echo {prompt}"]\n')
    process = run.start("--agent", "cat", "-p", "done")
    assert process.stdout
    assert process.stdout.read() == b"done\n"
    assert process.wait() == 0


@pytest.mark.docker
def test_an_agent_that_is_asked_to_read_stdin(run: Run, home: Home):
    configure(home, '[agents.cat]\ncommand = ["sh", "-c", "cat; echo {prompt}"]\n')
    done = run("-i", "--agent", "cat", "-p", "done", stdin=b"data ").ok()
    assert done.stdout == b"data done\n"
