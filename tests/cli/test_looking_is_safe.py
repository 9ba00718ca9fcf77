"""Whatever a session plants, no verb of outrig runs it, obeys it, or follows it out of the tree.

A session plants a canary for each way that is known to make git, a shell, a pager or Python run
something of a tree's own; then every verb there is works in that tree. A verb that is not in VERBS
fails the test: whoever adds one says how it is called here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from outrig.cli.doors import DOORS
from tests.cli import terminals
from tests.cli.conftest import until
from tests.repositories import HOOKS, PROGRAMS, Canary, made

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

pytestmark = [pytest.mark.docker, pytest.mark.timeout(280)]

WHO = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "A"}
WHO |= {"GIT_COMMITTER_EMAIL": "a@b"}
SETTINGS = "".join(f"git config {key} $CANARY\n" for key in PROGRAMS)
HOOKED = "".join(f"cp /tmp/hook $1/{name}; " for name in HOOKS)
TAKEN = ("git", "less", "cat", "sh", "ssh", "docker", "gpg", "python3", "tar")
MODULES = ("outrig", "json", "typing", "site", "sitecustomize", "encodings", "docker")

# Runs in the container, in a repository with the files a, b and sub/c.
PLANT = f"""
set -e
echo changed > a; echo new > made; rm b; git mv sub/c sub/moved
printf '* filter=x diff=x merge=x\\n' > .gitattributes
git add -A; git commit -qm agent
echo uncommitted > late; echo more >> made

printf '#!/bin/sh\\necho "$0 $*" >> %s/sang\\n/bin/cat\\n' "${{CANARY%/canary}}" > /tmp/hook
chmod +x /tmp/hook
evil() {{
{SETTINGS}
git config alias.status '!'$CANARY; git config alias.diff '!'$CANARY
git config submodule.s.update '!'$CANARY; git config submodule.s.active true
git config include.path ${{CANARY%/canary}}/included
git config extensions.worktreeConfig true
cp .git/config .git/config.worktree
mkdir -p .git/hooks .git/info .git/objects/info
cp .gitattributes .git/info/attributes
plant_hooks .git/hooks
}}
plant_hooks() {{ {HOOKED} }}

# a nested repository, one by a file, one by a link, a bare one
for one in nested in/deep/nested; do
    mkdir -p $one; cp .gitattributes $one/; cp a $one/file
    (cd $one; git init -q; git add -A; git commit -qm nested; echo dirty > file; evil)
done
cp -r nested/.git bare; git --git-dir bare config core.bare false
mkdir byfile bylink; echo 'gitdir: ../bare' > byfile/.git; ln -s ../bare bylink/.git
echo x > byfile/x; echo x > bylink/x
echo ${{CANARY%/canary}}/outside/objects > nested/.git/objects/info/alternates

# a submodule whose update would run a program
printf '[submodule "s"]\\n\\tpath = s\\n\\turl = ext::%s\\n' $CANARY > .gitmodules
git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),s
mkdir -p .git/modules/s s; cp -r nested/.git/. .git/modules/s/
echo 'gitdir: ../.git/modules/s' > s/.git

# links out of the tree
ln -s ${{CANARY%/canary}}/outside out; ln -s ${{CANARY%/canary}}/outside/file outfile
mkdir -p sub/x; ln -s ../../../outside/file sub/x/up; ln -s / root; mkfifo fifo
ln -s ${{CANARY%/canary}}/outside/file .envrc

# names
odd=$(printf -- '-odd\\n\\033]0;x\\a\\377')
echo x > "./$odd"; mkdir -p "./--output=x"; echo x > "./--output=x/-f"
echo x > ':(top)'; echo x > '$(touch x)'; mkdir -p .GIT; echo x > .GIT/config

# programs and modules that stand where a careless one looks first
for name in {" ".join(TAKEN)}; do cp /tmp/hook $name; done
for name in {" ".join(MODULES)}; do
    printf 'open("%s/sang", "a").write(__file__)\\n' "${{CANARY%/canary}}" > $name.py
