"""A session goes on in what an earlier one left, on a fake engine: who has what afterwards."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from outrig.core import outcome
from outrig.core.layer import flag_layer
from outrig.core.request import Request
from outrig.core.session import with_fields, with_workspace
from outrig.core.streams import Terminal
from outrig.errors import ConfigError, EngineError, SessionBusyError, StoreError, WorkspaceError
from outrig.runner import resume, secrets, snapshot
from outrig.runner import work as works
from outrig.runner.accept import accept
from outrig.runner.accepted import Wish
from outrig.runner.archive import archive
from outrig.runner.discard import Discarder, doomed_by_id
from outrig.runner.order import Sources
from outrig.store import finding, layers, lock, places, trust
from outrig.store.sessions import SessionStore
from outrig.workspace.merge import ConflictError
from tests import records
from tests.fakes import FakeEngine, Script
from tests.runner.orders import launched, order
from tests.runner.works import SIGNATURE
from tests.workspace.repositories import Tree

if TYPE_CHECKING:
    from outrig.core.session import Session
    from outrig.runner.launched import Launched
    from outrig.runner.order import Order
    from outrig.store.finding import Found
    from tests.conftest import Home

AGAIN = Request(words=("true",), image="fake:1")


@pytest.fixture
def engine():
    one = FakeEngine()
    yield one
    one.close()


@pytest.fixture
def user(home: Home, monkeypatch: pytest.MonkeyPatch) -> Tree:
    top = home.path / "work"
    # A session's repository borrows by a path that is there in its container only.
    monkeypatch.setenv("GIT_ALTERNATE_OBJECT_DIRECTORIES", f"{top}/.git/objects")
    top.mkdir()
    tree = Tree(top)
    tree.git("init", "-q", "-b", "main")
    tree.commit("base", file="1")
    return tree


@pytest.fixture
def store(home: Home) -> SessionStore:
    return SessionStore(home.sessions)


def tree_of(run: Launched) -> Tree:
    own = run.held.session.workspace.get("tree")
    return Tree(Path(own or run.held.session.workspace["path"]))


def leave(run: Launched, **files: str | None) -> str:
    """It writes, and ends; its id."""
    tree_of(run).write(**files)
    run.recorder.close()
    run.output.close()
    said = snapshot.end(run.held.directory, run.held.session)
    run.held.update(lambda one: with_workspace(one, **said))
    secrets.release(run.held.session)
    return records.finish(run.held).id


def begun(home: Home, engine: FakeEngine, mode: str = "copy", **how) -> Launched:
    return launched(home, engine, order(home, flags={"workspace.mode": mode}, **how))


def found(store: SessionStore, session: str) -> Found:
    return finding.open_session(store, session)


def read(store: SessionStore, session: str) -> Session:
    return store.load(session)


def again(
    store: SessionStore, session: str, request: Request = AGAIN, *, env: tuple[str, ...] = ()
) -> Order:
    flags = flag_layer({"session-root": str(store.root)}, "/")
    where = Sources(env=os.environ, cwd=Path("/"), flags=flags)
    return resume.draw_up_again(found(store, session), request, env, where, Terminal(stdin="data"))


def resumed(home: Home, engine: FakeEngine, store: SessionStore, session: str) -> Launched:
    return launched(home, engine, again(store, session))


def taken(store: SessionStore, session: str) -> list[str]:
    """The paths that accept would bring."""
    wish = Wish(dry_run=True)
    done = accept(found(store, session), wish, signature=SIGNATURE, env=os.environ)
    return sorted(os.fsdecode(one.path) for one in done.changes)


def has(store: SessionStore, session: str, name: str) -> bool:
    return (store.directory(session) / name).is_dir()


def discard(engine: FakeEngine, store: SessionStore, session: str) -> None:
    Discarder(connect=lambda _: engine, notice=pytest.fail).discard(doomed_by_id(store, session))


# ---------------------------------------------------------------- the table, row by row


@pytest.mark.parametrize("mode", ["copy", "worktree", "bind"])
@pytest.mark.usefixtures("user")
def test_workspace_and_home_are_the_new_ones(home, engine, store, mode):
    run = begun(home, engine, mode)
    (run.held.directory / "home/kept").write_text("x")
    first = leave(run, made="1")
    new = resumed(home, engine, store, first)
    assert [has(store, first, name) for name in ("home", "workspace")] == [False, False]
    assert [has(store, new.held.id, name) for name in ("home", "workspace")] == [True, True]
    assert (new.held.directory / "home/kept").read_text() == "x"
    sources = {mount.target: mount.source for mount in engine.prepared[1].mounts}
    tree = tree_of(new)
    assert sources["/workspace"] == str(tree.path)
    assert (tree.path / "made").read_text() == "1"
    assert read(store, first).text("resumed_by") == new.held.id
    assert new.held.session.text("resumed_from") == first
    leave(new)


@pytest.mark.usefixtures("user")
def test_each_has_its_own_commits_and_snapshots(home, engine, store):
    run = begun(home, engine)
    tree_of(run).commit("agent", agent="1")
    first = leave(run, loose="1")
    second = leave(resumed(home, engine, store, first), more="1")
    assert taken(store, first) == ["agent", "loose"]
    assert taken(store, second) == ["agent", "loose", "more"]
    done = accept(found(store, first), Wish(), signature=SIGNATURE, env=os.environ)
    assert done.commits == 2  # the agent's, and what it left
    assert taken(store, second) == ["more"]


def test_pins_stay_with_each_until_its_discard(home, engine, store, user):
    run = begun(home, engine, "worktree")
    first = leave(run)
    new = resumed(home, engine, store, first)
    second = leave(new)
    engine.remove(run.ref)
    engine.remove(new.ref)

    def pins() -> list[str]:
        said = user.git("for-each-ref", "--format=%(refname)", "refs/outrig")
        return [ref.rpartition("/")[2] for ref in said.splitlines()]

    assert sorted(pins()) == sorted([first, second])
    discard(engine, store, first)
    assert pins() == [second]
    discard(engine, store, second)
    assert pins() == []


@pytest.mark.usefixtures("user")
def test_a_volume_is_made_anew(home, engine, store):
    run = begun(home, engine, "overlay")
    (run.held.directory / "workspace/upper/made").write_text("1")
    first = leave(run)
    new = resumed(home, engine, store, first)
    assert f"outrig-{new.held.id}-tree" in [item.get("ref") for item in new.held.session.resources]
    assert (new.held.directory / "workspace/upper/made").read_text() == "1"
    assert taken(store, leave(new)) == ["made"]


@pytest.mark.usefixtures("user")
def test_the_earlier_one_discarded_the_new_one_lives_on(home, engine, store):
    run = begun(home, engine)
    first = leave(run, made="1")
    new = resumed(home, engine, store, first)
    engine.remove(run.ref)
    discard(engine, store, first)
    assert taken(store, leave(new, more="1")) == ["made", "more"]


def test_the_new_one_discarded_the_earlier_one_keeps_its_work(home, engine, store, user):
    run = begun(home, engine)
    tree_of(run).commit("agent", agent="1")
    first = leave(run, loose="1")
    new = resumed(home, engine, store, first)
    second = leave(new)
    engine.remove(new.ref)
    discard(engine, store, second)
    with pytest.raises(resume.NotResumableError, match="no workspace"):
        again(store, first)
    accept(found(store, first), Wish(), signature=SIGNATURE, env=os.environ)
    assert user.git("log", "--format=%s", "main~1").splitlines() == ["agent", "base"]
    assert user.text("loose") == "1"


@pytest.mark.usefixtures("user")
def test_archive_of_either_leaves_the_other(home, engine, store):
    first = leave(begun(home, engine), made="1")
    second = leave(resumed(home, engine, store, first), more="1")
    for session, left in ((first, ["made", "more"]), (second, [])):
        archive(
            found(store, session), signature=SIGNATURE, env=os.environ, connect=lambda _: engine
        )
        assert has(store, second, "workspace") == bool(left)
        assert outcome.state(read(store, session)) == "archived"


@pytest.mark.usefixtures("user")
def test_only_the_newest_can_be_resumed_and_a_third_has_the_work_of_all(home, engine, store):
    first = leave(begun(home, engine), one="1")
    second = leave(resumed(home, engine, store, first), two="1")
    with pytest.raises(resume.NotResumableError) as refused:
        again(store, first)
    assert refused.value.hint == f"outrig resume {second}"
    third = leave(resumed(home, engine, store, second), three="1")
    assert taken(store, third) == ["one", "three", "two"]


# ---------------------------------------------------------------- who may


@pytest.mark.usefixtures("user")
def test_one_that_runs_is_refused(home, engine, store):
    run = begun(home, engine)
    with pytest.raises(SessionBusyError, match="is running"):
        again(store, run.held.id)
    leave(run)


@pytest.mark.parametrize("state", ["accepted", "archived", "evaluating"])
@pytest.mark.usefixtures("user")
def test_one_that_is_not_open_is_refused(home, engine, store, state):
    first = leave(begun(home, engine))
    store.update(first, lambda one: with_fields(one, outcome={"state": state}))
    with pytest.raises(outcome.OutcomeError, match=f"is {state}"):
        again(store, first)


def test_one_whose_repository_is_another_is_refused(home, engine, store, user):
    first = leave(begun(home, engine))
    user.git_dir.rename(user.path / "moved")
    with pytest.raises(WorkspaceError, match="no longer a checkout"):
        again(store, first)


def test_one_whose_conflict_is_being_resolved_is_refused(home, engine, store, user):
    run = begun(home, engine)
    first = leave(run, file="2")
    user.commit("theirs", file="3")
    wish = Wish(resolve=run.held.directory / "workspace/resolve")
    with pytest.raises(ConflictError):
        accept(found(store, first), wish, signature=SIGNATURE, env=os.environ)
    with pytest.raises(resume.NotResumableError, match="conflict is laid out"):
        again(store, first)


def test_another_tools_is_refused(store):
    rust = next(records.RUST.glob("*.json")).stem
    records.adopt_rust_record(store, rust)
    with pytest.raises(StoreError, match="another tool"):
        again(store, rust)


@pytest.mark.usefixtures("user")
def test_of_two_at_once_one_wins(home, engine, store, monkeypatch):
    monkeypatch.setattr(lock, "_PATIENCE", 0.05)
    first = leave(begun(home, engine), made="1")
    orders = [again(store, first) for _ in range(2)]
    runs: list[Launched] = []
    lost: list[Exception] = []

    def go(one: Order) -> None:
        try:
            runs.append(launched(home, engine, one))
        except (SessionBusyError, resume.NotResumableError) as error:
            lost.append(error)

    threads = [threading.Thread(target=go, args=(one,)) for one in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(runs), len(lost)) == (1, 1)
    assert read(store, first).text("resumed_by") == runs[0].held.id
    assert taken(store, leave(runs[0])) == ["made"]
    assert len(store.ids()) == 2  # the loser left no record


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("mode", ["copy", "worktree", "overlay", "bind"])
@pytest.mark.usefixtures("user")
def test_a_start_that_fails_gives_it_back(home, engine, store, mode):
    run = begun(home, engine, mode)
    first = leave(run, made="1")
    engine.script = Script(refuses_start=EngineError("no"))
    with pytest.raises(EngineError):
        resumed(home, engine, store, first)
    engine.script = Script()
    assert has(store, first, "home")
    assert has(store, first, "workspace")
    assert not read(store, first).text("resumed_by")
    leave(resumed(home, engine, store, first))


@pytest.mark.parametrize("moved", [[], ["workspace"], ["workspace", "home"]])
@pytest.mark.usefixtures("user")
def test_whoever_died_while_it_moved_lost_nothing(home, engine, store, moved):
    """What the two records and directories are then, the new one ended by whoever came next."""
    first = leave(begun(home, engine), made="1")
    new = records.begin(store, resumed_from=first)
    here, there = store.directory(first), new.directory
    workspace = {**read(store, first).workspace, "tree": f"{there}/workspace/tree"}
    (there / "config.toml").write_bytes((here / "config.toml").read_bytes())
    new.update(lambda one: with_fields(one, workspace=workspace))
    store.update(first, lambda one: with_fields(one, resumed_by=new.id))
    for name in moved:
        (here / name).rename(there / name)
    records.finish(new)
    run = resumed(home, engine, store, new.id)
    assert (tree_of(run).path / "made").read_text() == "1"
    assert has(store, run.held.id, "home")
    leave(run)


def test_what_an_agent_linked_in_its_home_is_not_followed(home, engine, store, user, tmp_path):
    config = '[agents.bot]\ncommand = ["bot", "{prompt}"]\nhome = { ".bot/seed" = "new" }\n'
    asked = Request(agent="bot", prompt="hi", image="fake:1")
    run = launched(home, engine, order(home, asked, config=config))
    own = run.held.directory / "home"
    (own / ".bot/seed").unlink()
    (own / ".bot").rmdir()
    (own / ".bot").symlink_to(tmp_path)
    first = leave(run)
    with pytest.raises(WorkspaceError, match="through a link"):
        launched(home, engine, again(store, first, asked))
    assert not (tmp_path / "seed").exists()
    (store.directory(first) / "home/.bot").unlink()
    run = launched(home, engine, again(store, first, asked))
    assert (run.held.directory / "home/.bot/seed").read_text() == "new"
    leave(run)


# ---------------------------------------------------------------- as it was, or anew


@pytest.mark.usefixtures("user")
def test_variables_are_resolved_again_and_those_said_are_asked_for(
    home, engine, store, monkeypatch
):
    monkeypatch.setenv("TOKEN", "old")
    config = '[env]\nFROM = "${TOKEN}"\nPLAIN = "p"\n'
    first = leave(launched(home, engine, order(home, config=config, env=("TOKEN", "SAID=x"))))
    monkeypatch.setenv("TOKEN", "new")
    monkeypatch.setenv("SAID", "of the host")
    monkeypatch.setenv("PLAIN", "of the host")
    one = again(store, first)
    assert one.values == {"FROM": "new", "PLAIN": "p", "TOKEN": "new"}
    (told,) = (words for words in one.warnings if "SAID" in words)
    assert "give it again" in told
    assert again(store, first, env=("SAID=y",)).values["SAID"] == "y"


def test_a_key_that_a_broker_adds_is_not_handed_to_the_one_that_goes_on(
    home, engine, store, user, monkeypatch
):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "the-key-of-the-user")
    asked = Request(agent="claude", prompt="hi", image="fake:1")
    first = leave(launched(home, engine, order(home, asked, flags={"network.mode": "bridge"})))
    assert "ANTHROPIC_API_KEY" in read(store, first).fields["env_names"]
    config = store.directory(first) / "config.toml"
    config.write_text(config.read_text().replace('mode = "bridge"', 'mode = "filter"'))
    one = again(store, first, asked)
    assert {secret.name: secret.way for secret in one.plan.secrets} == {"anthropic": "broker"}
    assert "the-key-of-the-user" not in one.values.values()


def test_a_program_that_was_approved_runs_for_the_one_that_goes_on_as_it_was(
    home, engine, store, user
):
    script = user.path / "get-key"
    script.write_text("echo the-key\n")
    config = user.path / ".agents/outrig/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[secrets.forge]\nfrom = "command:sh {script}"\n')
    subject = layers.read(env=os.environ, cwd=user.path, home=home.path).subject
    assert subject
    trust.approve(places.state(os.environ), subject, at=records.NOON)
    first = leave(launched(home, engine, order(home, cwd=user.path)))
    assert [one.name for one in again(store, first).plan.secrets] == ["forge"]
    script.write_text("echo the-key; touch planted\n")
    with pytest.raises(ConfigError, match="get-key lies in the workspace"):
        again(store, first)


def test_mounts_limits_and_configuration_are_as_they_were(home, engine, store, user, tmp_path):
    data, other = tmp_path / "data", tmp_path / "other"
    data.mkdir()
    other.mkdir()
    asked = Request(words=("true",), image="fake:1", volumes=(f"{data}:/data:rw",))
    one = order(home, asked, config='[limits]\npids = 99\nwall = "5m"\n')
    first = leave(launched(home, engine, one))
    (home.config / "outrig/config.toml").write_text("[limits]\npids = 7\n")
    later = again(store, first)
    assert (later.plan.pids, later.plan.wall) == (99, 300.0)
    assert [(mount.source, mount.writable) for mount in later.mounts] == [(str(data), True)]
    anew = Request(words=("true",), image="fake:1", volumes=(f"{other}:/data",))
    assert [mount.source for mount in again(store, first, anew).mounts] == [str(other)]


def test_base_and_branch_stay_though_the_user_went_on(home, engine, store, user):
    base = user.git("rev-parse", "HEAD")
    first = leave(begun(home, engine, "worktree"), made="1")
    user.commit("later", later="1")
    user.git("checkout", "-q", "-b", "elsewhere")
    new = resumed(home, engine, store, first)
    workspace = new.held.session.workspace
    assert (workspace["base"], workspace["branch"]) == (base, "main")
    assert workspace["session_branch"] == f"outrig/run/{first}"
    done = accept(found(store, leave(new)), Wish(), signature=SIGNATURE, env=os.environ)
    assert done.into == "main"
    assert user.git("ls-tree", "--name-only", "main").split() == ["file", "later", "made"]


@pytest.mark.usefixtures("user")
def test_an_agent_that_has_spoken_goes_on_and_another_begins(home, engine, store):
    config = """
