"""A hostile thing at every path that outrig reads and a session, or a clone, could have written.

No verb waits for it, follows it, takes it all in, fails by a traceback, or writes elsewhere. Paths,
kinds and verbs are walked through as a product with --slow, and else in turns: each path with each
verb, the kinds changing from one to the next.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from outrig.cli.doors import DOORS
from outrig.core.session import with_fields
from outrig.store.sessions import SessionStore
from tests import records
from tests.runner.works import bound, own_tree
from tests.workspace.repositories import made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Home, Outrig

WALK = Path(__file__).with_name("walk.py")
SECRET = "words of this machine"
WHO = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "A"), ("EMAIL", "a@b"))
}

# {b}: a session in mode bind; {w}: one in mode worktree. Directories come with what is in them.
TREE = (
    *(".gitignore", ".gitattributes", ".gitmodules", "tracked", "sub", "sub/x", ".dockerignore"),
    *("Dockerfile", ".agents", ".agents/outrig", ".agents/outrig/config.toml", ".python-version"),
    *(".agents/outrig/config.local.toml", "nested/.git", "nested/.git/HEAD", "AGENTS.md"),
)
GIT = (
    *("HEAD", "config", "config.worktree", "commondir", "gitdir", "index", "packed-refs", "refs"),
    *("refs/heads", "refs/heads/main", "refs/heads/hostile", "refs/replace", "objects", "shallow"),
    *("objects/info", "objects/info/alternates", "objects/info/commit-graph", "objects/pack"),
    *("objects/pack/pack-0.idx", "objects/pack/pack-0.pack", "objects/pack/multi-pack-index"),
    *("info", "info/exclude", "info/attributes", "info/grafts", "info/sparse-checkout", "logs"),
    *("logs/HEAD", "hooks", "hooks/pre-commit", "ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", "modules"),
    *("modules/s/HEAD", "worktrees", "worktrees/w/HEAD", "worktrees/w/gitdir", "index.lock"),
    *("HEAD.lock", "refs/outrig", "objects/{loose}", "sharedindex.0"),
)
SESSION = (
    *("session.json", "intent.json", "config.toml", ".reserve", "logs", "logs/stdout.log"),
    *("logs/stderr.log", "logs/timing", "logs/terminal.log", "logs/build.log", "run", "home"),
    *("logs/network.jsonl", "run/gateway", "run/gateway/network.jsonl", "run/gateway/usage.json"),
    *("run/gateway/policy.json", "etc", "etc/passwd", "workspace", "workspace/before.json"),
    *("workspace/home", "home/.claude", "home/.claude/projects", "home/.codex/sessions"),
    *("home/.claude.json", "snapshots.git", "snapshots.git/config", "snapshots.git/HEAD"),
    *("snapshots.git/refs/snapshots/end", "snapshots.git/skipped", "snapshots.git/index"),
    *("snapshots.git/objects", "snapshots.git/info/exclude", "snapshots.git/refs"),
)
PATHS = (
    *(f"repo/{one}" for one in TREE),
    *(f"repo/.git/{one}" for one in GIT),
    "repo/.git",
    "{b}/workspace/git",
    *(f"{{b}}/workspace/git/{one}" for one in GIT),
    *("{w}/workspace/tree", "{w}/workspace/tree/.git", "{w}/workspace/tree/tracked"),
    *(f"{{w}}/workspace/tree/.git/{one}" for one in GIT),
    *(f"{{b}}/{one}" for one in SESSION),
    *("{root}/.names/n", "{root}/.events", "{root}/.root-id", "{root}/.open"),
    "{root}/20260501T120009-0000",
)
KINDS = (
    *("a FIFO", "a socket", "10 GB of nothing", "a link to a file outside", "a link to nowhere"),
    *("a link to a directory outside", "a link to a FIFO", "a link to itself", "a directory"),
    *("a file", "an empty file", "what nobody may read", "a directory that nobody may enter"),
    *("deep JSON", "a long number", "a long line", "many lines", "NUL and escapes"),
    *("what is no UTF-8", "nothing"),
)
LOOKS = (
    *("ls", "ls --json", "show {s}", "show {s} --json", "logs {s}", "diff {s}", "diff {s} --stat"),
    *("patch {s}", "accept {s} --dry-run", "undo {s} --dry-run", "resume {s} --dry-run true"),
    *("network show {s}", "network learn {s}", "export {s} --cast {out}.cast --force", "events"),
    *("export {s} --html {out}.html --force", "replay {s} --speed 1000", "stop {s}", "wait {s}"),
    *("clean --older-than 1s --dry-run", "trust --show", "config show", "config check"),
    *("run --dry-run --image x true", "secrets list", "images", "build mine", "trust --list"),
    *("show --session-dir {dir}", "logs --session-dir {dir}", "diff --session-dir {dir}"),
)
ACTS = (
    *("accept {s}", "accept {s} --resolve --into other", "accept {s} --squash", "branch {s} mine"),
    *("archive {s}", "undo {s} -y", "discard -y {s}", "clean --older-than 1s -y", "trust -y"),
    *("resume {s} true", "run --image x true", "discard -y --session-dir {dir}"),
)
STRIDE = 43  # of the verbs that look, so many meet a path and a kind
Walk = tuple[str, str, list[list[str]], list[list[str]]]  # path, kind, verbs that look, and act
# Of an engine, of a session that runs, or without a file of anybody's.
ELSEWHERE = {"attach", "exec", "shell", "kill", "pause", "unpause", "doctor", "help"}


def test_no_verb_is_forgotten():
    assert {door.name for door in DOORS} <= {line.split()[0] for line in LOOKS + ACTS} | ELSEWHERE


class World:
    """A repository, and a session root with one session in each of two modes."""

    def __init__(self, top: Path, home: Home, outrig: Outrig) -> None:
        self.top = top / "world"
        self.kept = top / "kept"
        self.outside = top / "outside"
        self.outrig = outrig
        self.root = self.top / "sessions"
        self._outside()
        self._repository()
        self.names = self._sessions()
        shutil.copytree(self.top, self.kept, symlinks=True)
        self.env = {
            **home.variables(),
            **WHO,
            "OUTRIG_SESSION_ROOT": str(self.root),
            "DOCKER_HOST": f"unix://{home.run}/none.sock",
        }

    def _outside(self) -> None:
        self.outside.mkdir()
        (self.outside / "file").write_text(f"{SECRET}\n")
        os.mkfifo(self.outside / "fifo")

    def _repository(self) -> None:
        self.tree = made(self.top / "repo")
        self.tree.write(_gitignore="*.log\n", tracked="1\n", sub__x="1\n", Dockerfile="FROM x\n")
        self.tree.commit("base")
        place = self.tree.path / ".agents/outrig"
        place.mkdir(parents=True)
        (place / "config.toml").write_text('[images.mine]\ndockerfile = "Dockerfile"\n')

    def _sessions(self) -> dict[str, str]:
        store = SessionStore(self.root)
        found = {}
        for name, make in (("b", bound), ("w", own_tree)):
            worked = make(store, self.tree)
            worked.commit("agent", tracked="2\n", new="n\n")
            worked.tree.write(late="l\n", sub__x="2\n")
            directory = worked.held.directory
            records.say(directory, ("stdout", b"hello\n"), ("stderr", b"oh\n"))
            gateway = directory / "run/gateway"
            gateway.mkdir(parents=True)
            line = {"time": "2026-05-01T12:00:00.0Z", "verdict": "allowed", "host": "a.example"}
            (gateway / "network.jsonl").write_text(json.dumps({**line, "port": 443}) + "\n")
            (directory / "logs/network.jsonl").hardlink_to(gateway / "network.jsonl")
            (directory / "home").mkdir()
            worked.held.update(lambda one: with_fields(one, network={"mode": "audit"}))
            found[name] = f"sessions/{worked.end().id}"
            loose = next((worked.git_dir / "objects").glob("[0-9a-f][0-9a-f]/*"))
            found["loose"] = f"{loose.parent.name}/{loose.name}"
        return {**found, "root": "sessions"}

    def walks(self, *, product: bool) -> Iterator[Walk]:
        """Of a product each path has each kind; else each path some of them, by turns."""
        stride = 4 if product else STRIDE
        for number, path in enumerate(PATHS):
            name = path.format(**self.names)
            for at, kind in enumerate(KINDS):
                if kind == "10 GB of nothing" and path.endswith(".log"):
                    continue  # only outrig writes logs, and shows them to their end
                if product or (at - number) % 7 == 0:
                    looks = LOOKS[(number + at) % stride :: stride]
                    acts = (
                        ACTS[(number + at) % len(ACTS) :: 99]
                        if product or at == number % 40
                        else ()
                    )
                    yield name, kind, self.argv(looks, name), self.argv(acts, name)

    def argv(self, verbs: tuple[str, ...], path: str) -> list[list[str]]:
        which = self.names["w" if path.startswith(self.names["w"]) else "b"]
        said = {
            "s": which.removeprefix("sessions/"),
            "dir": str(self.top / which),
            "out": str(self.top / "out"),
        }
        return [[word.format(**said) for word in verb.split(" ")] for verb in verbs]

    def walk(self, *, product: bool) -> Iterator[tuple[str, str, int, dict[str, str]]]:
        told = {
            "world": str(self.top),
            "kept": str(self.kept),
            "outside": str(self.outside),
            "secret": SECRET,
            "cwd": "repo",
            "env": self.env,
            "modules": sorted({door.module for door in DOORS} | {"outrig.cli.application"}),
            "walks": list(self.walks(product=product)),
        }
        walking = subprocess.Popen(
            [sys.executable, "-P", WALK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.outrig.environment(self.env),
            text=True,
        )
        with walking:
            assert walking.stdin is not None
            assert walking.stdout is not None
            walking.stdin.write(json.dumps(told))
            walking.stdin.close()
            yield from map(json.loads, walking.stdout)
        assert walking.returncode == 0


@pytest.fixture
def world(tmp_path: Path, home: Home, outrig: Outrig) -> World:
    return World(tmp_path, home, outrig)


@pytest.mark.timeout(300)
def test_each_verb_at_each_hostile_path(world, tell):
    _told(world, tell, product=False)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_each_verb_at_each_path_with_each_kind(world, tell):
    _told(world, tell, product=True)


def _told(world: World, tell, *, product: bool) -> None:
    by_path = itertools.groupby(world.walk(product=product), lambda one: one[0])
    walked = 0
    for path, ways in by_path:
        rows = list(ways)
        walked += sum(count for _, _, count, _ in rows)
        wrong = [f"{kind}: {verb} {why}" for _, kind, _, bad in rows for verb, why in bad.items()]
        outcome = "\n    ".join(wrong) or f"{len(rows)} kinds, {sum(row[2] for row in rows)} looks"
        tell(path, outcome, not wrong)
    tell("all", f"{walked} looks", walked > 2 * len(PATHS))
