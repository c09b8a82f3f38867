"""Files are replaced whole, with the rights that the process gives, whatever its other threads do."""

import os
import stat

import pytest

from bench.files import write_text


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
