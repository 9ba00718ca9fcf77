from __future__ import annotations

import contextlib
import os

import pytest

from outrig.errors import StoreError
from outrig.store.export import written


def write(path, text="text", *, force=False):
    with written(path, force=force) as file:
        file.write(text)


def test_a_new_file_as_any_other(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "x", "\u00e4\n")
    finally:
        os.umask(before)
    assert (tmp_path / "x").read_bytes() == b"\xc3\xa4\n"
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["x"]


def test_nothing_is_overwritten_unless_asked(tmp_path):
    (tmp_path / "x").write_text("mine")
    with pytest.raises(StoreError, match="exists already") as caught:
        write(tmp_path / "x")
    assert "--force" in str(caught.value.hint)
    assert (tmp_path / "x").read_text() == "mine"
    write(tmp_path / "x", force=True)
    assert (tmp_path / "x").read_text() == "text"


def test_a_name_that_is_taken_meanwhile(tmp_path):
    with contextlib.ExitStack() as writing:
        file = writing.enter_context(written(tmp_path / "x", force=False))
        file.write("text")
        (tmp_path / "x").write_text("mine")
        with pytest.raises(StoreError, match="exists already"):
            writing.close()
    assert (tmp_path / "x").read_text() == "mine"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("force", [True, False])
def test_a_file_system_without_links(tmp_path, monkeypatch, force):
    def refuse(*_args, **_how):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write(tmp_path / "x", force=force)
    assert (tmp_path / "x").read_text() == "text"
    assert os.listdir(tmp_path) == ["x"]


def test_a_link_is_replaced_and_never_followed(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "x").symlink_to(tmp_path / "precious")
    (tmp_path / "y").symlink_to(tmp_path / "absent")
    for name in "xy":
        with pytest.raises(StoreError, match="exists already"):
            write(tmp_path / name)
        write(tmp_path / name, force=True)
        assert (tmp_path / name).read_text() == "text"
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "absent").exists()


def test_what_fails_leaves_nothing(tmp_path):
    (tmp_path / "x").write_text("mine")
    with contextlib.suppress(RuntimeError), written(tmp_path / "x", force=True) as file:
        file.write("half")
        raise RuntimeError("halfway")
    assert os.listdir(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "mine"


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(StoreError, match=r"cannot write .*/absent/x: No such file"):
        write(tmp_path / "absent/x")


def test_a_directory_in_its_place(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(StoreError, match="Is a directory"):
        write(tmp_path / "x", force=True)
    assert os.listdir(tmp_path) == ["x"]
