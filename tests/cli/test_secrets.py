"""`outrig secrets`: names and places, never values."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from tests.cli.conftest import until

VALUE = "s3cr3t-of-the-test"
CONFIG = f"""\
[secrets.model]
from = "env:MODEL_KEY"
api = "openai"
agents = ["codex"]

[secrets.forge]
from = "command:printf {VALUE[:4]}"
as = "env"
"""


@pytest.fixture
def configured(home):
    file = home.config / "outrig/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(CONFIG)


@pytest.mark.usefixtures("configured")
def test_list_says_where_they_are_and_go(outrig):
    lines = outrig("secrets", "list").ok().out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["forge", "env", "command:printf"],
        ["model", "broker", "env:MODEL_KEY"],
    ]
    assert "codex" in lines[2]
    assert "https://api.openai.com" in lines[2]


@pytest.mark.usefixtures("configured")
def test_check_says_whether_they_can_be_had_and_never_what_they_are(outrig):
    done = outrig("secrets", "check", "--json").failed(1)
    assert json.loads(done.out) == [
        {"name": "forge", "ok": True, "why": None},
        {"name": "model", "ok": False, "why": "MODEL_KEY is not set"},
    ]
    fine = outrig("secrets", "check", env={"MODEL_KEY": VALUE}).ok()
    assert VALUE not in fine.out + fine.err
    assert VALUE[:4] not in fine.out + fine.err


@pytest.mark.usefixtures("configured")
def test_a_name_that_is_none(outrig):
    assert "no secret other" in outrig("secrets", "check", "other").failed(2).err


# ---------------------------------------------------------------- in a session

KEY = "k3y/of+the=test \"'$(id)' é"
GIVEN = """\
[secrets.forge]
from = "env:FORGE"

