"""What a session changed is shown, and applies: byte for byte, on whatever it worked."""

from __future__ import annotations

import json
import os
import shutil
import stat

import pytest

from outrig.store.sessions import SessionStore
from tests import records, repositories, snapped
from tests.cli import terminals
from tests.repositories import Canary, git, listing

ODD = os.fsdecode(b"-odd\n\x1b]0;x\x07\xff")


@pytest.fixture
def store(session_root):
    return SessionStore(session_root)


@pytest.fixture(autouse=True)
def unpaged(monkeypatch):
    monkeypatch.setenv("PAGER", "cat")


@pytest.fixture
def work(outrig):
    return repositories.made(
        outrig.cwd,
        **{
            ".gitignore": "*.log\n",
            "a": "1\n",
            "sub__b": "".join(f"{number}\n" for number in range(50)),
            "moved": "".join(f"line {number}\n" for number in range(50)),
            "becomes": "a file\n",
        },
    )


def changed(work):
    """Everything that a patch must be able to say."""
    (work / "a").write_text("2\n")
    (work / "a").chmod(0o755)
    (work / "sub/b").unlink()
    (work / "moved").rename(work / "moved away")
    (work / "binary").write_bytes(bytes(range(256)) * 9)
    (work / "link").symlink_to("nowhere")
    (work / "becomes").unlink()
    (work / "becomes").mkdir()
    (work / "becomes/inner").write_text("no newline")
    (work / ODD).write_text("odd\n")
    (work / "empty").touch()
    (work / "crlf").write_bytes(b"a\r\nb\r\n")
    (work / "noise.log").write_text("ignored")


# ---------------------------------------------------------------- patch


@pytest.mark.parametrize("with_git", [True, False])
def test_a_patch_brings_the_start_to_the_end_byte_for_byte(outrig, store, work, tmp_path, with_git):
    if not with_git:
        shutil.rmtree(work / ".git")
    shutil.copytree(work, tmp_path / "start", symlinks=True)
    snapped.session(store, work, changed)
    patch = outrig("patch").ok().stdout
    git("apply", "-", cwd=tmp_path / "start", input=patch)
    expected = listing(work)
    del expected[b"noise.log"]
    assert listing(tmp_path / "start") == expected
    assert b"rename from moved\nrename to moved away" in patch


def test_a_patch_of_nothing_is_nothing(outrig, store, work):
    snapped.session(store, work, lambda _: None)
    assert outrig("patch").ok().stdout == b""
    assert outrig("diff").ok().stdout == b""


def test_a_patch_of_some_paths(outrig, store, work):
    snapped.session(store, work, changed)
    assert outrig("patch", "@last", "a").ok().out.count("diff --git") == 1
    assert outrig("patch", "@last", "b", cwd=work / "becomes").ok().out == ""
    assert b"inner" in outrig("patch", "@last", "inner", cwd=work / "becomes").ok().stdout
    assert b"inner" in outrig("patch", "@last", "becomes", cwd=work.parent).ok().stdout
    refused = outrig("patch", "@last", "../x")
    assert (refused.code, "outside of the workspace" in refused.err) == (1, True)


def test_a_patch_on_a_terminal_is_harmless(outrig, store, work):
    snapped.session(store, work, lambda top: (top / "a").write_text("\x1b]0;x\x07\x1b[2Jx\n"))
    assert terminals.is_harmless(terminals.screen(outrig, "patch"))


# ---------------------------------------------------------------- diff


def test_diff_as_git_shows_it(outrig, store, work):
    snapped.session(store, work, lambda top: (top / "a").write_text("2\n"))
    assert outrig("diff").ok().out.endswith("--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n")
    assert outrig("diff", "--stat").ok().out.splitlines()[0] == " a | 2 +-"
    assert outrig("diff", "--name-only").ok().out == "a\n"


def test_diff_as_json(outrig, store, work):
    snapped.session(store, work, changed)
    found = {one["path"]: one for one in json.loads(outrig("diff", "--json").ok().stdout)}
    assert set(found) == {
        *("a", "sub/b", "moved away", "binary", "link", "becomes", "becomes/inner"),
        *(ODD, "empty", "crlf"),
    }
    assert found["a"] == {
        "status": "M",
        "path": "a",
        "old_path": None,
        "old_mode": "100644",
        "new_mode": "100755",
        "binary": False,
        "added": 1,
        "deleted": 1,
    }
    assert found["moved away"]["old_path"] == "moved"
    assert found["binary"]["binary"] is True
    assert found["sub/b"]["deleted"] == 50
    assert (found["link"]["new_mode"], found["link"]["old_mode"]) == ("120000", None)


