"""When hypotheses were declared: the first time counts, and a damaged file is read as far as it goes."""

import json

import pytest

from bench.errors import UsageError
from bench.store.hypotheses import FILE, declare, declared


def test_the_first_declaration_stands(tmp_path):
    declare(tmp_path, ["a > b on c"], 0)
    first = declared(tmp_path)
    declare(tmp_path, ["a > b on c", "a > b on d"], 7)
    found = declared(tmp_path)
    assert found["a > b on c"] == first["a > b on c"] and first["a > b on c"]["results"] == 0
    assert found["a > b on d"]["results"] == 7


def test_nothing_declared_writes_nothing(tmp_path):
    declare(tmp_path, [], 3)
    assert declared(tmp_path) == {} and not (tmp_path / FILE).exists()


@pytest.mark.parametrize("content", [{}, {"declared": []}, {"declared": {"a": 1, "b": {"at": 3, "results": True}}}])
def test_entries_of_other_types_are_left_out(tmp_path, content):
    (tmp_path / FILE).write_text(json.dumps(content))
    assert declared(tmp_path) == {}


def test_what_is_no_json_is_one_line(tmp_path):
    (tmp_path / FILE).write_text("{")
    with pytest.raises(UsageError):
        declared(tmp_path)