done
git replace -f HEAD HEAD~1 2>/dev/null || true
[ -w .git/config ] && evil
true
"""


def call(run: Run, *words: str, cwd: Path | None = None) -> int:
    """One verb, in the hostile tree, with a PATH that looks there first."""
    path = f".::{os.environ['PATH']}"
    env = {**run.env, **WHO, "PATH": path, "PAGER": "less"}
    return run.outrig(*words, env=env, cwd=cwd, timeout=100).code


class Hostile:
    """A tree in which a session has planted all that."""

    def __init__(self, run: Run, top: Path) -> None:
        self.run = run
        self.canary = Canary(top)
        self.outside = top / "outside"
        self.outside.mkdir()
        (self.outside / "file").write_text("outside\n")
        (top / "included").write_text(f"[core]\n\tfsmonitor = {self.canary.program}\n")
        made(run.work, a="1\n", b="1\n", sub__c="1\n" * 20)

    def plant(self, *options: str, env: dict[str, str]) -> str:
        before = set(self.run.sessions())
        argv = ["--image", "host", *options, "-e", f"CANARY={self.canary.program}"]
        self.run(*argv, "sh", "-c", PLANT, env={**WHO, **env}).ok()
        (new,) = set(self.run.sessions()) - before
        return new.name

    def check(self, what: object) -> None:
        assert self.canary.sang() == "", what
        assert sorted(path.name for path in self.outside.iterdir()) == ["file"], what
        assert (self.outside / "file").read_text() == "outside\n", what


@pytest.fixture
def hostile(run: Run, tmp_path: Path) -> Hostile:
    return Hostile(run, tmp_path)


# How each verb is called: on a session that has ended, {s}; on one that runs, {r}; on one that
# ends soon.
ENDED = {
    "ls": ["ls"],
    "show": ["show {s}"],
    "logs": ["logs {s}"],
    "replay": ["replay {s} --speed 100"],
    "export": ["export {s} --html {out}.html --cast {out}.cast"],
    "diff": ["diff {s}", "diff {s} --stat", "diff {s} --json", "diff {s} a out sub"],
    "patch": ["patch {s}"],
    "wait": ["wait {s}"],
    "stop": ["stop {s}"],
    "accept": ["accept {s} --dry-run", "accept {s}", "accept {s} --resolve --into other"],
    "branch": ["branch {s} mine-{s}"],
    "undo": ["undo {s} --dry-run", "undo {s} -y", "undo {s} --redo -y"],
    "network": ["network show {s}", "network learn {s}"],
    "resume": ["resume {s} true"],
    "archive": ["archive {s}", "archive {s} --reopen"],
    "discard": ["discard -y {s}"],
}
RUNNING = {
    "exec": ["exec {r} true"],
    "shell": ["shell {r}"],
    "attach": ["attach --no-stdin {soon}"],
    "pause": ["pause {r}"],
    "unpause": ["unpause {r}"],
    "kill": ["kill {r}"],
}
ANYWHERE = {
    "run": ["run --image {image} --network none true", "run --dry-run true"],
    "build": ["build planted"],
    "images": ["images"],
    "config": ["config show", "config check", "config example"],
    "trust": ["trust --show", "trust --list"],
    "secrets": ["secrets list", "secrets check"],
    "doctor": ["doctor"],
    "help": ["help security"],
    "events": ["events"],
    "clean": ["clean --older-than 1s --dry-run"],
}
VERBS = {**ENDED, **RUNNING, **ANYWHERE}


def test_no_verb_is_forgotten():
    assert {door.name for door in DOORS} <= set(VERBS)


def calls(table: dict[str, list[str]], **names: str) -> list[list[str]]:
    known = {door.name for door in DOORS}
    lines = [line for verb, lines in table.items() if verb in known for line in lines]
    return [[word.format(**names) for word in line.split(" ")] for line in lines]


@pytest.mark.parametrize(
    ("mode", "own_git"),
    [
        pytest.param("bind", "shadow", marks=pytest.mark.slow),
        ("bind", "bind"),
        ("worktree", "shadow"),
        pytest.param("copy", "shadow", marks=pytest.mark.slow),
        ("overlay", "shadow"),
    ],
)
def test_no_verb_on_its_session_runs_what_it_planted(hostile, run, tmp_path, mode, own_git):
    session = hostile.plant("--workspace", mode, env={"OUTRIG_WORKSPACE__GIT": own_git})
    hostile.check("the session itself, and its end")
    codes = {}
    for words in calls(ENDED, s=session, out=str(tmp_path / "export"), image=run.image):
        codes[" ".join(words)] = call(run, *words)
        hostile.check(words)
    worked = {words.split()[0] for words, code in codes.items() if code == 0}
    expected = {"diff", "patch", "export", "branch", "accept", "discard"}
    assert expected - worked == set(), codes  # a verb that refuses proves nothing
    assert not (run.root / session).exists()
    call(run, "ls", cwd=run.work)
    hostile.check("looking around afterwards")


def test_no_verb_in_its_tree_runs_what_it_planted(hostile, run):
    session = hostile.plant(env={"OUTRIG_WORKSPACE__GIT": "bind"})
    running = run("-d", "sleep", "99").ok().out.strip()
    for place in (run.work, run.work / "nested", run.work / "bare"):
        for words in calls(ANYWHERE if place == run.work else AGAIN, s=session, image=run.image):
            call(run, *words, cwd=place)
            hostile.check(f"{words} in {place}")
    soon = run("-d", "sleep", "2").ok().out.strip()
    for words in calls(RUNNING, r=running, soon=soon):
        call(run, *words)
        hostile.check(words)
    screen_path = f".::{os.environ['PATH']}"
    for line in ("diff", "diff --stat", "logs", "show", "undo --dry-run"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", screen_path)
            patch.delenv("PAGER", raising=False)
            terminals.screen(run.outrig, *line.split(), session, typed=b"q" * 9)
        hostile.check(f"{line} on a terminal")
    assert call(run, "archive", session) == 0
    hostile.check("archive")


AGAIN = {
    "ls": ["ls"],
    "diff": ["diff {s} --stat"],
    "undo": ["undo {s} --dry-run"],
    "accept": ["accept {s} --dry-run"],
    "run": ["run --image {image} --network none true"],
    "build": ["build planted"],
}


def _a_file(git_dir: Path) -> None:
    git_dir.rename(git_dir.with_name("moved"))
    git_dir.write_text("gitdir: nested/.git\n")


def _a_link(git_dir: Path) -> None:
    git_dir.rename(git_dir.with_name("moved too"))
    git_dir.symlink_to("nested/.git")


def _elsewhere(git_dir: Path) -> None:
    (git_dir / "commondir").write_text("../nested/.git\n")


def _alternates(git_dir: Path) -> None:
    (git_dir / "objects/info/alternates").write_text(f"{git_dir.parent}/nested/.git/objects\n")


def _a_config_of_outrigs(git_dir: Path) -> None:
    place = git_dir.parent / ".agents/outrig"
    place.mkdir(parents=True)
    canary = git_dir.parents[1] / "canary"
    (place / "config.toml").write_text(
        f'[secrets.x]\nfrom = "command:{canary}"\n[hooks]\nsession-ended = ["{canary}"]\n'
    )


def test_a_git_that_leads_elsewhere_leads_nobody(hostile, run, tmp_path):
    session = hostile.plant(env={"OUTRIG_WORKSPACE__GIT": "bind"})
    git_dir = run.work / ".git"
    shutil.copytree(git_dir, tmp_path / "kept", symlinks=True)
    for breaks in (_a_file, _a_link, _elsewhere, _alternates, _a_config_of_outrigs):
        breaks(git_dir)
        for words in calls({**AGAIN, "config": ["config show"]}, s=session, image=run.image):
            call(run, *words)
            hostile.check(f"{words}, and .git became {breaks.__name__}")
        git_dir.rename(run.work / f"was{breaks.__name__}")
        shutil.copytree(tmp_path / "kept", git_dir, symlinks=True)


def test_the_canaries_do_sing(hostile, run):
    """Else the others prove nothing."""
    hostile.plant(env={"OUTRIG_WORKSPACE__GIT": "bind"})
    hostile.check("before anybody looked")
    environment = {**os.environ, "PATH": f".:{os.environ['PATH']}"}
    for argv, place in ((["git", "status"], "nested"), (["less"], "")):
        process = subprocess.Popen(
            argv, cwd=run.work / place, env=environment, stdin=subprocess.DEVNULL
        )
        until(hostile.canary.sang, f"the canary of {argv}")
        process.kill()
        process.wait()
        hostile.canary.mark.unlink()
