"""Other rows become numbers as the training rows decided: against `prepare` itself, and by hand."""

import numpy as np
import pandas as pd
import pytest

from bench.data.csv_file import Wanted
from bench.data.csv_split import Choices, _values, recipe_of
from bench.data.csv_texts import read_texts
from bench.errors import DataError

N = 60
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "size": RNG.normal(size=N).round(6),
        "kind": [("red", "green", "blue")[i % 3] for i in range(N)],
        "name": [f"row {i}" for i in range(N)],
        "age": [None if i % 7 == 3 else float(i * i % 40) for i in range(N)],
        "grade": [None if i % 11 == 5 else "ab"[i % 2] for i in range(N)],
    }
)
SETTINGS = {"scale": "auto", "validation": 0.16, "test": 0.2, "split_seed": 0, "memory_limit": 10**9, "what": "t",
            "anomaly": None, "contamination": 0.0}  # fmt: skip


@pytest.fixture
def applied(tmp_path):
    def applied(old, new, **choices):
        old.to_csv(tmp_path / "old.csv", index=False)
        new.to_csv(tmp_path / "new.csv", index=False)
        recipe = recipe_of(tmp_path / "old.csv", None, Choices(**choices), SETTINGS)
        return recipe, recipe.apply(read_texts(tmp_path / "new.csv", Wanted()))

    return applied


@pytest.mark.parametrize("missing", ["median", "mean", "indicator", "drop"])
def test_the_training_files_own_rows_become_what_they_were(applied, tmp_path, missing):
    recipe, again = applied(FRAME, FRAME, missing=missing)
    found = _values(tmp_path / "old.csv", None, Choices(missing=missing), SETTINGS, None)
    columns = found.columns
    np.testing.assert_array_equal(again.values, found.values)
    assert list(recipe.columns) == columns and again.rows.tolist() == found.rows.tolist()
    assert again.filled == ({} if missing == "drop" else {"age": int(FRAME["age"].isna().sum())})
    assert again.unknown == {} and recipe.order == ("size", "kind", "age", "grade")
    assert {name: [columns[place] for place in places] for name, places in recipe.groups.items()} == {
        "kind": ["kind=blue", "kind=green", "kind=red"],
        "grade": [name for name in columns if name.startswith("grade=")],
    }


def test_a_few_rows_are_filled_and_counted_by_the_training_rows_alone(applied):
    new = pd.DataFrame({"size": [9.0, None], "kind": ["violet", "red"], "age": [None, 3.0], "grade": ["b", "b"]})
    recipe, found = applied(FRAME, new)
    one = dict(zip(recipe.columns, found.values.T.tolist(), strict=True))
    order = np.random.default_rng(0).permutation(N)[22:]  # 64 % train
    assert one["age"] == [FRAME["age"][order].median(), 3.0] and one["size"] == [9.0, FRAME["size"][order].median()]
    assert one["kind=red"] == [0.0, 1.0] and one["kind=blue"] == one["kind=green"] == [0.0, 0.0]
    assert found.unknown == {"kind": {"violet": 1}} and found.filled == {"size": 1, "age": 1}


def test_a_table_of_numbers_alone_has_a_recipe_too(applied):
    old = FRAME[["size"]].assign(other=np.arange(N) ** 2 % 47 * 1.5)
    new = pd.DataFrame({"extra": ["x", "y"], "size": [1.0, 2.0], "other": [None, 7.0]})
    recipe, found = applied(old, new)
    train = np.random.default_rng(0).permutation(N)[22:]
    assert recipe.columns == ("size", "other") and found.values[1].tolist() == [2.0, 7.0]
    assert found.values[0].tolist() == [1.0, old["other"][train].median()]
    assert found.filled == {"other": 1} and np.isfinite(found.values).all()
    with pytest.raises(
        DataError, match=r"line 2, column 'other' is missing; the model was trained with missing=refuse"
    ):
        applied(old, new, strict=True)


def test_missing_and_reordered_columns_are_refused_by_name(applied):
    with pytest.raises(DataError, match=r"'new.csv' lacks the columns 'kind', 'age' that the model was trained on"):
        applied(FRAME, FRAME[["size", "grade"]])
    with pytest.raises(DataError, match="another order than in training: 'age' stands where 'kind' is expected"):
        applied(FRAME, FRAME[["size", "age", "kind", "grade"]])
    applied(FRAME, FRAME.drop(columns="name").assign(more=1.0))  # neither was looked at


def test_text_among_numbers_and_no_row_left_are_refused(applied):
    with pytest.raises(DataError, match=r"'much' at line 4, column 'size' is no finite number"):
        applied(FRAME, FRAME.astype({"size": object}).assign(size=["1", "2", "much", *["3"] * (N - 3)]))
    with pytest.raises(DataError, match=r"'inf' at line 2, column 'age' is no finite number"):
        applied(FRAME, FRAME.assign(age=["inf", *["3"] * (N - 1)]))
    with pytest.raises(DataError, match="no row is left, as each lacks a value"):
        applied(FRAME, FRAME.assign(age=None), missing="drop")
