"""Collapse is about information: what tells of x as L numbers can is none, whatever it leaves unexplained."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from bench.contracts.dataset import Split
from bench.evaluate.collapse import pca_explained, squared_correlation
from bench.evaluate.control_models import CONTROLS
from bench.losses import ReconstructionCost
from bench.metrics.collapse import Collapse
from bench.metrics.coverage import Coverage

SQUARED = ReconstructionCost("squared")
#: Nearly isotropic data, of which two components explain little: 2 / 9.2.
FLAT = np.array([1.0, 1.0, *[0.9] * 8])


def toolbox_of():
    path = Path(__file__).resolve().parents[1] / "metrics" / "conftest.py"
    spec = importlib.util.spec_from_file_location("metrics_conftest_of_collapse", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOLS = toolbox_of()


class Flat(TOOLS.Toolbox):
    eigenvalues = FLAT


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:900]
    x, y = (x[order] / 16).astype(np.float32).reshape(-1, 1, 8, 8), y[order]
    cuts = (slice(0, 600), slice(600, 700), slice(700, None))
    return Split(*(x[cut] for cut in cuts), *(y[cut] for cut in cuts))


def verdict(tools, model, split):
    return tools.evaluate(model, split, Collapse())["collapsed"]


def test_the_optimum_of_probabilistic_pca_is_not_collapsed_but_blurs():
    split, optimum = Flat.gaussian_split(), Flat.linear_vae(s2=0.9, latent_dim=2)
    measured = Flat.evaluate(optimum, split, Collapse())
    assert measured["collapsed"].value == 0
    assert measured["active_units"].value == 2
    assert measured["pca_explained"].value == pytest.approx(2 / 9.2, rel=1e-3)
    assert measured["blurred"].value == 1 and "blurred" in measured["blurred"].reason


@pytest.mark.parametrize("latent_dim", [1, 2, 4])
@pytest.mark.parametrize("control", ["pca", "lookup", "random-encoder"])
def test_few_dimensions_are_no_collapse(digits, control, latent_dim):
    model = CONTROLS[control](digits, latent_dim, SQUARED, 0)
    assert verdict(Flat, model, digits).value == 0
    if control == "pca":
        assert Flat.evaluate(model, digits, Collapse())["blurred"].value == 0


def test_a_constant_decoder_and_no_active_unit_are(digits):
    constant = verdict(Flat, CONTROLS["constant"](digits, 4, SQUARED, 0), digits)
    assert constant.value == 1 and constant.status == "flagged"
    dead = verdict(Flat, Flat.linear_vae(s2=5.0, latent_dim=2), Flat.gaussian_split())
    assert dead.value == 1 and "0 active units" in dead.reason


def test_a_decoder_that_ignores_the_code_is_collapsed_without_a_posterior(digits):
    """A code that carries everything, and reconstructions that have variance but nothing of x."""
    rows = torch.as_tensor(digits.train).flatten(1)
    pca = CONTROLS["pca"](digits, 4, SQUARED, 0)

    def decode(z):
        return rows[torch.arange(z.reshape(-1, 4).shape[0]) * 7 % len(rows)].reshape(*z.shape[:-1], 1, 8, 8)

    unrelated = dataclasses.replace(pca, decode=decode, decode_params=decode)
    found = verdict(Flat, unrelated, digits)
    assert found.value == 1 and "tell" in found.reason


def test_a_narrow_prior_spoils_what_is_drawn_from_it_alone(digits):
    """Codes a thousand times wider than the prior: decodes of the prior are nearly one point, the model is sound."""
    pca = CONTROLS["pca"](digits, 4, SQUARED, 0)
    wide = dataclasses.replace(
        pca,
        encode=lambda x: 1000 * pca.encode(x),
        decode=lambda z: pca.decode(z / 1000),
        decode_params=lambda z: pca.decode(z / 1000),
        prior=lambda: Normal(torch.zeros(4), torch.ones(4), validate_args=False),
    )
    assert verdict(Flat, wide, digits).value == 0
    measured = Flat.evaluate(wide, digits, Coverage())
    assert "decodes of the prior" in measured["coverage_recall_prior"].reason
    assert measured["coverage_recall_fit"].status == "ok"


def test_active_units_are_relative_to_the_prior(digits):
    """A code on a small scale with a prior on the same scale is as active as on any other."""
    base = TOOLS.Toolbox.linear_vae(0.25)
    small = dataclasses.replace(
        base,
        encode=lambda x: base.encode(x) / 100,
        decode=lambda z: base.decode(z * 100),
        posterior=lambda x: Normal(base.posterior(x).loc / 100, base.posterior(x).scale / 100, validate_args=False),
        prior=lambda: Normal(torch.zeros(6), torch.full((6,), 0.01), validate_args=False),
    )
    split = TOOLS.Toolbox.gaussian_split()
    counts = [TOOLS.Toolbox.evaluate(model, split, Collapse())["active_units"].value for model in (base, small)]
    assert counts == [5, 5]


def test_squared_correlation_ignores_shrinkage_and_shift():
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    other = torch.randn(200, 5, generator=torch.Generator().manual_seed(1))
    assert squared_correlation(x, 0.01 * x + 3) == pytest.approx(1, abs=1e-5)
    assert squared_correlation(x, other) < 0.02
    assert squared_correlation(x, torch.ones(200, 5)) == 0
    assert squared_correlation(x, x + other) == pytest.approx(0.5, abs=0.05)


def test_what_components_explain_is_measured_on_held_out_rows(digits):
    from sklearn.decomposition import PCA

    shared = Flat.shared(digits, 5)
    train, test = digits.train.reshape(-1, 64).astype(float), digits.test.reshape(-1, 64).astype(float)
    fitted = PCA(5).fit(train)
    left = ((test - fitted.inverse_transform(fitted.transform(test))) ** 2).sum()
    assert pca_explained(shared) == pytest.approx(1 - left / ((test - train.mean(0)) ** 2).sum(), rel=1e-4)