def test_one_form_at_a_time(outrig, store, work):
    snapped.session(store, work, changed)
    assert outrig("diff", "--stat", "--json").code == 2


def test_on_a_terminal_it_is_coloured_harmless_and_paged(outrig, store, work, monkeypatch):
    snapped.session(
        store, work, lambda top: (top / "a").write_text("\x1b]52;c;eA==\x07\x1b[2Jnew\n")
    )
    monkeypatch.setenv("OUTRIG_PAGER", "sed s/^/paged:/")
    shown = terminals.screen(outrig, "diff")
    assert terminals.is_harmless(shown)
    assert all(line.startswith("paged:") for line in shown.splitlines())
    assert "\x1b[32m" in shown
    monkeypatch.delenv("OUTRIG_PAGER")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in terminals.screen(outrig, "diff")


def test_odd_names_reach_no_terminal(outrig, store, work):
    snapped.session(store, work, changed)
    for how in ("--stat", "--name-only"):
        shown = terminals.screen(outrig, "diff", how)
        assert terminals.is_harmless(shown)


def test_a_session_that_runs_is_compared_with_now(outrig, store, work):
    held = snapped.begun(store, work)
    (work / "a").write_text("so far\n")
    done = outrig("diff").ok()
    assert "+so far" in done.out
    assert "has not ended; this is its workspace as it is now" in done.err
    held.close()


def test_a_session_without_an_end_snapshot(outrig, store, work):
    held = snapped.begun(store, work)
    (work / "a").write_text("2\n")
    records.finish(held)
    done = outrig("diff").ok()
    assert "+2" in done.out
    assert "no end snapshot (nobody took it)" in done.err


def test_a_session_without_any(outrig, store, work):
    records.done(store, workspace={"path": str(work), "snapshot_error": "start: no git"})
    refused = outrig("diff")
    assert refused.code == 1
    assert "has no start snapshot: start: no git" in refused.err


def test_a_checkpoint(outrig, store, work):
    from outrig.runner import snapshot  # noqa: PLC0415 - one test's

    held = snapped.begun(store, work)
    (work / "a").write_text("halfway\n")
    snapshot.of(held.directory).take(work, "checkpoint/1")
    (work / "a").write_text("done\n")
    snapped.ended(held)
    assert "+halfway" in outrig("diff", "--checkpoint", "1").ok().out
    assert "+done" in outrig("diff").ok().out
    assert "no 2" in outrig("diff", "--checkpoint", "2").err


def test_what_was_not_recorded_is_said(outrig, store, work):
    def change(top):
        (top / "x").mkdir()
        (top / "x/.GIT").write_text("")

    snapped.session(store, work, change)
    assert "not compared: x/.GIT (git records nothing of this name)" in outrig("diff").ok().err


def test_by_directory(outrig, store, work):
    session = snapped.session(store, work, changed)
    directory = store.directory(session)
    shown = outrig("diff", "--session-dir", directory, "a", "--name-only").ok()
    assert shown.out == "a\n"


def test_it_answers_when_the_workspace_is_gone(outrig, store, work, tmp_path):
    snapped.session(store, work, lambda top: (top / "new").write_text("1\n"))
    (work / "new").rename(tmp_path / "away")
    assert "+1" in outrig("diff").ok().out


def test_the_page_shows_it(outrig, store, work):
    snapped.session(store, work, lambda top: (top / "a").write_text("<b>\n"))
    assert "<span class=a>+&lt;b&gt;</span>" in outrig("export", "--html", "-").ok().out


# ---------------------------------------------------------------- undo


def test_undo_and_redo(outrig, store, work):
    before = listing(work)
    snapped.session(store, work, changed)
    after = listing(work)
    shown = outrig("undo", "--dry-run").ok().out
    assert "M a\n" in shown
    assert "A sub/b\n" in shown
    assert "D link\n" in shown
    assert listing(work) == after
    outrig("undo", "-y").ok()
    assert listing(work) == before | {b"noise.log": ("file", b"ignored")}
    assert "nothing to put back" in outrig("undo", "-y").ok().err
    outrig("undo", "--redo", "-y").ok()
    assert listing(work) == after


