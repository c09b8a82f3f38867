"""Writing files: what can be known before the work is done; files replaced whole, with the process's rights."""

import os
import re
import stat

import pytest

from bench.errors import UsageError
from bench.files import refuse_unwritable, write_text


def test_what_can_be_written_passes_and_nothing_is_made(tmp_path):
    refuse_unwritable(tmp_path)
    refuse_unwritable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("place", "why"), [("file", "File exists"), ("file/a/b", "Not a directory")])
def test_a_file_in_the_way_is_named(tmp_path, place, why):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"cannot create {re.escape(str(tmp_path / place))}: {why}; .*--output"):
        refuse_unwritable(tmp_path / place)


def test_a_folder_that_is_read_only_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK))
    with pytest.raises(UsageError, match="Permission denied; give a directory you may write to"):
        refuse_unwritable(tmp_path / "new")


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_written_file_has_the_rights_of_the_umask_which_is_not_touched(tmp_path, monkeypatch, mask):
    before = os.umask(mask)
    try:
        # it is the whole process's: while it is set to read it, other threads' files are open to everybody
        monkeypatch.setattr(os, "umask", None)
        write_text(tmp_path / "a.txt", "one")
        write_text(tmp_path / "a.txt", "two")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert (tmp_path / "a.txt").read_text() == "two" and os.listdir(tmp_path) == ["a.txt"]
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask
