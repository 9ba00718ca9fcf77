"""The base from packages: what is checked first, what mmdebstrap is told, how its failure ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from outrig.engine import bootstrap
from outrig.errors import BuildError

SUITE = """\
Types: deb
URIs: http://deb.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


def programs(directory: Path, **scripts: str) -> str:
    directory.mkdir()
    for name, text in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{text}\n")
        (directory / name).chmod(0o755)
    return f"{directory}:/usr/bin:/bin"


def test_the_sources_are_those_that_name_the_suite(tmp_path: Path) -> None:
    lists = tmp_path / "sources.list.d"
    lists.mkdir()
    (tmp_path / "sources.list").write_text("# bookworm\ndeb http://x/debian trixie main\n")
    (lists / "debian.sources").write_text(SUITE)
    (lists / "other.list").write_text("deb http://y/apt stable main\n")
    (lists / "off.sources.disabled").write_text(SUITE)
    assert bootstrap.sources("bookworm", tmp_path) == [lists / "debian.sources"]
    assert bootstrap.sources("trixie", tmp_path) == [tmp_path / "sources.list"]
    with pytest.raises(BuildError, match="where the packages of sid come from"):
        bootstrap.sources("sid", tmp_path)


def test_without_mmdebstrap_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "PROGRAMS", str(tmp_path))
    with pytest.raises(BuildError, match="mmdebstrap is missing") as caught:
        bootstrap.check()
    assert caught.value.hint == "sudo apt-get install mmdebstrap"


def test_without_root_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "PROGRAMS", programs(tmp_path / "bin", mmdebstrap="true"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BuildError, match="needs root") as caught:
        bootstrap.check()
    assert (caught.value.hint or "").startswith("sudo outrig build base --bootstrap")


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose distribution is bookworm, with one authority of its own."""
    authorities = tmp_path / "authorities"
    authorities.mkdir()
    (authorities / "own.crt").write_text("x")
    monkeypatch.setattr(bootstrap, "AUTHORITIES", authorities)
    monkeypatch.setattr(bootstrap, "_suite", lambda: "bookworm")
    monkeypatch.setattr(bootstrap, "sources", lambda suite: [Path("/apt") / suite])
    return authorities


def test_the_stream_is_what_mmdebstrap_writes(
    debian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'printf "%s\\n" "$@" "$SECRET" "$http_proxy"; echo progress >&2'
    monkeypatch.setattr(bootstrap, "PROGRAMS", programs(tmp_path / "bin", mmdebstrap=script))
    said: list[str] = []
    env = {"SECRET": "hunter2", "http_proxy": "http://proxy"}
    out = b"".join(bootstrap.archive(("git", "jq"), env=env, show=said.append)).decode()
    assert out.splitlines() == [
        "--variant=minbase",
        "--include=git,jq",
        f'--customize-hook=mkdir -p "$1{debian}"',
        f"--customize-hook=upload {debian}/own.crt {debian}/own.crt",
        '--customize-hook=chroot "$1" update-ca-certificates',
        "bookworm",
        "-",
        "/apt/bookworm",
        "",
        "http://proxy",
    ]
    assert said == ["mmdebstrap makes bookworm with git, jq", "progress"]
    assert any("NODE_EXTRA_CA_CERTS" in change for change in bootstrap.changes())


def test_a_machine_without_authorities_of_its_own_adds_none(
    debian: Path,
) -> None:
    (debian / "own.crt").unlink()
    assert not any("CERT" in change for change in bootstrap.changes())


def test_a_failure_ends_the_stream_with_mmdebstraps_words(
    debian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'echo part; echo "E: no such package" >&2; exit 3'
    monkeypatch.setattr(bootstrap, "PROGRAMS", programs(tmp_path / "bin", mmdebstrap=script))
    stream = bootstrap.archive(("x",), env={}, show=lambda _: None)
    assert next(stream) == b"part\n"
    with pytest.raises(BuildError, match=r"exit code 3:\n  E: no such package"):
        next(stream)


def test_mmdebstrap_is_told_to_stop_when_nobody_reads_any_more(
    debian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"trap 'touch {tmp_path}/stopped; exit 1' TERM; echo part; sleep 600 & wait"
    monkeypatch.setattr(bootstrap, "PROGRAMS", programs(tmp_path / "bin", mmdebstrap=script))
    stream = bootstrap.archive(("x",), env={}, show=lambda _: None)
    assert next(stream) == b"part\n"
    stream.close()  # type: ignore[attr-defined]
    assert (tmp_path / "stopped").exists()
