"""Approvals on the disk: what they are of, what ends them, and who else could have written one."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outrig.core.approval import digest
from outrig.errors import ConfigError, StoreError
from outrig.store import layers, trust

NOWHERE = Path("/nonexistent/outrig.toml")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CONFIG = "[images.dev]\ndockerfile = 'Dockerfile'\n[limits]\npids = 9999\n"


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def project(home):
    top = home.path / "src/project"
    write(top / ".git/HEAD", "ref: refs/heads/main\n")
    write(top / ".agents/outrig/config.toml", CONFIG)
    write(top / "Dockerfile", "FROM scratch\n")
    return top


@pytest.fixture
def state(home):
    return home.path / ".state"


@pytest.fixture
def read(home, state):
    def reading(cwd, **more):
        env = {**home.variables(), "XDG_STATE_HOME": str(state)}
        return layers.read(env=env, cwd=cwd, home=home.path, system=NOWHERE, **more)

    return reading


def is_approved(found):
    (answer,) = {layer.approved for layer in found.layers if layer.source.is_repo}
    return answer


@pytest.fixture
def approve(state):
    return lambda found: trust.approve(state / "outrig", found.subject, at=AT)


def test_nothing_is_approved_until_somebody_says_so(project, read, approve):
    found = read(project)
    assert not is_approved(found)
    assert found.seals == {}
    approve(found)
    again = read(project / "src" if (project / "src").exists() else project)
    assert is_approved(again)
    assert again.seals.keys() == {
        str(project / ".agents/outrig/config.toml"),
        str(project / "Dockerfile"),
    }
    assert all(not layer.approved for layer in again.layers if not layer.source.is_repo)


@pytest.mark.parametrize(
    "change",
    [
        lambda top: write(top / ".agents/outrig/config.toml", CONFIG + "#"),
        lambda top: write(top / ".agents/outrig/config.local.toml", ""),
        lambda top: write(top / "Dockerfile", "FROM scratch\n "),
        lambda top: (top / "Dockerfile").unlink(),
        lambda top: ((top / "Dockerfile").unlink(), (top / "Dockerfile").symlink_to("/etc/passwd")),
        lambda top: (
            subprocess.run(["mkfifo", "-m", "600", top / "p"], check=True).args
            and (top / "p").rename(top / "Dockerfile")
        ),
    ],
    ids=["config", "local", "dockerfile", "gone", "link", "fifo"],
)
def test_one_changed_byte_ends_it(project, read, approve, change):
    approve(read(project))
    change(project)
    assert not is_approved(read(project))


def test_it_is_of_one_place_and_can_be_taken_back(project, home, read, approve, state):
    approve(read(project))
    other = home.path / "src/other"
    write(other / ".git/HEAD", "ref: refs/heads/main\n")
    write(other / ".agents/outrig/config.toml", CONFIG)
    write(other / "Dockerfile", "FROM scratch\n")
    assert not is_approved(read(other))
    assert [one.place for one in trust.every(state / "outrig")] == [str(project)]
    assert trust.revoke(state / "outrig", str(project))
    assert not trust.revoke(state / "outrig", str(project))
    assert not is_approved(read(project))
    assert list(trust.every(state / "outrig")) == []


def test_a_named_config_has_an_approval_of_its_own(project, read, approve):
    mine = write(project / "ci.toml", "limits.pids = 9999")
    approve(read(project, config_file=mine))
    assert is_approved(read(project, config_file=mine))
    assert not is_approved(read(project))


def test_a_hash_approves_for_this_once_and_only_what_it_is_of(project, read, state):
    expected = digest(read(project).subject.files)
    assert is_approved(read(project, trust_hash=expected.upper()))
    assert not is_approved(read(project))
    assert not (state / "outrig").exists()
    write(project / "Dockerfile", "FROM other\n")
    with pytest.raises(ConfigError, match="the hash of what would be trusted is "):
        read(project, trust_hash=expected)


def test_a_hash_where_no_repository_has_a_config(home, read):
    with pytest.raises(ConfigError, match="there is no repository config"):
        read(home.path, trust_hash="0" * 64)


def test_what_was_approved_is_remembered_with_its_text(project, read, approve, state):
    write(project / "Dockerfile").write_bytes(b"FROM \xff\n")
    made = approve(read(project))
    known = trust.read(state / "outrig", str(project))
    assert known == made
    assert known
    assert known.at == "2026-01-02T03:04:05.000000Z"
    assert known.files["Dockerfile"] == "FROM \udcff\n"
    (file,) = (state / "outrig/trust").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_dockerfile_that_nobody_could_see_has_a_seal_that_nothing_has(project, read, approve):
    write(project / "Dockerfile", "#" * 300_000)
    approve(read(project))
    assert read(project).seals[str(project / "Dockerfile")] == ""


def test_an_approval_that_cannot_be_read_is_an_error_and_no_approval(project, read, approve, state):
    approve(read(project))
    (file,) = (state / "outrig/trust").iterdir()
    file.write_text("{")
    with pytest.raises(StoreError, match="cannot be read: not JSON"):
        read(project)
    file.unlink()
    file.symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match="cannot be read"):
        read(project)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_an_approval_of_somebody_else_counts_for_nothing(project, read, approve, state):
    approve(read(project))
    (file,) = (state / "outrig/trust").iterdir()
    os.chown(file, 12345, 12345)
    with pytest.raises(StoreError, match="belongs to uid 12345, not to you"):
        read(project)
