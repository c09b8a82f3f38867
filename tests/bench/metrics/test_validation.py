"""The bound that chooses, on a linear Gaussian model whose every part is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.evaluate.evaluate import evaluate
from bench.losses import ReconstructionCost
from bench.metrics.validation import Validation

D, L, SIGMA = 5, 2, 0.3


def split(validation=300):
    x = np.random.default_rng(0).normal(size=(600 + validation, D)).astype(np.float32)
    return Split(x[:300], x[300 : 300 + validation], x[300 + validation :], description="normal rows")


def model(cost, sigma=SIGMA, prior=True):
    """Code = the first two coordinates with sd sigma around them; decoded to themselves, the other three to 0."""

    def decode(z):
        return torch.cat([z, z.new_zeros(*z.shape[:-1], D - L)], -1)

    return Model(
        "linear", L, (D,), cost, encode=lambda x: x[:, :L], decode=decode, decode_params=decode,
        posterior=lambda x: Normal(x[:, :L], torch.full_like(x[:, :L], sigma), validate_args=False),
        prior=(lambda: Normal(torch.zeros(L), torch.ones(L), validate_args=False)) if prior else None,
    )  # fmt: skip


def measured(cost=None, data=None, **changes):
    found = evaluate(model(cost or ReconstructionCost("squared"), **changes), data or split(), [Validation()])
    return found.values["val_calibrated_neg_elbo"]


@pytest.mark.parametrize("cost", [ReconstructionCost("squared"), ReconstructionCost("gaussian", 0.7)])
def test_the_bound_agrees_with_its_formula_by_hand_whatever_the_scale_of_the_cost(cost):
    x = split().validation
    kl = 0.5 * (x[:, :L] ** 2 + SIGMA**2 - 2 * math.log(SIGMA) - 1).sum(1).mean()
    error = L * SIGMA**2 + (x[:, L:] ** 2).sum(1).mean()
    expected = D / 2 * (math.log(2 * math.pi * error / D) + 1) + kl
    found = measured(cost)
    assert found.value == pytest.approx(expected, abs=max(4 * found.error, 1e-3)) and found.error < 0.05


def test_it_looks_at_validation_rows_alone():
    data = split()
    other = Split(data.train, data.validation, 9 + data.test, description="shifted test rows")
    assert measured(data=other).value == measured(data=data).value


def test_bernoulli_is_a_likelihood_itself():
    x = (np.random.default_rng(0).uniform(size=(900, D)) < 0.5).astype(np.float32)
    data = Split(x[:300], x[300:600], x[600:], description="bits")
    found = measured(ReconstructionCost("bernoulli"), data, sigma=1e-3)
    logits = np.concatenate([x[300:600, :L], np.zeros((300, D - L))], 1)
    cross = (np.log1p(np.exp(logits)) - x[300:600] * logits).sum(1).mean()
    kl = 0.5 * (x[300:600, :L] ** 2 + 1e-6 - 2 * math.log(1e-3) - 1).sum(1).mean()
    assert found.value == pytest.approx(cross + kl, rel=1e-3)


def test_without_a_prior_or_rows_it_says_why():
    assert "prior" in measured(prior=False).reason
    assert measured(data=split(validation=0)).reason == "there are no validation rows"
