"""A day on one real repository: three sessions at once, and one in the user's own tree.

The repository is the sources of an installed package, and the user is in the middle of something:
a file edited, one staged, one stashed, one new, one ignored. What a session shall have done is
found out by running the same script in a clone, without outrig; then trees are compared, which
are names of every byte and mode in them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from tests.workspace.repositories import WHO, Tree, everything

if TYPE_CHECKING:
    from subprocess import Popen

    from tests.cli.conftest import Run
    from tests.conftest import Finished

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

PARSER = r"""
set -e
sed -i 's/^DEFAULT_TIMEOUT_SECONDS = .*/DEFAULT_TIMEOUT_SECONDS = 90/' docker/constants.py
git commit -qam "Wait longer"
git mv docker/utils/json_stream.py docker/utils/stream.py
sed -i 's/json_stream/stream/' docker/utils/*.py docker/api/*.py
git rm -q docker/api/swarm.py
printf 'GIF89a\000\001\377\376' > docker/logo.gif
git add -A; git commit -qm "Rename, remove, add a picture"
echo '# left as it is' >> docker/tls.py
rm docker/version.py
chmod +x docker/errors.py
ln -s constants.py docker/defaults.py
mkdir -p 'docker/new folder'
printf '\000\001\002\377' > "$(printf 'docker/new folder/ge\303\244ndert\tx.bin')"
"""
RIVAL = r"""
set -e
sed -i 's/^DEFAULT_TIMEOUT_SECONDS = .*/DEFAULT_TIMEOUT_SECONDS = 30/' docker/constants.py
echo 'rival = True' > docker/rival.py
git add -A; git commit -qm "Wait for a shorter time"
echo '# and more' >> docker/auth.py
"""
KEPT = r"""
set -e
git checkout -q -b topic
sed -i 's/import/import /' docker/tls.py; git commit -qam "A bad idea"
git checkout -q -
git merge -q --no-ff -m "It comes all the same" topic
rm -r docker/transport; head -c 100000 docker/logo.gif > /dev/null 2>&1 || true
dd if=/dev/zero of=docker/zeros.bin bs=1000 count=64 2>/dev/null
"""
HERE = r"""
set -e
sed -i 's/docker/whale/' docker/models/images.py
rm docker/models/nodes.py
mv docker/credentials docker/trust
printf '\377\000' > docker/more.bin
chmod +x docker/client.py
echo 'mine too' >> README
git add docker/more.bin; git commit -qm "In the tree itself"
"""
SCRIPTS = {"parser": PARSER, "rival": RIVAL, "kept": KEPT}
# each waits until all three are there
TOGETHER = 'set -e; touch /meet/$$-$ME; until [ "$(ls /meet | wc -l)" = 3 ]; do sleep 0.1; done\n'
KEPT_REFS = "/.git/refs/outrig"  # what a session in a worktree writes to the repository
ARRIVES = (KEPT_REFS, "/.git/objects/", "/.git/logs/refs/outrig")  # and an archive


@pytest.fixture
def user(run: Run, tmp_path: Path) -> Tree:
    """A package's sources, committed, and a user in the middle of something."""
    package = Path(docker.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, run.work / "docker", ignore=ignored)
    tree = Tree(run.work)
    tree.git("init", "-q", "-b", "main")
    tree.git("config", "user.name", "Ada")
    tree.git("config", "user.email", "ada@example.org")
    tree.commit("the package", README="about\n", _gitignore="build/\n", TODO="1\n")
    tree.write(TODO="stashed\n")
    tree.git("stash", "-q")
    tree.write(build__out="made\n", notes="untracked\n", staged="new\n", README="edited\n")
    tree.git("add", "staged")
    return tree


def alone(user: Tree, to: Path, script: str) -> Tree:
    """What the script makes of the last commit where there is no outrig; all of it committed."""
    user.git("clone", "-q", "--no-hardlinks", user.path, to)
    subprocess.run(["sh", "-c", script], cwd=to, env={**os.environ, **WHO}, check=True)
    clone = Tree(to)
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", "rest")
    return clone


def begin(run: Run, name: str, script: str, *options: str | Path) -> Popen[bytes]:
    words = ("--name", name, "--json", "-e", f"ME={name}", *options)
    return run.start("--image", "host", *words, "--", "sh", "-c", script, env=WHO)


def ended(process: Popen[bytes]) -> str:
    """Its id."""
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err.decode()
    identity: str = json.loads(out)["id"]
    return identity


def do(run: Run, *args: str) -> Finished:
    return run.outrig(*args, env={**run.env, **WHO})


def but_for(user: Tree, *parts: str) -> dict[str, object]:
    """The whole repository and its tree, but for these."""
    found = everything(user.path).items()
    return {path: one for path, one in found if not any(part in path for part in parts)}


def doing(user: Tree) -> tuple[object, ...]:
    """What the user is in the middle of."""
    kept = {name: (user.path / name).read_bytes() for name in ("README", "notes", "build/out")}
    return (kept, user.git("diff"), user.git("diff", "--cached"), user.git("stash", "show", "-p"))


