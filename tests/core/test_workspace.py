"""What is asked of a workspace, and what makes no sense together."""

from __future__ import annotations

import pytest

from outrig.core import workspace
from outrig.core.cascade import resolve
from outrig.core.config import WorkspaceConfig
from outrig.core.layer import Layer, Source
from outrig.errors import ConfigError, UsageError


def asked(start: str | None = None, *, changes: bool = False, repository: bool = True, **config):
    return workspace.isolation(
        WorkspaceConfig(**config), start=start, with_changes=changes, repository=repository
    )


def test_the_defaults():
    found = asked()
    assert (found.mode, found.git, found.own_tree) == ("bind", "shadow", False)
    assert ".envrc" in found.protect
    assert workspace.notice(found, repository=True) is None


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"mode": "worktree", "repository": False}, "needs a git repository"),
        ({"start": "main"}, "--from says what a checkout begins with"),
        ({"mode": "copy", "changes": True}, "--with-changes says"),
        ({"mode": "worktree", "start": "x", "changes": True}, "exclude each other"),
        ({"mode": "bind-ro", "git": "bind"}, "opens its .git"),
        ({"checkpoint": 0.5}, "at least 1s"),
    ],
)
def test_what_makes_no_sense(how, words):
    with pytest.raises(UsageError, match=words):
        asked(**how)


def test_only_a_git_that_is_bound_is_worth_a_notice():
    assert workspace.notice(asked(git="bind"), repository=True) == workspace.RISK
    assert workspace.notice(asked(git="bind"), repository=False) is None
    assert workspace.notice(asked(git="bind", mode="copy"), repository=True) is None


def layer(source: Source, **workspace_: object) -> Layer:
    return Layer(
        source=source,
        values={"workspace": workspace_},
        where={f"workspace.{name}": f"{source.name}:1" for name in workspace_},
        base="/repo",
        root="/repo",
    )


@pytest.mark.parametrize(
    ("key", "trusted", "repository", "accepted"),
    [
        ("mode", "bind", "worktree", True),
        ("mode", "worktree", "bind", False),
        ("mode", "worktree", "copy", False),  # it would show ignored files
        ("mode", "copy", "overlay", True),
        ("mode", "bind-ro", "bind", False),
        ("git", "shadow", "bind", False),
        ("git", "shadow", "ro", False),  # it would show the config, with its tokens
        ("git", "bind", "shadow", True),
    ],
)
def test_a_repository_only_tightens(key, trusted, repository, accepted):
    layers = [
        layer(Source.GLOBAL, **{key: trusted}),
        layer(Source.REPO, **{key: repository}),
    ]
    if accepted:
        assert getattr(resolve(layers, home="/h").config.workspace, key) == repository
        return
    found = resolve(layers, home="/h")
    assert [one.key for one in found.left_out] == [f"workspace.{key}"]
    assert getattr(found.config.workspace, key) == trusted


def test_a_repository_adds_to_what_is_excluded_and_protected():
    layers = [
        layer(Source.GLOBAL, exclude=["a"], protect=["x"]),
        layer(Source.REPO, exclude=["b"], protect=["x", "y"]),
        layer(Source.LOCAL, exclude=[]),
    ]
    found = resolve(layers, home="/h").config.workspace
    assert (found.exclude, found.protect) == (("a", "b"), ("x", "y"))
    alone = resolve([layer(Source.REPO, protect=["y"])], home="/h").config.workspace
    assert alone.protect == (*workspace.PROTECTED, "y")
    mine = resolve([*layers, layer(Source.ENVIRONMENT, exclude=["c"])], home="/h")
    assert mine.config.workspace.exclude == ("c",)


@pytest.mark.parametrize("path", ["/etc", "a/../b", "..", "./a", "a//b", ""])
def test_a_protected_path_is_one_below_the_workspace(path):
    with pytest.raises(ConfigError, match="paths below the workspace"):
        resolve([layer(Source.GLOBAL, protect=[path])], home="/h")