[secrets.token]
from = "env:TOKEN"
as = "env"
"""
BOTH = {"FORGE": KEY, "TOKEN": KEY[::-1]}


@pytest.fixture
def given(home):
    file = home.config / "outrig/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(GIVEN)


def vaults(root):
    found = Path(f"/dev/shm/outrig-{os.geteuid()}/secrets").glob(f"{session_of(root).name}-*")
    return [str(path) for path in found]


def session_of(root):
    (found,) = (path for path in root.iterdir() if not path.name.startswith("."))
    return found


def record_of(root):
    return json.loads((session_of(root) / "session.json").read_text())


@pytest.mark.docker
@pytest.mark.usefixtures("given")
class TestInASession:
    def test_file_and_variable_hold_the_values(self, outrig, session_root):
        look = 'cat "$FORGE_FILE"; printf %s "$TOKEN"; stat -c %a-%u-$(id -u) "$FORGE_FILE"'
        done = outrig("run", "--no-redact", "sh", "-c", look, env=BOTH).ok()
        assert done.out.startswith(KEY + KEY[::-1] + "600-")
        owner, user = done.out.rpartition("600-")[2].split("-")
        assert owner.strip() == user.strip()
        record = record_of(session_root)
        assert record["secrets"]["given"] == {"forge": "file", "token": "env"}
        assert record["secrets"]["redacted"] is False
        assert not vaults(session_root)

    def test_what_runs_beside_it_has_them_too(self, outrig, session_root):
        running = outrig.start("run", "--network", "none", "sh", "-c", "sleep 60", env=BOTH)
        try:
            until(lambda: any(session_root.glob("[!.]*/session.json")), "its record")
            until(lambda: record_of(session_root)["status"] == "running", "its start")
            look = 'printf "%s %s" "$(printf %s "$TOKEN" | sha256sum)" "$FORGE_FILE"'
            said = outrig("exec", "@last", "sh", "-c", look).ok().out
            digest = hashlib.sha256(KEY[::-1].encode()).hexdigest()
            assert said == f"{digest}  - /run/outrig/secrets/forge"
            assert outrig("exec", "@last", "printenv", "TOKEN").ok().out == "[REDACTED:token]\n"
            assert outrig("exec", "-e", "TOKEN=mine", "@last", "printenv", "TOKEN").ok().out == (
                "mine\n"
            )
            assert outrig("exec", "-u", "4321", "@last", "printenv", "TOKEN").code == 1
            assert outrig("exec", "@last", "nosuch").code == 127
        finally:
            outrig("kill", "@last")
            running.communicate()

    def test_what_it_says_of_them_is_neither_shown_nor_kept(self, outrig, session_root):
        say = 'cat "$FORGE_FILE"; echo; printf %s "$TOKEN" >&2; base64 -w0 "$FORGE_FILE"'
        done = outrig("run", "--label", f"a={KEY}", "sh", "-c", say, "--", KEY, env=BOTH).ok()
        assert done.stdout.startswith(b"[REDACTED:forge]\n[REDACTED:forge]")
        assert done.stderr.endswith(b"[REDACTED:token]")
        session = session_of(session_root)
        assert (session / "logs/stdout.log").read_bytes() == done.stdout
        record = record_of(session_root)
        assert record["labels"] == {"a": "[REDACTED:forge]"}
        assert record["command"][-1] == "[REDACTED:forge]"
        for path in session.rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert KEY.encode() not in path.read_bytes(), path

    def test_without_a_pause_a_prompt_is_shown(self, outrig, home):
        (home.config / "outrig/config.toml").write_text('[secrets.a]\nfrom = "env:A"\n')
        process = outrig.start(
            "run", "-i", "sh", "-c", "printf user; read x; echo $x", env={"A": "root-of-all"}
        )
        assert process.stdout.read(4) == b"user"
        out, _ = process.communicate(b"root-of-all\n", timeout=40)
        assert out == b"[REDACTED:a]\n"

    def test_a_command_that_is_not_there_is_named(self, outrig, session_root):
        done = outrig("run", "no-such-command", env=BOTH).failed(127)
        assert 'error: "no-such-command" does not exist in image host' in done.err
        record = record_of(session_root)
        assert (record["status"], record["reason"]) == ("failed", "start-failed")

    def test_an_image_without_a_shell_is_told_of(self, outrig, engine_client):
        empty = io.BytesIO()
        tarfile.open(fileobj=empty, mode="w").close()
        made = engine_client.api.import_image_from_data(empty.getvalue(), changes="CMD /x")
        image = json.loads(made)["status"]
        try:
            done = outrig("run", "--image", image, "--", "/x", env=BOTH).failed(127)
            assert "/bin/sh does not exist in image" in done.err
            assert 'keys that are variables need it: an image with a shell, or as = "file"' in (
                done.err
            )
        finally:
            engine_client.images.remove(image)

    def test_no_session_is_called_by_one(self, outrig, home):
        named = ("run", "--name", "x-secretive", "true")
        done = outrig(*named, env={"FORGE": "secretive", "TOKEN": "another"}).failed(125)
        assert "the session's name has the value of a secret: x-[REDACTED:forge]" in done.err
        assert not home.sessions.exists()

    def test_one_that_cannot_be_had_stops_it_before_anything_is_written(self, outrig, home):
        (home.config / "outrig/config.toml").write_text('[secrets.a]\nfrom = "file:/nonexistent"\n')
        done = outrig("run", "true").failed(125)
        assert "secret a: cannot read /nonexistent" in done.err
        assert "outrig secrets check a" in done.err
        assert not home.sessions.exists()

    def test_a_killed_outrig_leaves_them_to_whoever_comes_next(
        self, outrig, session_root, tmp_path
    ):
        go = outrig.cwd / "go"
        say = 'cat "$FORGE_FILE"; echo; until [ -e go ]; do sleep 0.1; done; cat "$FORGE_FILE"'
        process = outrig.start("run", "sh", "-c", say, env=BOTH)
        assert process.stdout.readline() == b"[REDACTED:forge]\n"
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
        process.stdin.close()
        go.touch()
        outrig("wait", "@last").ok()
        record = record_of(session_root)
        assert (record["status"], record.get("logs_incomplete")) == ("completed", None)
        log = session_of(session_root) / "logs/stdout.log"
        assert log.read_bytes() == b"[REDACTED:forge]\n[REDACTED:forge]"
        assert not vaults(session_root)

    def test_what_a_command_beside_it_says_is_redacted_too(self, outrig, session_root):
        outrig("run", "-d", "sleep", "60", env=BOTH).ok()
        done = outrig("exec", "@last", "sh", "-c", 'cat "$FORGE_FILE"; printf k3').ok()
        assert done.stdout == b"[REDACTED:forge]k3"
        outrig("kill", "@last").ok()
        outrig("wait", "@last")
        until(lambda: not record_of(session_root)["resources"], "nothing left on the engine")

    def test_a_supervisor_goes_on_with_them(self, outrig, session_root):
        say = 'cat "$FORGE_FILE"; sleep 1; cat "$FORGE_FILE"'
        outrig("run", "-d", "sh", "-c", say, env=BOTH).ok()
        outrig("wait", "@last").ok()
        log = session_of(session_root) / "logs/stdout.log"
        assert log.read_bytes() == b"[REDACTED:forge]" * 2
        until(lambda: not record_of(session_root)["resources"], "nothing left on the engine")
        assert not vaults(session_root)
