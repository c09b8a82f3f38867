"""One's own arrays to a `Split`: scaling, labels, messages, and the same data in memory and on disk."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bench.contracts.dataset import PARTS
from bench.contracts.rows import LazyRows, rescale
from bench.data.check_split import check_split
from bench.data.split_arrays import split_arrays
from bench.data.splitting import partition
from bench.errors import DataError, UsageError

RNG = np.random.default_rng(0)
TABLE = RNG.normal(5.0, 3.0, (100, 4))


def test_raw_rows_can_be_given_to_a_trained_model():
    split = split_arrays(TABLE, scale="standard")
    raw = {row.tobytes() for row in rescale(TABLE, split.shift, split.scale)}
    for part in PARTS:
        assert {row.tobytes() for row in getattr(split, part)} <= raw


def test_labels_stay_with_their_rows():
    labels = np.where(TABLE[:, 0] > 5, "high", "low")
    split = check_split(split_arrays(TABLE, labels, scale="none"), "arrays")
    for part in PARTS:
        rows, codes = getattr(split, part), getattr(split, f"{part}_labels")
        np.testing.assert_array_equal(np.array(split.label_names)[codes] == "high", rows[:, 0] > 5)
    assert split.n_classes == 2


def test_a_frame_names_its_columns():
    frame = pd.DataFrame(TABLE.copy(), columns=list("abcd"))
    frame["c"] = 1.0
    split = split_arrays(frame)
    assert "constant in training and therefore kept at 0: column 'c'" in split.description
    assert (split.test[:, 2] == 0).all()
    frame.loc[7, "b"] = None
    with pytest.raises(DataError, match=r"row 7, column 'b' is missing \(NaN\)"):
        split_arrays(frame)
    with pytest.raises(DataError, match=r"row 0, column 1 is missing"):
        split_arrays([[1, None], *TABLE[:, :2].tolist()])


@pytest.mark.parametrize("scale", ["standard", "unit"])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("limit", [1, 10**9], ids=["on disk", "in memory"])
def test_a_column_constant_in_training_only_is_zero_in_every_part_and_it_is_said(tmp_path, scale, kind, limit):
    array = (TABLE * 10).astype(kind)
    array[:, 2] = 5
    held_out = partition(len(array)).test
    array[held_out, 2] = 400
    np.save(tmp_path / "rows.npy", array)
    split = check_split(split_arrays(np.load(tmp_path / "rows.npy", "r"), scale=scale, memory_limit=limit), "arrays")
    for part in PARTS:
        assert (getattr(split, part)[:][:, 2] == 0).all()
    assert float((split.test[:] ** 2).mean()) < 10
    assert "kept at 0: column 2" in split.description
    assert "at 0 although held-out rows hold other values: column 2" in split.description


@pytest.mark.parametrize("test", [0, 0.0])
def test_the_test_part_needs_a_row(test):
    with pytest.raises(UsageError, match="test=0"):
        split_arrays(TABLE, test=test)


@pytest.mark.parametrize(
    "array",
    [TABLE, TABLE.astype(np.float32), RNG.integers(0, 256, (50, 6, 7, 3), dtype=np.uint8), np.asfortranarray(TABLE)],
    ids=["float64", "float32", "channels last", "column-major"],
)
@pytest.mark.parametrize("scale", ["none", "unit", "standard"])
def test_rows_on_disk_equal_rows_in_memory(tmp_path, array, scale):
    np.save(tmp_path / "rows.npy", array)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    in_memory, on_disk = split_arrays(array, scale=scale), split_arrays(mapped, scale=scale, memory_limit=1)
    assert isinstance(on_disk.train, LazyRows) and isinstance(in_memory.train, np.ndarray)
    assert in_memory.checksum() == on_disk.checksum()
    picked = RNG.integers(0, len(in_memory.train), 45)
    np.testing.assert_array_equal(on_disk.train[picked], in_memory.train[picked])
    np.testing.assert_array_equal(on_disk.train[3], in_memory.train[3])
    np.testing.assert_array_equal(on_disk.train[::-2], in_memory.train[::-2])
    np.testing.assert_array_equal(on_disk.train[in_memory.train.ravel()[: len(in_memory.train)] > 0.5],
                                  in_memory.train[in_memory.train.ravel()[: len(in_memory.train)] > 0.5])  # fmt: skip


def test_data_given_in_memory_are_not_changed():
    before = TABLE.copy()
    split_arrays(TABLE, scale="standard").train[:] = 0
    split_arrays(TABLE, scale="none").train[:] = 0
    np.testing.assert_array_equal(TABLE, before)


SCRIPT = """
import re, sys
import numpy as np
from bench.data.split_arrays import split_arrays
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
before = peak()
split = split_arrays(np.load(sys.argv[1], mmap_mode="r"), memory_limit=10_000_000)
rng = np.random.default_rng(0)
for _ in range(20):
    split.train[rng.integers(0, len(split.train), 256)]
split.checksum()
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of resident memory from /proc")
def test_resident_memory_does_not_grow_with_the_file(tmp_path):
    rows = np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float32, (100_000, 784))  # 314 MB
    rows[:] = RNG.random((1, 784), dtype=np.float32)
    rows[::3] *= 0.5
    rows.flush()
    del rows
    run = [sys.executable, "-c", SCRIPT, str(tmp_path / "rows.npy")]
    grown = float(subprocess.run(run, check=True, capture_output=True, text=True, timeout=120).stdout)
    assert grown < 160
