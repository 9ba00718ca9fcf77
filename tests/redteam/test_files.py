"""What a session leaves for outrig to read: nothing waits, fills, leads outside or speaks."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli import terminals
from tests.repositories import made

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

SECRET = "words of this machine"
WHO = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b"}
WHO |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b"}
ALONE = ("ls", "events")


def _soon(run, *words: str) -> tuple[str, bool]:
    """Its exit code; and whether it ended, within bounds, and gave nothing away."""
    try:
        done = run.outrig(*words, env={**run.env, **WHO}, timeout=12)
    except subprocess.TimeoutExpired:
        return "does not end", False
    fine = SECRET not in done.out + done.err and "Traceback" not in done.err
    return f"exit {done.code}" + ("" if fine else f" {done.err[-300:]}"), fine


BOMB = """
blob=$(echo x | git hash-object -w --stdin)
ten() { for i in 0 1 2 3 4 5 6 7 8 9; do printf "$1 %s\\t$i\\n" $2; done | git mktree; }
tree=$(ten '100644 blob' $blob)
for level in 1 2 3 4 5 6 7 8; do tree=$(ten '040000 tree' $tree); done
git update-ref HEAD $(git commit-tree -p HEAD -m bomb $tree)
"""


def test_a_history_that_unfolds_into_a_billion_files(run, tell):
    made(run.work, a="1\n")
    env = {**run.env, **WHO}
    run("--image", "host", "--workspace", "worktree", "sh", "-c", BOMB, env=env).ok()
    for words in ("accept --dry-run", "accept", "branch new"):
        verb, *more = words.split()
        done = run.outrig(verb, "@last", *more, env=env, timeout=30)
        tell(words, done.err[:70], done.code == 1 and "1,000,000 files" in done.err)
    tell("diff", "", run.outrig("diff", "@last", env=env, timeout=30).code == 0)


ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1bP+q\x1b\\\x9b31m\u202egnp\x1b[5n\r\x08"


def test_nothing_speaks_to_the_terminal(run, tmp_path, tell):
    """Names of files, branches, authors and messages, output, and a command's own words."""
    made(run.work, a="1\n")
    (run.work / "words").write_text(ESCAPES)
    script = """
words=$(cat words); cat words; cat words >&2
echo x > "f$words"; ln -s "$words" link; mkdir "d$words"; echo y > "d$words/z"
git add -A; git commit -qm "$words" --author "$words <a@b>"
printf '%s' "$words" > .git/refs/heads/x; printf 'ref: refs/heads/%s' "$words" > .git/HEAD
"""
    env = {**run.env, **WHO}
    words = ("--image", "host", "--label", f"k={ESCAPES}", "sh", "-c", script, ESCAPES)
    refused = run.outrig("run", *run.options, "--name", ESCAPES, "true", env=env)
    tell("a name", refused.err[:70].strip(), refused.code == 125 and "\x1b" not in refused.err)
    done = run(*words, env=env)
    if done.code == 125:  # the label
        tell("a label", done.err[:70].strip(), "\x1b" not in done.err)
        run(*words[:2], *words[4:], env=env)
    (session,) = run.sessions()
    for verb in ("show", "ls", "diff", "diff --stat", "logs", "events", "accept --dry-run"):
        first, *more = verb.split()
        which = () if first in ALONE else (session.name,)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**env, "PAGER": "cat"}.items():
                patch.setenv(name, value)
            said = terminals.screen(run.outrig, first, *which, *more)
        harmless = terminals.is_harmless(said)
        tell(verb, "harmless" if harmless else ascii(said)[-200:], bool(said) and harmless)


def test_a_directory_that_becomes_a_link_while_it_is_looked_at(run, tmp_path, tell):
    """Snapshots of a tree in which directories and links to the outside change places."""
    made(run.work, a="1\n", d__f="inside\n", d__g="inside\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("f", "g"):
        (outside / name).write_text(f"{SECRET}\n")
    script = """
import os
os.symlink(os.environ["OUTSIDE"], "link")
while True:
    for here, there in (("d", "kept"), ("link", "d"), ("d", "link"), ("kept", "d")):
        os.rename(here, there)
"""
    words = ("--image", "host", "-d", "-e", f"OUTSIDE={outside}")
    session = run(*words, "/usr/bin/python3", "-c", script).ok().out.strip()
    for _ in range(6):
        tell("diff while it runs", *_soon(run, "diff", session))
    tell("kill", *_soon(run, "kill", session))
    tell("wait", *_soon(run, "wait", session))
    for verb in ("diff", "patch"):
        tell(f"{verb} at its end", *_soon(run, verb, session))
    objects = run.root / session / "snapshots.git"
    held = _everything(objects)
    tell("what the snapshots hold", f"{len(held)} bytes", SECRET.encode() not in held)


SWAP = """
import os
os.symlink(os.environ["OUTSIDE"], "link")
while True:
    for here, there in (("d", "kept"), ("link", "d"), ("d", "link"), ("kept", "d")):
        try:
            os.rename(here, there)
        except OSError:
            pass
"""


def test_a_directory_that_becomes_a_link_while_it_is_written(run, tmp_path, tell):
    """One session's work is taken over and put back while another one changes places."""
    made(run.work, a="1\n", d__f="1\n", d__g="1\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text(SECRET)
    change = "for one in f g h; do echo 2 > d/$one; done; rm d/g"
    run("--image", "host", "sh", "-c", change, env={**run.env, **WHO}).ok()
    (first,) = (one.name for one in run.sessions())
    words = ("--image", "host", "-d", "-e", f"OUTSIDE={outside}")
    racing = run(*words, "/usr/bin/python3", "-c", SWAP).ok().out.strip()
    for _ in range(3):
        for verb in ("undo -y", "undo --redo -y", "accept"):
            tell(verb, *_soon(run, verb.split()[0], first, *verb.split()[1:]))
    run.outrig("kill", racing, env=run.env)
    run.outrig("wait", racing, env=run.env)
    found = {path.name: path.read_text() for path in outside.iterdir()}
    tell("what is outside", f"{found}", found == {"f": SECRET})


def _everything(git_dir: Path) -> bytes:
    """All objects of a repository, unpacked."""
    environment = {"PATH": os.environ["PATH"], "GIT_DIR": str(git_dir)}
    argv = ("git", "cat-file", "--batch-all-objects", "--batch", "--buffer")
    return subprocess.run(argv, env=environment, check=True, capture_output=True).stdout
