"""Messages on paths: as typed, with a hint where quotes made a line break of them."""

import pytest

from bench.contracts.checks import existing_file, existing_path
from bench.errors import UsageError


def test_a_path_is_shown_as_it_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        existing_path("path", r"C:\data\new.csv")
    assert str(caught.value).startswith(r"path='C:\data\new.csv' does not exist (looked in ")
    assert "quotes" not in str(caught.value)
    with pytest.raises(UsageError, match=r"path='.' is a folder; give a file"):
        existing_file("path", ".")


def test_escapes_in_a_path_are_explained_on_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="write it without quotes or in '…'") as caught:
        existing_path("path", "C:\\data\new.csv")
    assert "\n" not in str(caught.value)