def test_it_answers_after_a_rebase_and_a_gc(outrig, store, work):
    (work / "sub/beside").write_text("mine\n")
    git("add", "sub/beside", cwd=work)
    git("commit", "-q", "-m", "second", cwd=work)
    before = listing(work)
    snapped.session(store, work, changed)
    told = [outrig(*words).ok().stdout for words in (["diff"], ["diff", "--json"], ["patch"])]

    (work / "sub/beside").write_text("mine, later\n")
    git("add", "-A", cwd=work)
    git("commit", "-q", "--amend", "-m", "all of it anew", cwd=work)
    git("reset", "-q", "--soft", "HEAD~1", cwd=work)
    git("commit", "-q", "--amend", "-m", "all in one", cwd=work)
    git("reflog", "expire", "--expire=now", "--all", cwd=work)
    git("gc", "-q", "--prune=now", cwd=work)

    assert [
        outrig(*words).ok().stdout for words in (["diff"], ["diff", "--json"], ["patch"])
    ] == told
    outrig("undo", "-y").ok()
    later = {b"noise.log": ("file", b"ignored"), b"sub/beside": ("file", b"mine, later\n")}
    assert listing(work) == before | later


def test_undo_touches_nothing_where_the_user_went_on(outrig, store, work):
    snapped.session(store, work, changed)
    (work / "a").write_text("3\n")
    (work / "mine").write_text("unrelated")
    after = listing(work)
    refused = outrig("undo", "-y")
    assert refused.code == 1
    assert "a\n" in refused.err
    assert "changed since, so nothing was touched" in refused.err
    assert listing(work) == after


def test_undo_leaves_alone_what_the_session_did_not_touch(outrig, store, work):
    snapped.session(store, work, lambda top: (top / "a").write_text("2\n"))
    (work / "sub/b").write_text("mine\n")
    (work / "a").chmod(0o600)
    outrig("undo", "-y").ok()
    assert (work / "sub/b").read_text() == "mine\n"
    assert (work / "a").read_text() == "1\n"
    assert stat.S_IMODE((work / "a").stat().st_mode) == 0o600


def test_undo_asks_and_needs_somebody_to_answer(outrig, store, work):
    snapped.session(store, work, changed)
    refused = outrig("undo")
    assert refused.code == 2
    assert "outrig undo -y" in refused.err
    assert (work / "a").read_text() == "2\n"


def test_undo_follows_no_link(outrig, store, work, tmp_path):
    """A folder of the user's that is a link by now, whoever made it."""
    (tmp_path / "outside").mkdir()

    def change(top):
        (top / "sub/b").unlink()
        (top / "sub").rmdir()

    snapped.session(store, work, change)
    (work / "sub").symlink_to(tmp_path / "outside")
    refused = outrig("undo", "-y")
    assert refused.code == 1
    assert list((tmp_path / "outside").iterdir()) == []


def test_undo_where_a_link_took_the_place_of_a_folder(outrig, store, work, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/b").write_text("not the session's")

    def change(top):
        (top / "sub/b").unlink()
        (top / "sub").rmdir()
        (top / "sub").symlink_to(tmp_path / "outside")

    before = listing(work)
    snapped.session(store, work, change)
    outrig("undo", "-y").ok()
    assert listing(work) == before
    assert (tmp_path / "outside/b").read_text() == "not the session's"


def test_undo_is_for_the_users_own_tree_and_for_what_has_ended(outrig, store, work):
    held = snapped.begun(store, work)
    assert "is running" in outrig("undo", "-y").err
    snapped.ended(held)
    other = snapped.session(store, work, changed, mode="worktree")
    assert "a tree of its own (worktree)" in outrig("undo", "-y", other).err


# ---------------------------------------------------------------- looking is safe


def test_nothing_that_a_session_planted_runs(outrig, store, work, tmp_path):
    canary = Canary(tmp_path)
    nested = repositories.made(work / "nested", file="1\n")

    def change(top):
        changed(top)
        for one in (top, nested):
            canary.plant(one)
            (one / "more").write_text("1\n")

    snapped.session(store, work, change)
    (work / "new since").write_text("1\n")
    for words in (("diff",), ("diff", "--stat"), ("diff", "--json"), ("patch",), ("undo", "-y")):
        outrig(*words).ok()
        terminals.screen(outrig, *words)
    assert canary.sang() == ""
    assert not (nested / "more").exists()
