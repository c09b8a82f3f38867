"""Categorical VAE: the KL enumerated, low temperature gives one-hot draws of the right frequency, codes are one-hot."""

import math

import pytest
import torch
from zoo import NAT, Draw64, data, model_of, number, terms

from bench.errors import Incompatible


def test_the_kl_is_that_of_an_enumeration():
    model, x = model_of("categorical", latent=4, groups=2, beta=3.0), data()
    found = terms(model, x)
    for row, logits in enumerate(model.encoder(x).reshape(-1, 2, 2).tolist()):
        total = 0.0
        for group in logits:
            weights = [math.exp(value) for value in group]
            total += sum(w / sum(weights) * math.log(w / sum(weights) / 0.5) for w in weights)
        assert math.isclose(number(found["kl"][row]), total, rel_tol=1e-6)
    assert torch.allclose(found["loss"], found["reconstruction"] + 3.0 * NAT * found["kl"], rtol=1e-12)


def test_equal_logits_cost_nothing():
    model = model_of("categorical")
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.fill_(0.3)
    assert terms(model, data())["kl"].abs().max() < 1e-12


class Spy(torch.nn.Module):
    """A decoder that notes the codes it is given."""

    def forward(self, z):
        self.seen = z
        return torch.zeros(len(z), 1, 2, 3).double()


def test_at_low_temperature_draws_are_one_hot_with_the_posteriors_frequencies():
    model, x = model_of("categorical", final_temperature=1e-4), data(1).expand(40_000, 1, 2, 3)
    model.decoder = Spy()
    with torch.no_grad():
        model.encoder[-1].bias.copy_(torch.tensor([0.5, -0.5, 0.1]))
    terms(model, x)
    codes = model.decoder.seen
    assert codes.max(1).values.mean() > 0.999
    expected = model.logits(x[:1]).softmax(-1)[0, 0]
    assert torch.allclose(codes.mean(0), expected, atol=5 * 0.5 / 200)


def test_the_temperature_falls_from_first_to_last():
    x, model = data(), model_of("categorical", temperature=2.0, final_temperature=0.5)
    model.decoder = Spy()
    for progress, temperature in ((0.0, 2.0), (0.5, 1.0), (1.0, 0.5)):
        draw = Draw64()
        terms(model, x, draw, progress)
        gumbel = -(-draw.noted[0].log()).log()
        expected = ((model.logits(x) + gumbel) / temperature).softmax(-1)[:, 0]
        assert torch.allclose(model.decoder.seen, expected, rtol=1e-9)


def test_codes_are_the_likeliest_one_hot_vectors():
    model, x = model_of("categorical", latent=6, groups=2), data()
    codes = model.encode(x).reshape(-1, 2, 3)
    assert torch.equal(codes.sum(-1), torch.ones(7, 2).double())
    assert torch.equal(codes.argmax(-1), model.encoder(x).reshape(-1, 2, 3).argmax(-1))
    assert torch.equal(model.project(model.encode(x)), model.encode(x))


def test_posterior_and_prior_are_over_whole_codes():
    model, x = model_of("categorical", latent=6, groups=2), data()
    code = model.encode(x)
    log_q = model.posterior(x).log_prob(code)
    expected = model.encoder(x).reshape(-1, 2, 3).log_softmax(-1).max(-1).values.sum(-1)
    assert torch.allclose(log_q, expected, rtol=1e-12)
    assert torch.allclose(
        model.prior().log_prob(code), torch.full((7,), -2 * math.log(3), dtype=torch.float64), rtol=1e-12
    )
    with torch.random.fork_rng():
        draws = model.prior().sample((50,))
    assert torch.equal(model.project(draws), draws)


@pytest.mark.parametrize("groups", [2, 3])
def test_groups_that_do_not_fit_are_refused(groups):
    with pytest.raises(Incompatible, match="does not part the latent dimension 3"):
        model_of("categorical", groups=groups)
