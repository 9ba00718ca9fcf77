from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from outrig.cli.result import Result
from outrig.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_an_earlier_result_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text("from last time")
    Result(file).hand_out({"a": 1})
    assert json.loads(file.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["r.json"]


def test_nowhere_is_fine() -> None:
    Result(None).hand_out({"a": 1})


def test_a_link_of_the_user_s_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("r.json")
    Result(tmp_path / "link").hand_out({"a": 1})
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "r.json").read_text()) == {"a": 1}


def test_links_that_came_while_it_ran_lead_nowhere(tmp_path: Path) -> None:
    out, secret = tmp_path / "out", tmp_path / "secret"
    out.mkdir()
    secret.mkdir()
    (secret / "r.json").write_text("precious")
    result = Result(out / "r.json")
    out.rename(tmp_path / "moved")
    out.symlink_to(secret)
    (tmp_path / "moved/r.json").symlink_to(secret / "r.json")
    result.hand_out({"a": 1})
    assert (secret / "r.json").read_text() == "precious"
    assert json.loads((tmp_path / "moved/r.json").read_text()) == {"a": 1}


def test_a_device_or_pipe_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    (tmp_path / "stdout").symlink_to(f"/proc/self/fd/{writer}")
    Result(tmp_path / "stdout").hand_out({"a": 1})
    assert json.loads(os.read(reader, 100)) == {"a": 1}
    assert (tmp_path / "stdout").is_symlink()
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("place", ["", "gone/r.json", "file/r.json"])
def test_what_could_not_be_written_is_refused_before_anything_runs(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--result"):
        Result(tmp_path / place)


def test_a_failure_is_said_and_names_the_record(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = Result(tmp_path / "r.json")
    (tmp_path / "r.json").mkdir()
    result.hand_out({"a": 1}, kept="20260501T134412-3f2a")
    said = capfd.readouterr().err
    assert "cannot write --result" in said
    assert "outrig show 20260501T134412-3f2a" in said
