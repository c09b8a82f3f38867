"""The discrete prior of a codebook: frequencies that were counted by hand, and nothing that training did not choose."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from bench.contracts.dataset import Split
from bench.errors import Incompatible
from bench.evaluate.control_models import CONTROLS
from bench.evaluate.evaluate import evaluate
from bench.evaluate.ex_post import density_draws, fitted_density
from bench.losses import ReconstructionCost
from bench.spec.registry import Registry

REGISTRY = Registry.discover()
Codebook = REGISTRY.load("sampler", "codebook")
N, DRAWS = 600, 40_000


def chosen(groups):
    """Numbers (N, groups) of codes that depend on each other, and those codes (N, 2 · groups)."""
    rng = np.random.default_rng(0)
    first = rng.choice(3, N, p=[0.6, 0.3, 0.1])
    index = np.stack([first, *((first * k + rng.integers(0, 2, N)) % 3 for k in range(1, groups))], axis=1)
    values = rng.normal(size=(groups, 3, 2))
    return index, torch.tensor(np.concatenate([values[g, index[:, g]] for g in range(groups)], 1)).float(), values


def drawn(groups):
    """Of `chosen` codes with so many groups: their numbers, and how often each combination was drawn."""
    index, codes, values = chosen(groups)
    density = fitted_density(Codebook(groups=groups).fit, codes, torch.Generator().manual_seed(0))
    draws = density_draws(density, codes, DRAWS, torch.Generator().manual_seed(1)).numpy().reshape(DRAWS, groups, 2)
    distances = np.abs(draws[:, :, None] - values.astype(np.float32)).sum(-1)  # (DRAWS, groups, 3)
    assert distances.min(-1).max() == 0  # nothing but codes
    return index, Counter(map(tuple, distances.argmin(-1).tolist()))


def assert_frequencies(counts, expected):
    for combination, p in expected.items():
        assert abs(counts[combination] / DRAWS - p) <= 5 * (p * (1 - p) / DRAWS) ** 0.5, combination
    assert set(counts) <= {combination for combination, p in expected.items() if p > 0}


@pytest.mark.parametrize("groups", [1, 2])
def test_one_part_or_two_are_drawn_as_often_as_training_chose_them(groups):
    index, counts = drawn(groups)
    assert_frequencies(counts, {key: n / N for key, n in Counter(map(tuple, index.tolist())).items()})


def test_parts_are_a_chain():
    index, counts = drawn(3)
    expected = {}
    for a, b, c in itertools.product(range(3), repeat=3):
        first, second = index[:, 0] == a, index[:, 1] == b
        after = (index[second, 2] == c).mean() if second.any() else 0.0
        expected[a, b, c] = (first & second).mean() * after
    assert_frequencies(counts, expected)
    assert len(counts) > len(set(map(tuple, index.tolist())))  # combinations that training did not have


def test_groups_that_do_not_divide_the_code_are_refused():
    with pytest.raises(Incompatible, match="groups=3 does not divide the latent dimension 4"):
        Codebook(groups=3).fit(torch.zeros(100, 4), torch.Generator())


def test_codes_of_all_of_space_have_no_codebook():
    data = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    split = Split(data[:200], data[200:300], data[300:], description="normal")
    model = CONTROLS["pca"](split, 2, ReconstructionCost("squared"), 0)
    metrics = [REGISTRY.load("metric", "energy")()]
    found = evaluate(model, split, metrics, ("energy_codebook",), samplers={"codebook": Codebook()}).values
    assert found["energy_codebook"].reason == (
        "codebook: codes are all of R^L, and it draws from a finite set or a part of it"
    )
