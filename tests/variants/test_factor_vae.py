"""FactorVAE: γ = 0 is the VAE; shuffled codes keep their marginals; the critic's term stays with the critic."""

import torch
from torch.nn.functional import logsigmoid
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, terms


def test_without_gamma_it_is_the_vae():
    assert_same_loss(model_of("factor-vae", gamma=0.0), model_of("vae"))
    assert_other_loss(model_of("factor-vae"), model_of("vae"))


class Spy(torch.nn.Module):
    """Notes what it is asked about and answers with sums."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, z):
        self.seen.append(z)
        return z.sum(-1, keepdim=True)


def test_shuffling_moves_each_dimension_by_itself_and_keeps_its_values():
    model, x, draw = model_of("factor-vae"), data(), Draw64()
    model.critic = Spy()
    terms(model, x, draw)
    joint, real, shuffled = model.critic.seen
    assert torch.equal(joint.detach(), real) and joint.requires_grad and not real.requires_grad
    assert torch.equal(real.sort(0).values, shuffled.sort(0).values)
    for dimension, places in enumerate(draw.noted[1:]):
        assert torch.equal(shuffled[:, dimension], real[places, dimension])
    assert not torch.equal(real.sum(1).sort().values, shuffled.sum(1).sort().values)


def test_both_terms_by_hand():
    model, x, draw = model_of("factor-vae", beta=2.0, gamma=3.0), data(), Draw64()
    found = terms(model, x, draw)
    mean, log_variance = model.moments(x)
    noise, *places = draw.noted
    z = (mean + (0.5 * log_variance).exp() * noise[0]).detach()
    mixed = torch.stack([z[order, dimension] for dimension, order in enumerate(places)], 1)
    joint, product = model.critic(z)[:, 0], model.critic(mixed)[:, 0]
    assert torch.allclose(found["total_correlation"], joint, rtol=1e-12)
    expected = found["reconstruction"] + 2.0 * NAT * (found["kl"] + 3.0 * joint)
    assert torch.allclose(found["loss"], expected, rtol=1e-12)
    assert torch.allclose(found["loss_critic"], -logsigmoid(joint) - logsigmoid(-product), rtol=1e-12)


def test_the_critics_term_does_not_reach_the_encoder():
    model = model_of("factor-vae")
    parameters = [*model.encoder.parameters(), *model.decoder.parameters()]
    found = torch.autograd.grad(terms(model, data())["loss_critic"].sum(), parameters, allow_unused=True)
    assert all(gradient is None for gradient in found)
