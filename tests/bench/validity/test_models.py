"""The rows that sweeps are about: drawn at random from each part, apart from one another, the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from bench.contracts.dataset import Split
from bench.validity.models import Bench

CLASSES, EACH, ROWS = 10, 300, 100


@pytest.fixture(scope="module")
def sorted_split():
    """Parts sorted by class, as many files are; each row holds its own number."""
    labels = np.repeat(np.arange(CLASSES), EACH)
    n = len(labels)
    parts = [
        np.stack([start + np.arange(n), np.ones(n)], 1).astype(np.float32) for start in (0, 10_000, 20_000)
    ]  # train, validation, test
    return Split(*parts, labels, labels, labels)


def test_rows_of_sorted_data_are_of_all_classes(sorted_split):
    bench = Bench(sorted_split, ROWS)
    assert (len(bench.split.train), len(bench.split.validation), len(bench.split.test)) == (500, 3 * ROWS, ROWS)
    for part in ("train", "validation", "test"):
        counts = np.bincount(getattr(bench.split, f"{part}_labels"), minlength=CLASSES)
        expected = counts.sum() / CLASSES
        assert counts.min() > 0 and abs(counts - expected).max() < 5 * expected**0.5


def test_parts_keep_their_labels_and_have_no_row_in_common(sorted_split):
    bench = Bench(sorted_split, ROWS)
    numbers = {part: getattr(bench.split, part)[:, 0].astype(int) for part in ("train", "validation", "test")}
    for part, own in numbers.items():
        assert (getattr(bench.split, f"{part}_labels") == own % 10_000 // EACH).all()
        assert len(set(own)) == len(own)
    assert not set(numbers["train"]) & set(numbers["validation"]) and (numbers["test"] >= 20_000).all()
    pool = numbers["validation"]
    assert (pool < 10_000).sum() == 2 * ROWS and ((pool >= 10_000) & (pool < 20_000)).sum() == ROWS


def test_the_same_rows_each_time_and_all_of_them_where_there_are_few(sorted_split):
    one, other = (Bench(sorted_split, ROWS).split for _ in range(2))
    assert (one.test == other.test).all() and (one.train == other.train).all()
    assert sorted(Bench(sorted_split, 5000).split.test[:, 0]) == sorted(sorted_split.test[:, 0])
