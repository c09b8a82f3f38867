"""Adversarial AE: without weight it is the plain autoencoder; each player sees the right codes and no other's graph."""

import math

import torch
from torch.nn.functional import logsigmoid
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, number, terms


def test_without_weight_it_is_the_plain_autoencoder():
    assert_same_loss(model_of("adversarial-ae", weight=0.0), model_of("ae"))
    assert_other_loss(model_of("adversarial-ae"), model_of("ae"))


def test_both_terms_by_hand():
    model, x, draw = model_of("adversarial-ae", weight=2.0), data(), Draw64()
    found, z = terms(model, x, draw), model.encode(x)
    cost, score, truth = model.reconstruction_cost(z, x), model.critic(z)[:, 0], model.critic(draw.noted[0])[:, 0]
    assert torch.allclose(found["loss"], cost - 2.0 * NAT * logsigmoid(score), rtol=1e-12)
    assert torch.allclose(found["loss_critic"], -logsigmoid(truth) - logsigmoid(-score), rtol=1e-12)


def test_the_critics_term_does_not_reach_the_encoder():
    model = model_of("adversarial-ae")
    parameters = [*model.encoder.parameters(), *model.decoder.parameters()]
    found = torch.autograd.grad(terms(model, data())["loss_critic"].sum(), parameters, allow_unused=True)
    assert all(gradient is None for gradient in found)


def test_the_encoder_learns_from_a_perfect_critic_of_normals():
    """Codes N(m, 1) against N(0, 1): the best logit is m²/2 - m z, and the encoder's term pulls their mean to 0."""
    model, m = model_of("adversarial-ae"), 1.5
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.copy_(torch.tensor([m, 0.0, 0.0]))

    class Best(torch.nn.Module):
        def forward(self, z):
            return m**2 / 2 - m * z[:, :1]

    model.critic = Best()
    found = terms(model, data())
    assert math.isclose(number(found["fooled"][0]), math.log1p(math.exp(m**2 / 2)), rel_tol=1e-12)
    (slope,) = torch.autograd.grad(found["fooled"].mean(), [model.encoder[-1].bias])
    assert slope[0] > 0 and slope[1:].abs().max() == 0