def top(tree: Tree, name: str = "HEAD") -> str:
    return tree.git("rev-parse", f"{name}^{{tree}}")


def test_three_at_once_and_one_in_the_tree(run: Run, user: Tree, tmp_path: Path) -> None:
    by_hand = {name: alone(user, tmp_path / name, text) for name, text in SCRIPTS.items()}
    base, work = user.git("rev-parse", "HEAD"), doing(user)
    ids = _at_once(run, user, tmp_path / "meet")
    _look(run, user, by_hand, tmp_path)

    accepted = do(run, "accept", "parser").ok().out.strip()
    tree = top(by_hand["parser"])
    assert (user.git("rev-parse", "main"), top(user, "main")) == (accepted, tree)
    subjects = ["Rename, remove, add a picture", "Wait longer", "the package"]
    assert user.git("log", "--format=%s", "main~1").splitlines() == subjects
    assert user.status() == [" M README", "A  staged", "?? notes"]
    assert doing(user) == work

    still = everything(user.path)
    refused = do(run, "accept", "rival").failed(1)
    assert re.findall(r"^  (\S+)$", refused.err, re.MULTILINE) == ["docker/constants.py"]
    assert do(run, "accept", "rival", "--dry-run").failed(1).err == refused.err
    assert everything(user.path) == still

    own = but_for(user, *ARRIVES)
    do(run, "archive", "kept").ok()
    assert top(user, f"refs/outrig/archive/{ids['kept']}") == top(by_hand["kept"])
    assert but_for(user, *ARRIVES) == own
    assert not (run.root / ids["kept"] / "workspace/tree").exists()

    ids["here"] = _undone(run, user)
    assert (user.git("rev-parse", "main"), doing(user)) == (accepted, work)
    for identity in ids.values():
        do(run, "discard", "-y", identity).ok()
    refs = user.git("for-each-ref", "--format=%(refname)").splitlines()
    assert refs == ["refs/heads/main", "refs/stash"]
    user.git("gc", "-q", "--prune=now")
    user.git("fsck", "--strict", "--no-dangling")
    assert base in user.git("rev-list", "main").splitlines()
    assert (top(user, "main"), doing(user)) == (tree, work)
    assert run.sessions() == []


def _at_once(run: Run, user: Tree, meet: Path) -> dict[str, str]:
    """Three sessions in parallel, and not a byte of the user's has moved."""
    meet.mkdir()
    meet.chmod(0o777)
    before = but_for(user, KEPT_REFS)
    own = ("--workspace", "worktree", "-v", f"{meet}:/meet:rw", "--timeout", "80s")
    started = [begin(run, name, TOGETHER + text, *own) for name, text in SCRIPTS.items()]
    ids = dict(zip(SCRIPTS, map(ended, started), strict=True))
    assert but_for(user, KEPT_REFS) == before
    return ids


def _look(run: Run, user: Tree, by_hand: dict[str, Tree], tmp_path: Path) -> None:
    """The diff tells what the script did, and the patch does it."""
    listed = json.loads(do(run, "diff", "parser", "--json").ok().out)
    expected = by_hand["parser"].git("diff", "--raw", "-M", "HEAD~3", "HEAD").splitlines()
    assert len(listed) == len(expected)
    found = {(one["status"], one["path"]) for one in listed}
    assert {("R", "docker/utils/stream.py"), ("D", "docker/version.py")} <= found
    assert {("A", "docker/logo.gif"), ("A", "docker/new folder/ge\u00e4ndert\tx.bin")} <= found
    for name, clone in by_hand.items():
        taking = Tree(tmp_path / f"{name}-patched")
        user.git("clone", "-q", user.path, taking.path)
        (tmp_path / "patch").write_bytes(do(run, "patch", name).ok().stdout)
        taking.git("apply", "--index", tmp_path / "patch")
        assert taking.git("write-tree") == top(clone), name


def _undone(run: Run, user: Tree) -> str:
    """A session in the user's own tree, undone: kinds, modes and bytes are as they were."""
    changing = (f"{user.path}/docker", f"{user.path}/README", *ARRIVES)
    tree, rest, names = _bytes(user), but_for(user, *changing), everything(user.path).keys()
    identity = ended(begin(run, "here", HERE))
    assert "whale" in (user.path / "docker/models/images.py").read_text()
    changed = _bytes(user)
    do(run, "undo", "--dry-run", "here").ok()
    assert _bytes(user) == changed != tree
    do(run, "undo", "-y", "here").ok()
    assert _bytes(user) == tree
    assert but_for(user, *changing) == rest
    assert everything(user.path).keys() == names
    return identity


def _bytes(user: Tree) -> dict[str, object]:
    """The tree without times: what was put back is newer."""
    found = but_for(user, "/.git/").items()
    return {path: one[::2] if isinstance(one, tuple) else one for path, one in found}
