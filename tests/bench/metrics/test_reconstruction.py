"""Reconstruction and objective against the linear VAE's optimum (metrics.md: D₀, D_q, ELBO = log p)."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from bench.losses import ReconstructionCost
from bench.metrics.objective import Objective
from bench.metrics.reconstruction import Reconstruction

S2 = 0.25


@pytest.fixture(scope="module")
def measured(toolbox, gaussian_split):
    return toolbox.evaluate(toolbox.linear_vae(S2), gaussian_split, Reconstruction(), Objective())


def test_errors_of_the_linear_optimum(toolbox, measured):
    ell = toolbox.eigenvalues
    live, dead = ell[ell > S2], ell[ell <= S2]
    mean_error = (S2**2 / live).sum() + dead.sum()
    sampled_error = len(live) * S2 + dead.sum()
    assert measured["test_sse"].value == pytest.approx(mean_error, rel=1e-5)
    assert measured["test_mse"].value == pytest.approx(mean_error / len(ell), rel=1e-5)
    assert measured["test_fvu"].value == pytest.approx(mean_error / ell.sum(), rel=1e-4)
    assert measured["generalisation_ratio"].value == pytest.approx(1, rel=1e-4)
    sampled = measured["test_mse_sampled"]
    assert sampled.value == pytest.approx(sampled_error / len(ell), abs=4 * sampled.error)
    assert 0 < sampled.error < 0.005 * sampled.value
    assert measured["noise_cost"].value == pytest.approx((sampled_error - mean_error) / len(ell), abs=4 * sampled.error)


def test_negative_elbo_of_the_optimum_is_minus_log_p(toolbox, measured):
    ell = toolbox.eigenvalues
    live, dead = ell[ell > S2], ell[ell <= S2]
    d = len(ell)
    log_p = -0.5 * (d * math.log(2 * math.pi) + (np.log(live) + 1).sum() + len(dead) * math.log(S2) + (dead / S2).sum())
    elbo = measured["test_neg_elbo"]
    assert elbo.value == pytest.approx(-log_p, abs=4 * elbo.error)
    assert elbo.error < 0.005 * elbo.value
    assert measured["decoder_variance"].value == S2
    assert measured["kl_weight"].value == 2 * S2


def test_constant_decoder_leaves_all_variance_unexplained(gaussian_split, toolbox):
    from bench.evaluate.control_models import constant

    measured = toolbox.evaluate(
        constant(gaussian_split, 3, ReconstructionCost("squared")), gaussian_split, Reconstruction()
    )
    assert measured["test_fvu"].value == pytest.approx(1, rel=1e-6)
    assert measured["generalisation_ratio"].status == "flagged"
    assert "collapsed" in measured["generalisation_ratio"].reason


def test_bernoulli_cost_is_not_weighted_by_the_kl_weight(toolbox, gaussian_split):
    """-ELBO = cost + KL, whatever λ: two models that differ in λ alone agree."""
    base = dataclasses.replace(toolbox.linear_vae(S2), cost=ReconstructionCost("bernoulli"), kl_weight=1.0)
    first = toolbox.evaluate(base, gaussian_split, Objective())["test_neg_elbo"].value
    second = toolbox.evaluate(dataclasses.replace(base, kl_weight=7.0), gaussian_split, Objective())[
        "test_neg_elbo"
    ].value
    assert first == second


def test_loss_is_the_mean_over_the_whole_split_in_batches_of_any_size(toolbox, gaussian_split, monkeypatch):
    from bench.evaluate.model_view import View

    monkeypatch.setattr(View, "batch_size", 300)  # 2,000 rows: the last batch is ragged
    model = dataclasses.replace(
        toolbox.linear_vae(S2), loss=lambda x, y, generator: {"loss": x[:, 0].square() + x[:, 1]}
    )
    measured = toolbox.evaluate(model, gaussian_split, Objective())
    expected = (gaussian_split.test[:, 0] ** 2 + gaussian_split.test[:, 1]).mean()
    assert measured["test_loss"].value == pytest.approx(float(expected), rel=1e-5)


def test_large_parts_use_every_test_row_and_a_sub_sample_for_pairs(toolbox, gaussian_split, monkeypatch):
    from bench.evaluate.reference_data import SharedData

    whole = toolbox.evaluate(toolbox.linear_vae(S2), gaussian_split, Reconstruction())
    monkeypatch.setattr(SharedData, "max_rows", 700)
    part = toolbox.evaluate(toolbox.linear_vae(S2), gaussian_split, Reconstruction())
    assert part["test_mse"].value == pytest.approx(whole["test_mse"].value, rel=1e-6)
    assert part["val_mse"].value == pytest.approx(whole["val_mse"].value, rel=1e-6)
    shared = toolbox.shared(gaussian_split)
    assert len(shared.rows("test")) == 700
    assert torch.equal(
        shared.rows("test").flat[5], torch.as_tensor(gaussian_split.test[shared.rows("test").indices[5]])
    )


def test_dynamic_binarisation_is_one_fixed_draw_with_the_pixels_as_probabilities(toolbox, digits_split):
    shared = toolbox.shared(dataclasses.replace(digits_split, binarise="dynamic"))
    everything = shared.rows("test").x
    assert set(np.unique(everything.numpy())) == {0.0, 1.0}
    picked = shared.rows("test").indices[[7, 300]]
    assert torch.equal(shared.load("test", picked), everything[[7, 300]])
    assert float(everything.mean()) == pytest.approx(float(digits_split.test.mean()), abs=0.01)
