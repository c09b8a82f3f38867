"""Tables of numbers and text against what pandas makes of them; held-out rows decide nothing; mistakes are named."""

import csv

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer

from bench.data.csv_file import Wanted
from bench.data.csv_texts import read_texts
from bench.data.mixed_table import prepare
from bench.errors import DataError, UsageError

N = 60
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "size": RNG.normal(size=N).round(6),
        "kind": [("red", "green", "blue")[i % 3] for i in range(N)],
        "age": [None if i % 7 == 3 else float(i * i % 40) for i in range(N)],
        "grade": [None if i % 11 == 5 else "ab"[i % 2] for i in range(N)],
    }
)


@pytest.fixture
def made(tmp_path):
    def made(table, train=slice(0, 40), limit=10**9, wanted=None, **choices):
        text = table if isinstance(table, str) else table.to_csv(index=False)
        (tmp_path / "t.csv").write_text(text)
        read = read_texts(tmp_path / "t.csv", wanted or Wanted())
        return prepare(read, lambda rows: np.arange(len(rows))[train], limit, **choices)

    return made


def expected(frame, train, strategy="median"):
    """Numbers filled by the training rows, then the kinds of the training rows, sorted, missing last."""
    numbers = frame.select_dtypes("number")
    filled = numbers.fillna(getattr(numbers[train], strategy)())
    kinds = frame[["kind", "grade"]].fillna("missing")
    shown = [
        (kinds[name] == kind).rename(f"{name}={kind}") for name in kinds for kind in sorted(set(kinds[name][train]))
    ]
    return pd.concat([filled, *shown], axis=1).astype(float)


