"""Contractive: weight 0 is the plain autoencoder; the penalty is the Jacobian, entry by entry."""

import torch
from zoo import NAT, assert_other_loss, assert_same_loss, data, model_of, terms


def test_without_weight_it_is_the_plain_autoencoder():
    assert_same_loss(model_of("contractive", weight=0.0), model_of("ae"))
    assert_other_loss(model_of("contractive"), model_of("ae"))


def test_the_penalty_is_the_squared_jacobian():
    model, x = model_of("contractive", weight=2.0), data()
    found = terms(model, x)
    for row, example in enumerate(x):
        jacobian = torch.autograd.functional.jacobian(lambda one: model.encoder(one[None])[0], example)
        assert torch.allclose(found["jacobian"][row], jacobian.square().sum(), rtol=1e-12)
    assert torch.allclose(found["loss"], found["reconstruction"] + 2.0 * NAT * found["jacobian"], rtol=1e-12)


def test_the_penalty_of_a_linear_encoder_is_its_weight_whatever_x():
    model = model_of("contractive", hidden=())
    assert torch.allclose(terms(model, data())["jacobian"], model.encoder[1].weight.square().sum(), rtol=1e-12)
