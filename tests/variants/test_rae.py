"""RAE: without weights the plain autoencoder; both penalties by hand; the Jacobian is that by z."""

import pytest
import torch
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, number, terms

from bench.errors import UsageError
from bench.parts.jacobians import squared_jacobian


@pytest.mark.parametrize("penalty", ["l2", "gradient"])
def test_without_weights_it_is_the_plain_autoencoder(penalty):
    assert_same_loss(model_of("rae", weight=0.0, decoder_weight=0.0, penalty=penalty), model_of("ae"))
    assert_other_loss(model_of("rae", weight=0.0, decoder_weight=1.0, penalty=penalty), model_of("ae"))
    assert_other_loss(model_of("rae", weight=1.0, decoder_weight=0.0, penalty=penalty), model_of("ae"))


def test_the_loss_is_cost_and_both_penalties():
    model, x = model_of("rae", weight=2.0, decoder_weight=0.3), data()
    weights = sum(number(value.square().sum()) / 2 for value in model.decoder.parameters())
    size = model.encode(x).square().sum(1) / 2
    cost = model.reconstruction_cost(model.encode(x), x)
    assert torch.allclose(terms(model, x)["loss"], cost + NAT * (2.0 * size + 0.3 * weights), rtol=1e-12)


def test_the_gradient_penalty_is_one_product_with_the_decoders_jacobian_by_z():
    model, x, draw = model_of("rae", penalty="gradient"), data(), Draw64()
    found = terms(model, x, draw)["roughness"]
    (probe,) = draw.noted
    for row, z in enumerate(model.encode(x).detach()):
        jacobian = torch.autograd.functional.jacobian(lambda code: model.decoder(code[None])[0].flatten(), z)  # (d, L)
        assert torch.allclose(found[row], (probe[0, row] @ jacobian).square().sum(), rtol=1e-12)


def test_products_with_all_unit_vectors_give_the_whole_norm_and_normal_ones_have_that_mean():
    model, z = model_of("rae"), model_of("rae").encode(data(2)).detach()
    jacobian = torch.autograd.functional.jacobian(lambda code: model.decoder(code).sum(0).flatten(), z)  # (d, B, L)
    exact = jacobian.square().sum((0, 2))

    def flat(code):
        return model.decoder(code).flatten(1)

    d = len(jacobian)
    assert torch.allclose(squared_jacobian(flat, z, torch.eye(d).double()[:, None]), exact, rtol=1e-12)
    probes = Draw64().normal((4000, 2, d))
    estimates = torch.stack([squared_jacobian(flat, z, some) / 40 for some in probes.split(40)])
    assert ((estimates.mean(0) - exact).abs() < 5 * estimates.std(0) / 10).all()


def test_the_gradient_penalty_reaches_encoder_and_decoder():
    model, x = model_of("rae", penalty="gradient"), data()
    found = torch.autograd.grad(terms(model, x)["roughness"].sum(), list(model.parameters()), allow_unused=True)
    reached = {
        name.partition(".")[0]
        for (name, _), slope in zip(model.named_parameters(), found, strict=True)
        if slope is not None and bool(slope.ne(0).any())
    }
    assert reached == {"encoder", "decoder"}


def test_an_unknown_penalty_is_refused():
    with pytest.raises(UsageError):
        model_of("rae", penalty="l1")
