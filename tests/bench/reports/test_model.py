"""What a report says of its data before any number."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from bench import split_arrays
from bench.reports.model import data_hints


def hints(*cells):
    frame = pd.DataFrame([(label, json.dumps(facts)) for label, facts in cells], columns=["dataset_label", "split"])
    return data_hints(SimpleNamespace(cells=frame))


def test_warnings_of_a_reader_stand_where_they_are_seen_once_per_data_set():
    rows = [[float(n), n % 7 + 0.5, 3.0] for n in range(100)]
    with_note = split_arrays(rows, columns=["Id", "b", "c"], notes=("a note",)).description
    plain = split_arrays([row[1:2] for row in rows]).description
    assert "a note" in with_note and "WARNING" in with_note and "WARNING" not in plain
    found = hints(("one", {}), ("two", {"description": plain}), *[("one", {"description": with_note})] * 3)
    assert len(found) == with_note.count("WARNING: ") and "a note" not in "".join(found)
    assert any(hint.startswith("one: ") and "column 'Id'" in hint and "counts the rows" in hint for hint in found)


@pytest.mark.parametrize(("largest", "n"), [(1e7, 1), (3.0, 0), (None, 0), ("1e9", 0)])
def test_values_that_train_badly_are_named(largest, n):
    assert len(hints(("raw", {"largest": largest}))) == n
