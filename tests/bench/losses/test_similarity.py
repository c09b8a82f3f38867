"""MS-SSIM against torchmetrics, by what it must be, and as the reconstruction cost of a run."""

import math

import numpy as np
import pytest
import torch
from runs import execute, records
from torch.autograd import gradcheck
from torch.nn import functional as F

from bench.errors import Incompatible
from bench.losses import ReconstructionCost
from bench.losses.similarity import EXPONENTS, ms_ssim, n_scales

COST = ReconstructionCost("ms-ssim")


def pictures(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def oracle(x, y):
    """Of torchmetrics' local similarities, those of windows inside the picture at all scales."""
    measure = pytest.importorskip("torchmetrics.functional.image").structural_similarity_index_measure

    kept, product = EXPONENTS[: n_scales(*x.shape[-2:])], torch.ones(len(x))
    for scale, beta in enumerate(kept):
        _, structure = measure(x, y, data_range=1.0, reduction="none", return_contrast_sensitivity=True)
        _, whole = measure(x, y, data_range=1.0, reduction="none", return_full_image=True)
        found = whole[..., 5:-5, 5:-5].mean((1, 2, 3)) if scale == len(kept) - 1 else structure
        product = product * ((found + 1) / 2) ** (beta / sum(kept))
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return product


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (2, 3, 32, 47), (2, 1, 64, 64), (1, 2, 11, 13)])
def test_against_torchmetrics(shape):
    x = pictures(*shape)
    y = (0.7 * x + 0.3 * pictures(*shape, seed=1)).clamp(0, 1)
    torch.testing.assert_close(ms_ssim(x, y), oracle(x, y), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(ms_ssim(x, 1 - x), oracle(x, 1 - x), rtol=1e-6, atol=1e-8)


def test_how_many_scales_a_picture_has_room_for():
    sides = (8, 10, 11, 21, 22, 28, 32, 44, 64, 88, 175, 176, 500)
    assert [n_scales(side, 999) for side in sides] == [0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5]
    assert n_scales(999, 28) == 2 and math.isclose(sum(EXPONENTS), 1.0, abs_tol=1e-3)


def test_equal_pictures_cost_nothing_and_others_up_to_their_dimension():
    x = 0.02 + 0.96 * pictures(4, 1, 28, 28)
    logits = torch.logit(x)
    assert COST(logits, x).abs().max() < 1e-9
    noisy = [float(COST(logits + spread * pictures(4, 1, 28, 28, seed=2), x).mean()) for spread in (0.5, 2.0, 8.0)]
    assert noisy == sorted(noisy) and 0 < noisy[0] and noisy[-1] < 784
    torch.testing.assert_close(COST(logits.roll(1, 0), x), 784 * (1 - ms_ssim(x.roll(1, 0), x)))


def test_draws_of_codes_and_seeds_in_a_stack_broadcast():
    x, draws = pictures(2, 1, 12, 12), 4 * pictures(3, 2, 1, 12, 12, seed=1) - 2
    together = COST(draws, x)
    assert together.shape == (3, 2)
    torch.testing.assert_close(together[1], COST(draws[1], x))
    torch.testing.assert_close(torch.vmap(lambda one: COST(one, x))(draws), together)


def test_gradients():
    x = pictures(1, 1, 22, 22)
    assert gradcheck(lambda logits: COST(logits, x), (torch.logit(1 - 0.9 * x).requires_grad_(),), fast_mode=True)


@pytest.mark.parametrize(("shape", "words"), [((64,), "vectors"), ((1, 8, 8), "8 × 8"), ((3, 32, 10), "32 × 10")])
def test_what_it_is_not_defined_for_is_refused(shape, words):
    with pytest.raises(Incompatible, match=f"at least 11 × 11 pixels; these are {words}"):
        COST.refuse_shape(shape)
    with pytest.raises(Incompatible, match="at least 11"):
        COST(torch.zeros(2, *shape), torch.zeros(2, *shape))
    ReconstructionCost("bernoulli").refuse_shape(shape)


def test_it_is_no_density_and_no_sum_of_parts():
    assert not COST.is_density and COST.decoder_variance(1.0) is None and COST.on_logits
    with pytest.raises(Incompatible, match="whole pictures"):
        COST.elements(torch.zeros(1, 1, 12, 12), torch.zeros(1, 1, 12, 12))


def test_a_run_with_it_has_errors_and_no_likelihood_and_small_pictures_are_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.runs.runner.report_run", lambda run: [])
    monkeypatch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
    images = np.random.default_rng(0).random((120, 12, 12)).astype(np.float32)
    from bench.api import _as_split
    from bench.spec.call import Call

    for side, status in ((12, "ok"), (10, "skipped")):
        split = _as_split(images[:, :side, :side], None)
        given = {"variant": ["vae"], "dataset": [Call("arrays", {"checksum": split.checksum()})], "recon": "ms-ssim"}
        given |= {"metrics": "test_mse,test_neg_elbo,val_mse", "batch_size": 20, "steps": 10, "seeds": 1}
        execute(tmp_path / str(side), arrays=split, **given)
        (record,) = records(tmp_path / str(side)).values()
        assert record["status"] == status, record["reason"]
    assert "these are 10 × 10" in record["reason"]
    metrics = records(tmp_path / "12")["vae", 0]["metrics"]
    assert metrics["test_mse"]["status"] == "ok"
    assert metrics["test_neg_elbo"]["value"] is None and "likelihood" in metrics["test_neg_elbo"]["reason"]
