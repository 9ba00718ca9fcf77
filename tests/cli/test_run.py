"""`outrig run`, sentence by sentence: what it does, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.conftest import Home, Outrig


def said(text: str) -> bytes:
    return f"{text}\n".encode()


# ---------------------------------------------------------------- how it ends


@pytest.mark.docker
@pytest.mark.parametrize(
    ("command", "code"), [("no-such-command", 127), ("./plain", 126), ("/workspace", 126)]
)
def test_what_cannot_be_executed(run: Run, command, code):
    (run.work / "plain").write_text("no program")
    done = run(command)
    assert run.ending(done) == (code, "failed", "start-failed")
    why = "does not exist" if code == 127 else "cannot be executed"
    assert f'error: "{command}" {why} in image' in done.err
    assert "agent_exit_code" not in run.record()
    assert run.record()["resources"] == []


@pytest.mark.docker
def test_words_that_look_like_inits_complaint(run: Run):
    done = run(
        "sh", "-c", "echo; echo '[FATAL tini (7)] exec x failed: No such file' >&2; exit 126"
    )
    assert done.code == 126
    assert run.record()["exit_code"] == 126


@pytest.mark.docker
def test_an_image_that_is_not_there(run: Run):
    done = run("--image", "no/such:image", "true")
    assert run.ending(done) == (125, "failed", "image-missing")
    assert "no image no/such:image" in done.err
    assert "hint:" in done.err


@pytest.mark.docker
@pytest.mark.parametrize(
    "name", ["Upper/Case", "a b", "../../info", "x//y", "../containers/x", "x:y:z", "?a=b", "-x-"]
)
def test_what_cannot_name_an_image(run: Run, name):
    done = run("--image", name, "true")
    assert run.ending(done) == (125, "failed", "image-missing")
    assert f"no image {name}" in done.err


@pytest.mark.docker
def test_a_build_that_fails(run: Run, engine_client, home: Home):
    (run.work / "Dockerfile").write_text(f"FROM {run.image}\nRUN exit 7\n")
    config = home.config / "outrig/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[images.broken-test]\ndockerfile = "{run.work}/Dockerfile"\n')
    done = run("--image", "broken-test", "true", timeout=100)
    assert run.ending(done) == (125, "failed", "build-failed")
    assert b"exit 7" in run.log("build.log")
    assert engine_client.images.list(name="outrig/broken-test") == []


@pytest.mark.docker
def test_a_place_to_start_that_is_a_file(run: Run):
    (run.work / "file").write_text("")
    done = run("-w", "file", "true")
    assert done.code == 125
    assert f"the working directory /workspace/file is {run.work}/file" in done.err
    assert run.sessions() == []


@pytest.mark.docker
def test_a_timeout(run: Run):
    done = run("--timeout", "1s", "sleep", "100")
    assert run.ending(done) == (124, "timeout", "wall-timeout")
    assert json.loads((run.session / "intent.json").read_bytes())["kind"] == "wall"


@pytest.mark.docker
def test_what_the_agent_leaves_running_ends_with_it(run: Run):
    done = run("sh", "-c", "sleep 100 & echo started").ok()
    assert done.stdout == b"started\n"


# ---------------------------------------------------------------- where it works


@pytest.mark.docker
def test_the_directory_is_the_workspace(run: Run):
    done = run("sh", "-c", "pwd; echo made > file").ok()
    assert done.stdout == b"/workspace\n"
    assert (run.work / "file").read_text() == "made\n"
    assert (run.work / "file").stat().st_uid == os.getuid()


@pytest.mark.docker
def test_the_repository_is_the_workspace_from_anywhere_in_it(run: Run):
    subprocess.run(["git", "init", "-q", run.work], check=True)
    below = run.work / "a/b c"
    below.mkdir(parents=True)
    done = run("sh", "-c", "pwd; ls -a /workspace", cwd=below).ok()
    assert done.out.split("\n")[:5] == ["/workspace/a/b c", ".", "..", ".git", "a"]
    assert ".git" not in done.err
    assert run.record()["working_dir"] == str(below)
    assert run.record()["workspace"]["path"] == str(run.work)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("workdir", "expected"), [("sub", "/workspace/sub"), ("/bin", "/bin"), (".", "/workspace")]
)
def test_another_place_to_start(run: Run, workdir, expected):
    (run.work / "sub").mkdir()
    assert run("-w", workdir, "pwd").ok().stdout == said(expected)


@pytest.mark.docker
def test_the_workspace_may_appear_elsewhere(run: Run):
    env = {"OUTRIG_WORKSPACE__TARGET": "/src/here"}
    assert run("pwd", env=env).ok().stdout == b"/src/here\n"


@pytest.mark.docker
def test_the_session_root_of_choice(run: Run, tmp_path: Path):
    done = run("--session-root", tmp_path / "root", "true").ok()
    assert done.stdout == b""
    assert run.sessions() == []
    assert len(list((tmp_path / "root").glob("2*"))) == 1


@pytest.mark.docker
def test_a_directory_for_the_session(run: Run, tmp_path: Path):
    run("--session-dir", tmp_path / "deep/here", "echo", "hello").ok()
    assert (tmp_path / "deep/here/logs/stdout.log").read_bytes() == b"hello\n"
    assert run.session.is_symlink()
    assert run.session.resolve() == tmp_path / "deep/here"
    assert run.record()["session_dir"] == str(tmp_path / "deep/here")


# ---------------------------------------------------------------- what it can see


@pytest.mark.docker
def test_mounts_are_read_only_unless_they_say_otherwise(run: Run, tmp_path: Path):
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir(mode=0o777)
        (tmp_path / name / "file").write_text(name)
    script = "cat /*/file; for d in one two three; do touch /$d/new 2>/dev/null && echo $d; done"
    done = run(
        *("-v", "../one:/one", "-v", f"{tmp_path}/two:/two:ro", "-v", "../three:/three:rw"),
        *("sh", "-c", script),
    ).ok()
    assert done.stdout == b"onethreetwothree\n"
    assert (tmp_path / "three/new").stat().st_uid == os.getuid()
    assert not (tmp_path / "one/new").exists()
    assert [mount["mode"] for mount in run.record()["mounts"]] == ["ro", "ro", "rw"]


@pytest.mark.docker
def test_a_mount_below_home_leaves_home_to_its_owner(run: Run, tmp_path: Path):
    (tmp_path / "cache").mkdir()
    home = run("sh", "-c", "echo $HOME").ok().out.strip()
    more = f"{tmp_path}/cache:{home}/.cache/deep/tool:rw"
    script = "touch ~/.cache/deep/tool/a ~/.cache/b ~/.cache/deep/c && ls -A ~/.cache/deep/tool"
    done = run("-v", more, "sh", "-c", script).ok()
    assert done.stdout == b"a\n"
    newest = run.sessions()[-1]
    assert {path.stat().st_uid for path in newest.rglob("*")} == {os.getuid()}


@pytest.mark.docker
def test_the_environment(run: Run):
    env = {"HOSTED": "of the host", "SECRET": "stays", "LANG": "C.UTF-8", "TERM": "dumb"}
    done = run("-e", "A=1 = 2", "-e", "HOSTED", "-e", "GONE", "env", env=env).ok()
    lines = done.out.splitlines()
    assert {"A=1 = 2", "HOSTED=of the host", "LANG=C.UTF-8", "TERM=dumb"} <= set(lines)
    assert not [line for line in lines if "SECRET" in line or "GONE" in line]
    assert "-e GONE: not set here" in done.err
    assert run.record()["env_names"] == ["A", "HOSTED"]
    kept = b"".join(path.read_bytes() for path in run.session.glob("*.*") if path.is_file())
    assert b"of the host" not in kept
    assert b"1 = 2" not in kept


@pytest.mark.docker
def test_who_commits(run: Run, home: Home):
    (home.path / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    done = run("sh", "-c", "echo $GIT_AUTHOR_NAME $GIT_COMMITTER_EMAIL").ok()
    assert done.stdout == b"Ada ada@example.org\n"


@pytest.mark.docker
def test_the_container_is_as_tight_as_promised(run: Run):
    # Seccomp: 0 where the kernel has none; Seccomp: 1, strict, is nobody's default
    script = "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; ls /sys/class/net; id -G"
    done = run("--pids", "50", "sh", "-c", script).ok()
    assert [line.split()[-1] for line in done.out.splitlines()][:4] == [
        "0000000000000000",
        "0000000000000000",
        "1",
        "lo",
    ]
    assert done.out.splitlines()[-1] == str(os.getgid())
    assert run.record()["limits"]["pids"] == 50


@pytest.mark.docker
def test_the_number_of_processes_is_bounded(run: Run):
    script = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & done; wait"
    assert b"fork" in run("--pids", "5", "sh", "-c", script).stderr


# ---------------------------------------------------------------- found again


@pytest.mark.docker
def test_a_name_and_labels(run: Run):
    run("--name", "fix-1", "--label", "ticket=7", "--label", "empty=", "true").ok()
    assert run.record()["name"] == "fix-1"
    assert run.record()["labels"] == {"ticket": "7", "empty": ""}
    again = run("--name", "fix-1", "true")
    assert again.code == 125
    assert f"taken by session {run.record()['id']}" in again.err


@pytest.mark.docker
def test_verbose_says_each_step(run: Run):
    done = run("--verbose", "true").ok()
    assert f"container outrig-{run.record()['id']}" in done.err


@pytest.mark.docker
def test_options_end_at_the_first_word(run: Run):
    assert run("echo", "--json", "-p", "--help").ok().stdout == b"--json -p --help\n"


@pytest.mark.docker
def test_the_effective_configuration_is_kept(run: Run):
    run("-m", "64m", "true").ok()
    kept = tomllib.loads((run.session / "config.toml").read_text())
    assert kept["limits"]["memory"] == "64m"
    assert kept["network"]["mode"] == "none"
    assert run.record()["config_origins"]["limits.memory"] == "--memory"


def test_help_teaches(outrig: Outrig):
    done = outrig("run", "--help").ok()
    for word in ("outrig run -- make test", "--agent claude", "outrig ls", "outrig logs"):
        assert word in done.out
    assert "Whoever may use the engine can read it" in " ".join(done.out.split())
