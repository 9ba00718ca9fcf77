"""Values from each source; what goes wrong names the source and no byte of a value."""

from __future__ import annotations

import os

import pytest

from outrig.core.secrets import Secret
from outrig.errors import ConfigError
from outrig.store.secrets import LARGEST, value

VALUE = "s3cr3t-value"
PATH = {"PATH": os.environ["PATH"]}


def of(source, way="file", env=PATH):
    return value(Secret(name="it", source=source, way=way, variable="IT"), env)


def trouble(source, way="file", env=PATH):
    with pytest.raises(ConfigError) as caught:
        of(source, way, env)
    assert caught.value.message.startswith("secret it: ")
    assert VALUE not in caught.value.message
    return caught.value.message


def test_a_variable():
    assert of("env:X", env={"X": VALUE}) == VALUE
    assert "X is not set" in trouble("env:X")


def test_a_file_without_its_last_newline(tmp_path):
    file = tmp_path / "f"
    file.write_text(f"{VALUE}\n\n")
    assert of(f"file:{file}") == f"{VALUE}\n"


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "long").write_text("x" * (LARGEST + 1))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert "not a regular file" in trouble(f"file:{tmp_path}/fifo")
    assert "more than" in trouble(f"file:{tmp_path}/long")
    assert "not UTF-8" in trouble(f"file:{tmp_path}/bytes")
    assert "No such file" in trouble(f"file:{tmp_path}/missing")
    assert "regular" in trouble(f"file:{tmp_path}")


def test_a_command_is_words_and_no_shell():
    assert of(f"command:printf '%s\\n' '{VALUE}; id'") == f"{VALUE}; id"
    assert "exit code 3" in trouble(f"command:sh -c 'echo {VALUE}; exit 3'")
    assert "cannot run no-such-program" in trouble("command:no-such-program")
    assert "make no sense" in trouble("command:echo 'x")


@pytest.mark.parametrize("words", ["get-key", "./get-key", "sh ./get-key"])
def test_nothing_that_an_agent_left_here_is_run_for_it(words, tmp_path, monkeypatch):
    (tmp_path / "get-key").write_text("#!/bin/sh\necho planted\n")
    (tmp_path / "get-key").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    words = trouble(f"command:{words}", env={"PATH": ".::/usr/bin:/bin"})
    assert "cannot run" in words or "exit code" in words


def test_a_command_that_does_not_end(monkeypatch):
    monkeypatch.setattr("outrig.store.secrets.COMMAND_SECONDS", 0.1)
    assert "sleep did not end within" in trouble("command:sleep 100")


def test_the_keyring_by_whichever_program_there_is(tmp_path):
    program = tmp_path / "secret-tool"
    program.write_text(f'#!/bin/sh\n[ "$*" = "lookup service forge username me" ] && echo {VALUE}')
    program.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/bin"}
    assert of("keyring:forge/me", env=env) == VALUE
    assert "exit code 1" in trouble("keyring:forge/you", env=env)
    assert "neither" in trouble("keyring:forge/me", env={"PATH": str(tmp_path / "none")})


def test_values_that_cannot_be_used():
    assert "is empty" in trouble("env:X", env={"X": ""})
    assert "NUL" in trouble("env:X", env={"X": f"{VALUE}\0"})
    assert "HTTP header" in trouble("env:X", way="broker", env={"X": f"{VALUE}\nHost: evil"})
    assert of("env:X", env={"X": "a\nb"}) == "a\nb"
