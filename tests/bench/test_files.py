"""Writing files: what can be known before the work is done."""

import os
import re

import pytest

from bench.errors import UsageError
from bench.files import refuse_unwritable


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