[agents.bot]
command = ["bot", "{prompt}"]
resume = ["bot", "--again", "{prompt}"]
[agents.dull]
command = ["dull", "{prompt}"]
"""
    asked = Request(agent="bot", prompt="hi", image="fake:1", words=("--model", "m"))
    first = leave(launched(home, engine, order(home, asked, config=config)))
    second = leave(resumed(home, engine, store, first))  # a command in between
    commands = {
        name: again(store, second, Request(agent=name, prompt="hi", image="fake:1")).plan.command
        for name in ("bot", "dull")
    }
    assert commands == {"bot": ("bot", "--again", "hi"), "dull": ("dull", "hi")}


def test_an_agent_that_cannot_go_on_says_so(home, engine, store, user):
    config = '[agents.dull]\ncommand = ["dull", "{prompt}"]\n'
    asked = Request(agent="dull", prompt="hi", image="fake:1")
    first = leave(launched(home, engine, order(home, asked, config=config)))
    plan = again(store, first, asked).plan
    assert "dull cannot go on with its conversation: it begins a new one" in plan.notices


def test_without_git_the_directory_is_as_it_was(home, engine, store):
    top = home.path / "work"
    top.mkdir()
    (top / "file").write_text("1")
    first = leave(begun(home, engine), made="1")
    subprocess.run(["git", "init", "-q"], cwd=top, check=True)
    new = resumed(home, engine, store, first)
    assert not new.held.session.workspace.get("common_dir")
    assert (tree_of(new).path / "made").read_text() == "1"
    assert works.home_of(new.held.session, os.environ) is None
    leave(new)
