"""`outrig images`: configured ones, built ones, and what they once were."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker

    from tests.conftest import Outrig

NAME = "test-cli-images"


@pytest.fixture
def dockerfile(
    outrig: Outrig, busybox: str, engine_client: docker.DockerClient
) -> Iterator[Callable[[str], Path]]:
    def write(lines: str) -> Path:
        (outrig.cwd / ".agents/outrig").mkdir(parents=True, exist_ok=True)
        (outrig.cwd / ".agents/outrig/config.toml").write_text(
            f'[images.{NAME}]\ncontext = "dev"\n[images.gone]\ncontext = "nowhere"\n'
        )
        (outrig.cwd / "dev").mkdir(exist_ok=True)
        path = outrig.cwd / "dev/Dockerfile"
        path.write_text(f"FROM {busybox}\n{lines}")
        outrig("trust", "-y").ok()
        return path

    yield write
    for one in engine_client.images.list(f"outrig/{NAME}"):
        for tag in one.tags:  # one that adds nothing to busybox is busybox, and has its tag too
            if tag.startswith(f"outrig/{NAME}:"):
                engine_client.images.remove(tag, force=True)


def listed(outrig: Outrig, name: str) -> list[dict[str, Any]]:
    found = json.loads(outrig("images", "--json").ok().out)
    return [one for one in found if one["name"] == name]


@pytest.mark.docker
def test_an_image_is_missing_then_ready_then_old(outrig, dockerfile):
    dockerfile("")
    (missing,) = listed(outrig, NAME)
    assert (missing["state"], missing["id"]) == ("missing", None)
    tag = outrig("build", NAME).ok().out.strip()
    (ready,) = listed(outrig, NAME)
    assert (ready["state"], ready["tag"]) == ("ready", tag) == ("ready", missing["tag"])
    assert ready["size"] > 1_000_000
    assert str(ready["id"]).startswith("sha256:")
    dockerfile("ENV A=1\n")
    assert [one["state"] for one in listed(outrig, NAME)] == ["missing", "old"]
    assert listed(outrig, NAME)[1]["tag"] == tag


@pytest.mark.docker
def test_one_that_cannot_be_made_is_listed_with_the_reason(outrig, dockerfile):
    dockerfile("")
    (broken,) = listed(outrig, "gone")
    assert broken["state"] == "broken"
    assert "does not exist" in str(broken["why"])


@pytest.mark.docker
def test_the_table_has_every_configured_image(outrig):
    done = outrig("images").ok()
    first, *rows = done.out.splitlines()
    assert first.split() == ["NAME", "STATE", "SIZE", "AGE", "TAG"]
    assert {"host", "base", "claude", "codex", "gemini", "opencode", "aider", "mini"} <= {
        row.split()[0] for row in rows
    }


def test_without_an_engine_it_fails_in_the_form_that_was_asked_for(outrig):
    done = outrig("images", "--json")
    assert (done.code, done.out) == (1, "")
    assert json.loads(done.err)["error"]["kind"] == "engine-unreachable"
