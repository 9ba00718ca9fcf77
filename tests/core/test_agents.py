"""The built-in agents are complete, and a prompt reaches each of them as one word, unchanged."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrig.core.agents import BUILTIN_AGENTS, PROMPT, agent_argv
from outrig.core.config import AgentConfig

IMAGES = Path(__file__).resolve().parents[2] / "images"
EVERY = pytest.mark.parametrize("name", sorted(BUILTIN_AGENTS))


def test_the_agents_are_those_of_the_documentation():
    assert set(BUILTIN_AGENTS) == {"claude", "codex", "gemini", "opencode", "aider", "mini"}


@EVERY
def test_each_is_the_same_program_with_and_without_a_prompt(name):
    agent = BUILTIN_AGENTS[name]
    assert agent.command[0] == agent.interactive[0] == name
    assert sum(PROMPT in word for word in agent.command) == 1
    assert not any(PROMPT in word for word in agent.interactive)


@EVERY
def test_each_has_an_image_of_its_name_that_stands_on_any_base(name):
    lines = (IMAGES / name / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("FROM")] == ["FROM ${BASE}"]
    assert any(line.startswith("ARG BASE=") for line in lines)
    assert f'CMD ["{name}"]' in lines


@EVERY
def test_each_says_which_keys_it_needs_and_names_no_value_of_the_host(name):
    agent = BUILTIN_AGENTS[name]
    assert agent.env_any_of
    assert not set(agent.env_any_of) & set(agent.env_optional)
    assert not any(value.startswith("${") for value in agent.env.values())


@EVERY
def test_no_dockerfile_needs_buildkit(name):
    text = (IMAGES / name / "Dockerfile").read_text() + (IMAGES / "base/Dockerfile").read_text()
    assert "--mount" not in text
    assert "<<" not in text
    assert "# syntax" not in text


@EVERY
def test_the_files_for_home_are_well_formed(name):
    for path, text in BUILTIN_AGENTS[name].home.items():
        filled = text.replace("{workspace}", "/workspace")
        parse = {".json": json.loads, ".toml": tomllib.loads}[Path(path).suffix]
        assert parse(filled)


@EVERY
def test_seeds_trust_the_workspace_wherever_it_is(name):
    seeds = "".join(BUILTIN_AGENTS[name].home.values())
    assert "/workspace" not in seeds


# ---------------------------------------------------------------- argv


@pytest.mark.parametrize(
    ("command", "extra", "argv"),
    [
        (("bot", "{prompt}"), (), ("bot", "do it")),
        (("bot", "{prompt}"), ("-m", "x"), ("bot", "do it", "-m", "x")),
        (("bot", "--task={prompt}"), ("-m", "x"), ("bot", "--task=do it", "-m", "x")),
        (("bot", "{prompt}", "-y"), ("-m", "x"), ("bot", "do it", "-y", "-m", "x")),
        (("bot", "--", "{prompt}"), ("-m", "x"), ("bot", "-m", "x", "--", "do it")),
        (("bot", "--", "{prompt}", "end"), ("x",), ("bot", "--", "do it", "end", "x")),
        (("bot", "--", "say {prompt}"), ("x",), ("bot", "--", "say do it", "x")),
        (("bot", "{prompt}", "{prompt}"), (), ("bot", "do it", "do it")),
        (("bot",), ("x",), ("bot", "x")),
    ],
)
def test_where_prompt_and_words_go(command, extra, argv):
    assert agent_argv(AgentConfig(command=command), "do it", extra) == argv


def test_without_a_prompt_the_words_follow_the_interactive_argv():
    agent = AgentConfig(command=("bot", "{prompt}"), interactive=("bot", "--tui"))
    assert agent_argv(agent, None, ["-c"]) == ("bot", "--tui", "-c")


@EVERY
@given(prompt=st.text(), extra=st.lists(st.text(), max_size=3))
def test_any_prompt_arrives_unchanged_and_once(name, prompt, extra):
    agent = BUILTIN_AGENTS[name]
    argv = agent_argv(agent, prompt, extra)
    assert len(argv) == len(agent.command) + len(extra)
    place = next(word for word in agent.command if PROMPT in word)
    assert place.replace(PROMPT, prompt) in argv


@EVERY
def test_a_prompt_that_looks_like_an_option_is_none(name):
    argv = agent_argv(BUILTIN_AGENTS[name], "--help", ["--model", "x"])
    assert argv[-2:] == ("--", "--help") or "--help" not in argv


@pytest.mark.parametrize("name", sorted(BUILTIN_AGENTS))
def test_again_it_is_the_same_program_with_the_same_freedom(name):
    agent = BUILTIN_AGENTS[name]
    for first, later in (
        (agent.command, agent.resume),
        (agent.interactive, agent.resume_interactive),
    ):
        assert bool(later) == (name != "mini")  # which keeps no conversation
        assert set(first) <= {*later, *(first if name == "mini" else ())}
        assert (PROMPT in later[-1]) == (later is agent.resume) if later else True


def test_again_prompt_and_words_go_where_they_went():
    agent = AgentConfig(
        command=("bot", "--", PROMPT),
        interactive=("bot",),
        resume=("bot", "--continue", "--", PROMPT),
    )
    assert agent_argv(agent, "-x", ("-m", "m"), again=True) == (
        *("bot", "--continue", "-m", "m", "--", "-x"),
    )
    assert agent_argv(agent, None, ("-m", "m"), again=True) == ("bot", "-m", "m")
