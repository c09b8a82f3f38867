"""Parts that a column names, groups that stay whole: by hand, and refused where they leak or say something else."""

import numpy as np
import pandas as pd
import pytest

from bench.errors import DataError, TooFewRows, UsageError
from bench.spec.registry import Registry

load = Registry.discover().load("dataset", "file")
N = 60
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"x": RNG.normal(size=N), "y": RNG.normal(size=N) * 3 + 7})
PART = np.array(["train", "Val", "TEST"])[np.arange(N) % 3]
GROUP = np.array([f"g{i % 12}" for i in range(N)])  # of five rows each, each in one part, as 3 divides 12


@pytest.fixture
def table(tmp_path):
    def table(frame):
        frame.to_csv(tmp_path / "t.csv", index=False)
        return str(tmp_path / "t.csv")

    return table


def raw(part, split):
    return np.sort(np.asarray(part) * split.scale + split.shift, axis=0)


def test_each_row_is_in_the_part_that_its_column_names(table):
    split = load(table(FRAME.assign(part=PART)), split="part")
    for code, part in enumerate((split.train, split.validation, split.test)):
        np.testing.assert_allclose(raw(part, split), np.sort(FRAME.to_numpy()[code::3], axis=0), rtol=1e-5)
    assert split.data_shape == (2,) and "divided by the column 'part'" in split.description
    np.testing.assert_allclose(split.shift, FRAME[::3].mean())  # by the training rows
    same = load(table(FRAME.assign(part=PART, other="a")), split="part", columns="x,y")
    np.testing.assert_array_equal(same.train, split.train)


def test_parts_decide_what_fills_and_which_kinds_there_are(table):
    frame = FRAME.assign(part=PART, kind=np.array(["red", "green"])[np.arange(N) % 2])
    frame.loc[frame["part"] == "TEST", "kind"] = "violet"
    frame.loc[1, "y"] = None  # a validation row
    split = load(table(frame), split="part")
    assert split.data_shape == (4,)  # no column of violet
    assert (split.test[:, 2:] == 0).all()
    assert np.isclose(raw(split.validation, split)[:, 1], FRAME["y"][::3].median()).any()
    rows = load(table(frame), split="part", missing="drop")
    assert (len(rows.train), len(rows.validation), len(rows.test)) == (20, 19, 20)


def test_labels_go_with_their_rows(table):
    split = load(
        table(FRAME.assign(part=PART, big=(FRAME["y"] > 7).map({True: "yes", False: "no"}))), "big", split="part"
    )
    for part, labels in ((split.train, split.train_labels), (split.test, split.test_labels)):
        values = (np.asarray(part) * split.scale + split.shift)[:, 1]
        assert [split.label_names[label] for label in labels] == ["yes" if value > 7 else "no" for value in values]


def test_groups_stay_whole_and_their_number_is_what_is_divided(table):
    path = table(FRAME.assign(site=GROUP, id=np.arange(N) * 1.0))
    seen = set()
    for seed in range(3):
        split = load(path, group="site", columns="id", scale="none", split_seed=seed)
        parts = [np.asarray(part)[:, 0].astype(int) for part in (split.train, split.validation, split.test)]
        assert sorted(np.concatenate(parts)) == list(range(N))
        sites = [set(GROUP[rows]) for rows in parts]
        assert not (sites[0] & sites[1] or sites[0] & sites[2] or sites[1] & sites[2])
        assert [len(one) for one in sites] == [7, 2, 3]  # 16 % and 20 % of 12, rounded up
        seen.add(frozenset(sites[2]))
    assert len(seen) > 1 and "divided by 12 whole groups of 'site'" in split.description


def test_a_group_in_several_parts_is_a_leak_and_named(table):
    load(table(FRAME.assign(part=PART, site=GROUP)), split="part", group="site")
    nameless = np.where(np.arange(N) == 3, "NA", GROUP)
    with pytest.raises(DataError, match="line 5 has no group in column 'site'"):
        load(table(FRAME.assign(site=nameless)), group="site")
    torn = GROUP.copy()
    torn[0] = torn[1]
    with pytest.raises(DataError, match=r"groups of 'site' have rows in several parts: 'g1' \(train, validation\)"):
        load(table(FRAME.assign(part=PART, site=torn)), split="part", group="site")


def test_other_words_and_empty_parts_are_refused(table):
    for word in ("holdout", "", "NA"):
        other = PART.astype(object)
        other[4] = word
        with pytest.raises(DataError, match=r"at line 6, column 'part' names no part; expected train"):
            load(table(FRAME.assign(part=other)), split="part")
    with pytest.raises(TooFewRows, match="leaves 60 rows for training and 0 for testing"):
        load(table(FRAME.assign(part="train")), split="part")
    with pytest.raises(UsageError, match="unknown column 'prt'; did you mean part"):
        load(table(FRAME.assign(part=PART)), split="prt")


def test_sizes_and_seeds_have_nothing_to_say_beside_given_parts(table):
    path = table(FRAME.assign(part=PART))
    for sizes in ({"test": 0.3}, {"validation": 0}, {"split_seed": 1}):
        with pytest.raises(UsageError, match="split=part names the part of every row"):
            load(path, split="part", **sizes)
    with pytest.raises(UsageError, match="does not go with anomalies"):
        load(path, split="part", anomaly="y:7")
    np.save(path.replace("t.csv", "t.npy"), FRAME)
    with pytest.raises(UsageError, match=r"split=part names a column, and 't\.npy' has none"):
        load(path.replace("t.csv", "t.npy"), split="part")
