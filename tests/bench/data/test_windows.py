"""Windows of a series: no raw row in two parts, gaps kept, scaled by training rows alone, and refusals in one line."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts.dataset import PARTS
from bench.data.array_like import Names
from bench.data.check_split import check_split
from bench.data.windows import Windows, window_split
from bench.errors import DataError, TooFewRows, UsageError
from bench.spec.call import parse_call
from bench.spec.registry import Registry
from bench.spec.splits import splits_of

REGISTRY = Registry.discover()
load = REGISTRY.load("dataset", "file")
SIZES = {"n": st.integers(20, 120), "window": st.integers(1, 9), "stride": st.integers(1, 12), "gap": st.integers(0, 9),
         "validation": st.sampled_from([0, 0.16, 0.3]), "seed": st.integers(0, 99)}  # fmt: skip


def rows_of(split):
    """The raw rows of each part, told from values that are their numbers."""
    return {part: set(np.rint(getattr(split, part)).astype(int).ravel().tolist()) for part in PARTS}


def cut(series, how, groups=None, scale="none", labels=None):
    return window_split(series, how, scale, Names(), groups, labels=labels)


@given(**SIZES)
def test_by_time_no_row_is_in_two_parts_and_the_gap_is_kept(n, window, stride, gap, validation, seed):
    try:
        split = cut(np.arange(n)[:, None], Windows(window, stride, "time", gap, validation))
    except TooFewRows:
        return
    found = [part for part in rows_of(split).values() if part]
    for before, after in itertools.pairwise(found):
        assert min(after) - max(before) > gap
    assert found[-1] <= set(range(n - int(np.ceil(0.2 * n)), n))
    steps = np.diff(split.train[:, 0], axis=1)
    assert split.train.shape[1:] == (1, window) and (steps == 1).all()
    assert (np.diff(np.sort(split.train[:, 0, 0])) == stride).all()


@given(**SIZES)
def test_by_group_every_group_is_whole_and_no_window_crosses_two(n, window, stride, gap, validation, seed):
    groups = np.random.default_rng(seed).integers(0, 6, n)  # rows of a group are apart in the file
    try:
        how = Windows(window, stride, "group", 0, validation, split_seed=seed)
        split = cut(np.arange(n)[:, None], how, groups)
    except TooFewRows:
        return
    seen = [{groups[row] for row in rows} for rows in rows_of(split).values()]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    for part in PARTS:
        for example in np.rint(getattr(split, part)[:, 0]).astype(int):
            members = np.flatnonzero(groups == groups[example[0]])
            at = int(np.searchsorted(members, example[0]))
            assert example.tolist() == members[at : at + window].tolist()


@given(n=st.integers(20, 120), window=st.integers(1, 9), more=st.integers(0, 4), seed=st.integers(0, 99))
def test_at_random_windows_share_no_rows(n, window, more, seed):
    try:
        split = cut(np.arange(n)[:, None], Windows(window, window + more, "random", split_seed=seed))
    except TooFewRows:
        return
    rows = [row for part in PARTS for row in np.rint(getattr(split, part)).ravel()]
    assert len(rows) == len(set(rows))


@given(**SIZES)
def test_a_window_has_the_label_of_its_rows_or_of_most(n, window, stride, gap, validation, seed):
    rng = np.random.default_rng(seed)
    groups, labels = (np.repeat(rng.integers(0, 5, n), rng.integers(1, 9, n))[:n] for _ in range(2))
    how = Windows(window, stride, "group", 0, validation, label="majority")
    try:
        split = cut(np.arange(n)[:, None], how, groups, labels=labels)
    except (TooFewRows, DataError):
        return
    mixed = False
    for part in PARTS:
        found = getattr(split, f"{part}_labels")
        for example, code in zip(np.rint(getattr(split, part)[:, 0]).astype(int), found, strict=True):
            values, counts = np.unique(labels[example], return_counts=True)
            assert split.label_names[code] == str(values[counts.argmax()])
            mixed |= len(values) > 1
    whole = Windows(window, stride, "group", 0, validation)
    if mixed:
        with pytest.raises(DataError, match="rows of several labels"):
            cut(np.arange(n)[:, None], whole, groups, labels=labels)
    else:
        same = cut(np.arange(n)[:, None], whole, groups, labels=labels)
        assert (same.train_labels == split.train_labels).all()


def test_labels_may_differ_where_no_window_lies():
    labels = ["a", "a", "a", "b"] * 20  # windows of 3 rows, 4 apart: no b is in one
    split = cut(np.arange(80)[:, None], Windows(3, 4, "random"), labels=labels)
    assert split.label_names == ("a", "b") and not split.train_labels.any()


def test_every_series_is_scaled_by_the_rows_that_train():
    series = np.random.default_rng(0).normal(size=(200, 3)) * [1, 10, 100] + [0, 5, 7]
    series[160:] += 1000  # the test part lies elsewhere
    split = check_split(cut(series, Windows(8, 4), scale="standard"), "series")
    train = series[:128]
    np.testing.assert_allclose(split.shift[:, 0], train.mean(0), rtol=1e-12)
    np.testing.assert_allclose(split.scale[:, 0], train.std(0), rtol=1e-12)
    first = (series[160:168] - train.mean(0)) / train.std(0)
    assert any(np.allclose(example, first.T, atol=1e-5) for example in split.test)
    assert split.data_shape == (3, 8) and split.likelihoods == ("squared", "gaussian")
    assert "windows of 8 rows, 4 apart, from 200 rows of 3 values" in split.description


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"window": 8, "stride": 2, "split": "random"}, "overlapping windows: .* give split=time, or stride=8"),
        ({"window": 8, "split": "group"}, "needs group=COLUMN"),
        ({"window": 8, "split": "time", "group": "who"}, "needs group=COLUMN"),
        ({"window": 8, "gap": 3, "split": "group", "group": "who"}, "goes with split=time"),
        ({"window": 8, "split_seed": 1}, "time has one order"),
        ({"window": 500}, "a window of 500 rows does not fit 60"),
        ({"window": 30}, "the train part has 1 windows of 30 rows where 2 are needed"),
        ({"window": 8, "split": "tmie"}, "did you mean time"),
        ({"window": 0}, "window=0"),
        (
            {"window": 7, "label": "who"},
            r"5 of 7 windows have rows of several labels, first that of line 9 to line 15 "
            r"\(a, b\); give window_label=majority",
        ),
        ({"window": 8, "label": "who", "window_label": "most"}, "did you mean majority"),
        ({"window_label": "majority"}, "give window="),
        ({"window": 8, "key": "x"}, "key='x' is for .npz files"),
        ({"window": 8, "label": "nobody"}, "nobody"),
        ({"window": 8, "missing": "mean"}, "missing='mean' does not go with window="),
        ({"gap": 3}, "give window="),
        ({"window": 8, "test": 0}, "test=0"),
    ],
)
def test_what_cannot_be_cut_is_told(tmp_path, params, words):
    path = tmp_path / "x.csv"
    lines = [f"{(row * 37) % 11 / 7},{row**0.5},{'abcdef'[row // 10]}" for row in range(60)]
    path.write_text("\n".join(["left,right,who", *lines]) + "\n")
    with pytest.raises((UsageError, DataError, TooFewRows), match=words):
        load(str(path), **{"drop": None if "group" in params or "label" in params else "who", **params})


def test_files_of_rows_become_windows(tmp_path):
    series = np.random.default_rng(1).normal(size=(90, 2))
    np.save(tmp_path / "x.npy", series)
    (tmp_path / "x.csv").write_text("a,b,who\n" + "".join(f"{a},{b},g{i // 15}\n" for i, (a, b) in enumerate(series)))
    split = load(str(tmp_path / "x.npy"), window=6, stride=3, gap=2)
    assert split.train.shape[1:] == (2, 6)
    grouped = load(str(tmp_path / "x.csv"), window=6, stride=3, group="who")
    assert [len(getattr(grouped, part)) for part in PARTS] == [12, 4, 8]  # 3, 1 and 2 of 6 groups
    parts = (PARTS[0], split, grouped)
    assert all(np.isfinite(part.train).all() for part in parts[1:])


def test_files_of_rows_with_classes_become_windows_with_classes(tmp_path):
    series, kinds = np.random.default_rng(1).normal(size=(90, 2)), np.repeat(["calm", "storm", "calm"], 30)
    np.save(tmp_path / "x.npy", series)
    np.save(tmp_path / "y.npy", kinds)
    np.savez(tmp_path / "x.npz", values=series, kind=kinds)
    rows = [(a, b, kind, f"g{i // 15}") for i, ((a, b), kind) in enumerate(zip(series, kinds, strict=True))]
    for name, columns in (("x.csv", (0, 1, 2)), ("grouped.csv", (0, 1, 2, 3))):
        lines = [("a", "b", "kind", "who"), *rows]
        (tmp_path / name).write_text("".join(",".join(str(line[c]) for c in columns) + "\n" for line in lines))
    npy, npz, csv, by_group = (
        load(str(tmp_path / name), window=3, label=label, **more)
        for name, label, more in (("x.npy", str(tmp_path / "y.npy"), {}), ("x.npz", "kind", {}), ("x.csv", "kind", {}),
                                  ("grouped.csv", "kind", {"group": "who"}))
    )  # fmt: skip
    assert npy.label_names == npz.label_names == csv.label_names == ("calm", "storm") == by_group.label_names
    for split in (npz, csv):
        for part in PARTS:
            np.testing.assert_allclose(getattr(split, part), getattr(npy, part), rtol=1e-6)
            assert (getattr(split, f"{part}_labels") == getattr(npy, f"{part}_labels")).all()
    assert npy.test_labels.tolist() == [0] * 6 and set(npy.train_labels) == {0, 1}
    assert sum(label.sum() for label in (by_group.train_labels, by_group.validation_labels, by_group.test_labels)) == 10
    who = load(str(tmp_path / "grouped.csv"), window=3, label="who", group="who", drop="kind")
    assert len(who.label_names) == 6 and set(who.train_labels).isdisjoint(who.test_labels)


def test_a_series_divided_by_time_has_one_split(tmp_path):
    by_time, by_group = (
        REGISTRY.resolve("dataset", parse_call(f"file[path=x.csv,window=8{more}]"))
        for more in ("", ",split=group,group=who")
    )
    with pytest.raises(UsageError, match="divided by time"):
        splits_of(by_time, 2)
    assert len(splits_of(by_group, 2)) == 2
