"""ACAI: without weight it is the plain autoencoder; both players' terms by hand, each in its own graph."""

import torch
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, number, terms


def test_without_weight_it_is_the_plain_autoencoder():
    assert_same_loss(model_of("acai", weight=0.0), model_of("ae"))
    assert_other_loss(model_of("acai", weight=30.0), model_of("ae"))


def test_both_terms_by_hand():
    model, x, draw = model_of("acai", weight=3.0, gamma=0.25), data(), Draw64()
    found, z = terms(model, x, draw), model.encode(x)
    for row in range(7):
        alpha = draw.noted[0][row] / 2
        assert 0 <= alpha <= 0.5
        mixed = model.decode((1 - alpha) * z[row] + alpha * z[6 - row])[None]
        nearly = 0.25 * x[row : row + 1] + 0.75 * model.decode(z[row : row + 1])
        guess, other = model.critic(mixed)[0, 0], model.critic(nearly)[0, 0]
        cost = (model.decode(z[row]) - x[row]).square().sum()
        assert torch.allclose(found["loss"][row], cost + 3.0 * NAT * guess.square(), rtol=1e-10)
        assert torch.allclose(found["loss_critic"][row], (guess - alpha).square() + other.square(), rtol=1e-10)


def test_the_critics_term_does_not_reach_the_autoencoder():
    model = model_of("acai")
    parameters = [*model.encoder.parameters(), *model.decoder.parameters()]
    found = torch.autograd.grad(terms(model, data())["loss_critic"].sum(), parameters, allow_unused=True)
    assert all(gradient is None for gradient in found)


def test_the_autoencoder_learns_from_the_critic():
    model = model_of("acai", weight=3.0)
    found = torch.autograd.grad(terms(model, data())["guessed"].sum(), list(model.encoder.parameters()))
    assert all(gradient.ne(0).any() for gradient in found)


def test_interpolations_are_images_under_bernoulli_cost_too():
    model, x = model_of("acai", cost="bernoulli"), data()
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, image):
            seen.append(image)
            return image.flatten(1)[:, :1]

    model.critic = Spy()
    terms(model, x)
    assert all(0 <= number(image.min()) and number(image.max()) <= 1 for image in seen)
