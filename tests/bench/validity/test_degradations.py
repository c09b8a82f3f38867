"""Each degradation does what its name says, and strength 0 does nothing."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from bench.contracts.dataset import Split
from bench.evaluate.reference_data import SharedData
from bench.losses import ReconstructionCost
from bench.validity.degradations import (
    OF_ROWS,
    OF_SAMPLES,
    Material,
    averaging,
    blur,
    classes,
    duplicates,
    memorised,
    noise,
    shift,
)


@pytest.fixture(scope="module")
def material():
    rng = np.random.default_rng(0)
    parts = [rng.random((n, 1, 6, 5), dtype=np.float32) for n in (50, 30, 40)]
    labels = [np.arange(len(part)) % 5 for part in parts]
    return Material(SharedData(Split(*parts, *labels), ReconstructionCost("squared"), 2))


@pytest.fixture
def rows(material):
    return material.shared.rows("validation").flat


def test_strength_0_leaves_rows_alone(material, rows):
    labels = material.shared.rows("validation").labels
    for degrade, strengths in OF_ROWS.values():
        assert strengths[0] == 0 and torch.allclose(degrade(rows, 0, material), rows, atol=1e-6)
    for name, (degrade, strengths) in OF_SAMPLES.items():
        more = (labels,) if name == "classes" else ()
        assert strengths[0] == 0 and torch.equal(degrade(rows, 0, material, *more), rows)


def test_averaging_is_the_mean_of_the_nearest_training_rows(material, rows):
    train = material.shared.rows("train").flat
    order = torch.cdist(rows, train).argsort(1)
    for k in (1, 3):
        assert torch.allclose(averaging(rows, k, material), train[order[:, :k]].mean(1), atol=1e-6)


def test_blur_against_scipy(material, rows):
    images = rows.reshape(-1, 6, 5).numpy()
    expected = np.stack([gaussian_filter(image, 0.8, mode="nearest", radius=3) for image in images])
    assert blur(rows, 0.8, material).reshape(-1, 6, 5).numpy() == pytest.approx(expected, abs=1e-5)


def test_noise_has_its_strength(material, rows):
    added = noise(rows, 0.5, material) - rows
    assert float(added.std()) == pytest.approx(0.5 * material.unit, rel=0.1)


def test_shift_moves_to_the_right(material, rows):
    moved, images = (x.reshape(-1, 6, 5) for x in (shift(rows, 2, material), rows))
    assert torch.equal(moved[..., 2:], images[..., :-2])
    assert torch.equal(moved[..., 0], images[..., 0]) and torch.equal(moved[..., 1], images[..., 0])


def test_samples_lose_classes_or_rows(material, rows):
    labels = material.shared.rows("validation").labels
    kept = classes(rows, 0.6, material, labels)
    allowed = {tuple(row) for row in rows[torch.as_tensor(labels >= 3)].tolist()}
    assert len(kept) == len(rows) and {tuple(row) for row in kept.tolist()} == allowed
    assert len({tuple(row) for row in duplicates(rows, 0.9, material).tolist()}) == 3
    train = {tuple(row) for row in material.shared.rows("train").flat.tolist()}
    assert sum(tuple(row) in train for row in memorised(rows, 0.5, material).tolist()) == 15
