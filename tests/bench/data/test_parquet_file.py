"""Parquet files against the CSV file of the same frame; what has no place in a table is refused by name."""

import numpy as np
import pandas as pd
import pytest

from bench.errors import DataError, UsageError
from bench.provenance.data_files import recorded
from bench.spec.registry import Registry

load = Registry.discover().load("dataset", "file")
pa = pytest.importorskip("pyarrow", reason="needs the extra: pip install -e '.[parquet]'")
from pyarrow import parquet  # noqa: E402

N = 60
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "mass": RNG.normal(size=N),
        "count": RNG.integers(0, 1000, N),
        "share": RNG.random(N).astype(np.float32),
        "kind": [("red", "green", "blue")[i % 3] for i in range(N)],
        "class": ["ab"[i % 2] for i in range(N)],
    }
)
NUMBERS = FRAME[["mass", "count", "share"]]


@pytest.fixture
def files(tmp_path):
    """The paths of a Parquet and a CSV file of a frame or an Arrow table."""

    def files(frame, **options):
        table = pa.Table.from_pandas(frame, preserve_index=False) if isinstance(frame, pd.DataFrame) else frame
        parquet.write_table(table, tmp_path / "t.parquet", **options)
        if isinstance(frame, pd.DataFrame):
            frame.to_csv(tmp_path / "t.csv", index=False)
        return str(tmp_path / "t.parquet"), str(tmp_path / "t.csv")

    return files


def same(one, other):
    for part in ("train", "validation", "test"):
        np.testing.assert_allclose(getattr(one, part), getattr(other, part), rtol=1e-5, atol=1e-6)
        # A CSV file has the digits of a float32, Parquet its value.
        left, right = getattr(one, f"{part}_labels"), getattr(other, f"{part}_labels")
        assert left is right is None or left.tolist() == right.tolist()
    assert one.label_names == other.label_names


@pytest.mark.parametrize("frame", [NUMBERS, FRAME], ids=["numbers", "mixed"])
@pytest.mark.parametrize("options", [{}, {"row_group_size": 7, "use_dictionary": False}], ids=["plain", "groups"])
def test_it_is_the_csv_file_of_the_same_frame(files, frame, options):
    one, two = files(frame, **options)
    same(load(one), load(two))
    if "class" in frame:
        same(load(one, "class", drop="kind"), load(two, "class", drop="kind"))
        same(load(one, "class", categories="kind"), load(two, "class", categories="kind"))


def test_missing_values_truth_values_and_dictionaries(files):
    frame = NUMBERS.assign(on=RNG.random(N) < 0.5, kind=pd.Categorical(FRAME["kind"]))
    frame.loc[[3, 5], "mass"] = None
    one, _ = files(frame)
    split = load(one)
    assert split.data_shape == (4 + 3,) and "2 missing values filled" in split.description
    whole = pa.table({"x": pa.array([None, *range(1, N)], pa.int64()), "y": RNG.normal(size=N)})
    assert "1 missing values filled with the training rows' median: 'x' (1)" in load(files(whole)[0]).description


def test_row_names_of_pandas_are_left_out_and_said(files):
    frame = NUMBERS.set_axis([f"row {i}" for i in range(N)])
    one, _ = files(pa.Table.from_pandas(frame))
    split = load(one)
    assert split.data_shape == (3,) and "row names left out" in split.description


def test_the_file_counts_as_read(files):
    one, _ = files(NUMBERS)
    with recorded() as seen:
        load(one)
    assert any("t.parquet" in entry.path for entry in seen.entries({"path": one}))


def test_given_parts_and_counts(files):
    part = np.array(["train", "test", "val"])[np.arange(N) % 3]
    one, two = files(NUMBERS.assign(part=part))
    same(load(one, split="part"), load(two, split="part"))
    one, two = files(NUMBERS[["count", "share"]])
    same(load(one, scale="log1p"), load(two, scale="log1p"))


def test_what_has_no_place_in_a_table_is_named(files, tmp_path):
    nested = pa.table({"x": RNG.normal(size=N), "list": [[1, 2]] * N})
    with pytest.raises(DataError, match=r"column 'list' holds list<.*leave it out with drop="):
        load(files(nested)[0])
    load(files(nested)[0], drop="list")
    twice = pa.table([RNG.normal(size=N)] * 2, names=["a", "a"])
    with pytest.raises(DataError, match="two columns of the name 'a'"):
        load(files(twice)[0])
    one, _ = files(FRAME)
    other = tmp_path / "o.parquet"
    other.write_bytes((tmp_path / "t.parquet").read_bytes())
    for options, words in (
        ({"label": "clas"}, "unknown column 'clas'"),
        ({"drop": "x"}, "unknown column 'x'"),
        ({"header": "yes"}, "header= is for CSV"),
        ({"memory_limit": 100}, "memory_limit"),
        ({"anomalies": str(other)}, "anomalies= is for CSV"),
    ):
        with pytest.raises(UsageError, match=words):
            load(one, **options)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but nothing else PAR1")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        load(str(tmp_path / "bad.parquet"))
    with pytest.raises(DataError, match="infinite"):
        load(files(NUMBERS.assign(mass=[np.inf, *NUMBERS["mass"][1:]]))[0])


def test_without_the_library_it_says_what_to_install(files, monkeypatch):
    one, _ = files(NUMBERS)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"Parquet files need pyarrow; pip install 'aebench\[parquet\]'"):
        load(one)
