"""What lies in the workspace may have been written by a session: each row of the table."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from outrig.core import approval
from outrig.core.secrets import Secret
from outrig.errors import ConfigError
from outrig.runner import approved

if TYPE_CHECKING:
    from pathlib import Path

PROFILE = json.dumps({"defaultAction": "SCMP_ACT_ERRNO"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work/scripts").mkdir(parents=True)
    return tmp_path / "work"


def secret(source: str) -> Secret:
    return Secret(name="it", source=source, way="file", variable="IT")


def sealed(path: Path) -> dict[str, str]:
    return {str(path): approval.seal(path.read_bytes())}


@pytest.mark.parametrize("command", ["{}", "sh {}", "sh ../../../../../../..{}"])
def test_a_program_in_the_workspace_is_run_as_it_was_approved(root: Path, command: str) -> None:
    script = root / "scripts/key"
    script.write_text("echo key\n")
    asked = [secret(f"command:{command.format(script)}")]
    seals = sealed(script)
    approved.refuse_changed(asked, root, seals)
    with pytest.raises(ConfigError, match=r"secrets\.it\.from: .* is not what was approved"):
        approved.refuse_changed(asked, root, {})
    script.write_text("echo another; id\n")
    with pytest.raises(ConfigError, match="is not what was approved"):
        approved.refuse_changed(asked, root, seals)


def test_one_elsewhere_is_the_users_own(root: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("echo key\n")
    approved.refuse_changed([secret(f"command:{tmp_path}/key"), secret("env:X")], root, {})


def test_a_way_into_the_workspace_is_seen_through(root: Path, tmp_path: Path) -> None:
    (root / "scripts/key").write_text("echo key\n")
    (tmp_path / "bin").symlink_to(root / "scripts")
    with pytest.raises(ConfigError, match="is not what was approved"):
        approved.refuse_changed([secret(f"command:{tmp_path}/bin/key")], root, {})


def test_a_secrets_file_in_the_workspace_does_not_lead_out_of_it(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "id_rsa").write_text("the user's\n")
    (root / ".env").write_text("the session's\n")
    approved.refuse_changed([secret(f"file:{root}/.env")], root, {})
    approved.refuse_changed([secret(f"file:{tmp_path}/id_rsa")], root, {})
    (root / ".env").unlink()
    (root / ".env").symlink_to(tmp_path / "id_rsa")
    with pytest.raises(ConfigError, match=r"leads to .*id_rsa, outside of the workspace"):
        approved.refuse_changed([secret(f"file:{root}/.env")], root, {})


def test_nor_does_one_below_a_directory_that_became_a_link(root: Path, tmp_path: Path) -> None:
    os.rmdir(root / "scripts")
    (root / "scripts").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="outside of the workspace"):
        approved.refuse_escape("host-paths", f"{root}/scripts", root)


def test_a_profile_in_the_workspace_is_the_approved_one(root: Path, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(PROFILE)
    assert approved.profile(f"{tmp_path}/own.json", root, {}) == PROFILE
    theirs = root / "theirs.json"
    theirs.write_text(PROFILE)
    seals = sealed(theirs)
    assert approved.profile(str(theirs), root, seals) == PROFILE
    theirs.write_text('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [1]}')
    for known in (seals, {}):
        with pytest.raises(ConfigError, match="is not what was approved"):
            approved.profile(str(theirs), root, known)