@pytest.mark.parametrize("strategy", ["median", "mean"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_table_is_what_pandas_makes_of_it(made, strategy, quoting):
    wanted = expected(FRAME, slice(0, 40), strategy)
    ready = made(FRAME.to_csv(index=False, quoting=quoting), missing=strategy)
    assert ready.columns == list(wanted.columns) and ready.flags == list(range(2, len(ready.columns)))
    np.testing.assert_allclose(ready.values, wanted.to_numpy(), atol=1e-12)
    absent = int(FRAME["age"].isna().sum())
    assert f"{absent} missing values filled with the training rows' {strategy}: 'age' ({absent})" in ready.notes
    assert any("'kind' (3 kinds: blue, green, red), 'grade' (3 kinds: a, b, missing)" in note for note in ready.notes)


def test_held_out_rows_decide_nothing(made):
    """Whatever stands in held-out rows, the training rows and the columns are the same."""
    other = FRAME.copy()
    other.loc[40:, "age"], other.loc[40:, "size"], other.loc[40:, "kind"] = 1e6, -1e6, "violet"
    one, two = made(FRAME), made(other)
    assert one.columns == two.columns
    np.testing.assert_array_equal(one.values[:40], two.values[:40])
    assert not two.values[40:, [one.columns.index(f"kind={kind}") for kind in ("red", "green", "blue")]].any()
    assert "WARNING: kinds that no training row has are 0 in each column: 'kind' (20 rows)" in two.notes


def test_missing_values_can_be_marked(made):
    ready = made(FRAME, missing="indicator")
    wanted = SimpleImputer(strategy="median", add_indicator=True).fit(FRAME[["size", "age"]][:40])
    np.testing.assert_allclose(ready.values[:, :3], wanted.transform(FRAME[["size", "age"]]))
    assert ready.columns[2] == "age missing" and 2 in ready.flags


def test_rows_with_missing_values_can_be_left_out_or_refused(made):
    whole = FRAME.dropna()
    ready = made(FRAME, missing="drop")
    assert ready.rows.tolist() == whole.index.tolist()
    np.testing.assert_array_equal(ready.values[:, 0], whole["size"])
    assert f"{N - len(whole)} rows with missing values left out: 'age' (9), 'grade' (5)" in ready.notes
    with pytest.raises(DataError, match=r"line 5, column 'age' is missing \(14 in all: 'age' \(9\), 'grade' \(5\)\)"):
        made(FRAME, missing="refuse")


@pytest.mark.parametrize("word", ["", "NA", "n/a", "NaN", "NULL", "?", ".", "-", "#N/A"])
def test_every_word_for_a_missing_number_is_known(made, word):
    content = "a,b\n" + "".join(f"{i},{word if i == 50 else i % 5}\n" for i in range(N))
    assert made(content).values[50, 1] == 2
    assert made(content, missing="drop").rows.tolist() == [i for i in range(N) if i != 50]


def column(values, name="b"):
    return f"a,{name}\n" + "".join(f"{i * i % 17},{value}\n" for i, value in enumerate(values))


@pytest.mark.parametrize(
    "values, words",
    [
        ([f"person {i}" for i in range(N)], "text of its own in (nearly) every row, left out as identifiers: 'b'"),
        ([f"person {i // 2 if i < 8 else i}" for i in range(N)], "left out as identifiers: 'b'"),
        (["same"] * N, "the same text in every row, left out: 'b'"),
        (["NA"] * N, "without any value, left out: 'b'"),
        (["NA"] * 40 + ["1"] * 20, "without any value in the training rows, left out: 'b'"),
    ],
)
def test_columns_that_say_nothing_are_left_out_and_named(made, values, words):
    ready = made(column(values))
    assert ready.columns == ["a"] and any(words in note for note in ready.notes)


@pytest.mark.parametrize(
    "values, words",
    [
        ([f"town {i % 45}" for i in range(N)], None),
        ([f"town {i % 120}" for i in range(240)], "'b' holds text of 120 kinds in 240 rows.*drop=b .*categories=b"),
        (["$1.50", "$2.25"] * 30, r"line 2, column 2 \('b'\): '\$1.50' has a sign of currency or percent.*drop=b"),
        (["7%", "12.5%", "8%"] * 20, "'7%' has a sign of currency or percent"),
        (['"1,200"', "900"] * 30, "'1,200' has commas between thousands; write 1200; or drop=b"),
        (['"1,5"', '"2,5"'] * 30, "'1,5' has a decimal comma"),
        ([str(i) for i in range(N - 1)] + ["seven"], r"line 61, column 2 \('b'\): 'seven' is not a number.*drop=b"),
        (["0", "1"] * 29 + ["0", "O"], "line 61, .*'O' is not a number"),
        (["0", "1", "2", "3+"] * 15, None),
        ([f"2020-01-{i % 28 + 1:02}" for i in range(N)], None),
    ],
)
def test_text_is_kinds_or_named_with_the_option_that_leaves_it_out(made, values, words):
    if words is None:
        ready = made(column(values), train=slice(0, N))
        assert ready.columns[1:] == [f"b={kind}" for kind in sorted(set(values))] or len(ready.columns) == 46
        assert (ready.values[:, 1:].sum(1) == 1).all()
        return
    with pytest.raises(DataError, match=words):
        made(column(values))
    assert made(column(values), wanted=Wanted(drop=("b",))).columns == ["a"]
    assert all(name.startswith("b=") for name in made(column(values), categories=("b",)).columns[1:])


def test_a_line_of_words_among_numbers_is_named_as_that(made):
    with pytest.raises(DataError, match="line 2: 'cm, kg' where a row of numbers is expected; remove the line"):
        made("a,b,kind\ncm,kg,name\n" + "".join(f"{i},{i * 2},{'xy'[i % 2]}\n" for i in range(N)))


def test_numbers_can_be_kinds(made):
    ready = made(column([i % 3 for i in range(N)]), categories=("b",))
    assert ready.columns == ["a", "b=0", "b=1", "b=2"]
    with pytest.raises(UsageError, match="unknown column 'c'"):
        made(column([1] * N), categories=("c",))


def test_infinite_values_are_placed_and_not_filled(made):
    with pytest.raises(DataError, match="line 9, column 'b' is infinite"):
        made(column(["x"] * 0 + ["1"] * 7 + ["inf"] + ["NA"] * 52))


def test_nothing_left_and_memory_are_said(made):
    with pytest.raises(DataError, match=r"no column is left to learn from \(text of its own.*'b'"):
        made("b\n" + "".join(f"p{i}\n" for i in range(N)))
    with pytest.raises(DataError, match="51 columns, most of them one-hot, take more than memory_limit=20000 bytes"):
        made(column([f"t{i % 50}" for i in range(N)]), train=slice(0, N), limit=20_000)
    with pytest.raises(DataError, match="values take more than memory_limit=3000 bytes"):
        made(column([f"t{i}" for i in range(N)]), wanted=Wanted(limit=3000))
