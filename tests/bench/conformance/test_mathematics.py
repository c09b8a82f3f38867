"""Each mathematical check passes what is right and finds its planted fault."""

import math

import pytest
import torch
from torch.distributions import Distribution, Normal

from bench.conformance import mathematics
from bench.conformance.variant import LATENT_DIM, Subject
from bench.contracts.variant import ElboVariant, GaussianVariant, Variant
from bench.errors import PluginError


class Plain(Variant):
    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encoder(batch.x), batch.x)}

    def encode(self, x):
        return self.encoder(x)


def made(base=Plain, **methods):
    return Subject(type("Made", (base,), methods), {})


def detached(self, batch, draw):
    z = self.encoder(batch.x)
    return {"loss": self.reconstruction_cost(z, batch.x) + z.square().sum(-1) * z.detach().square().sum(-1)}


class HalfGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient / 2


def wrong_backward(self, batch, draw):
    return {"loss": HalfGradient.apply(self.reconstruction_cost(self.encoder(batch.x), batch.x))}


def single(self, batch, draw):
    return {"loss": self.reconstruction_cost(self.encoder(batch.x), batch.x).float()}


@pytest.mark.parametrize("base", [Plain, ElboVariant])
def test_right_gradients_pass(base):
    def elbo(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        cost = self.reconstruction_cost(self.draw_codes(mean, log_variance, draw, 2), batch.x)
        return self.bound(cost, (mean.square() + log_variance.exp()).sum(-1))

    subject = made(base, **({"loss": elbo} if base is ElboVariant else {}))
    assert mathematics.gradients_are_derivatives(subject) is None
    assert mathematics.gradients_reach_parameters(subject) is None


def test_buffers_that_a_gradient_needs_are_left_alone():
    """A mask of a product is needed backwards; putting its own values back would count as a change."""

    def with_mask(self, context):
        self.register_buffer("mask", torch.ones(context.latent_dim))

    def masked(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encoder(batch.x) * self.mask, batch.x)}

    subject = made(setup=with_mask, loss=masked)
    assert mathematics.gradients_are_derivatives(subject) is None
    assert mathematics.gradients_reach_parameters(subject) is None


@pytest.mark.parametrize("loss", [detached, wrong_backward, single])
def test_gradients_that_are_no_derivatives_are_found(loss):
    with pytest.raises(AssertionError, match="loss"):
        mathematics.gradients_are_derivatives(made(loss=loss))


def test_gradients_that_are_declared_not_to_be_derivatives_are_left():
    assert "on purpose" in mathematics.gradients_are_derivatives(made(loss=detached, straight_through=True))


def with_scale(self, context):
    self.scale = torch.nn.Parameter(torch.ones(()))


@pytest.mark.parametrize(("untrained", "lost"), [((), "scale"), (("scale",), None), (("scale", "decoder."), "decoder")])
def test_parameters_without_gradient_are_named(untrained, lost):
    subject = made(setup=with_scale, untrained=untrained)
    if lost is None:
        assert mathematics.gradients_reach_parameters(subject) is None
    else:
        with pytest.raises(AssertionError, match=lost):
            mathematics.gradients_reach_parameters(subject)


def with_buffer(self, context):
    self.register_buffer("centre", torch.zeros(context.latent_dim))


def returning(value):
    def loss(self, batch, draw):
        z = self.encoder(batch.x)
        return {"loss": self.reconstruction_cost(z, batch.x)}, {"centre": value(z)}

    return loss


def test_pure_buffers_pass_and_impure_ones_are_found():
    right = made(setup=with_buffer, loss=returning(lambda z: z.detach().mean(0)))
    assert mathematics.buffers_are_pure(right) is None
    with pytest.raises(AssertionError, match="other values"):
        mathematics.buffers_are_pure(made(setup=with_buffer, loss=returning(lambda z: torch.rand_like(z.detach()[0]))))
    with pytest.raises(AssertionError, match="detach"):
        mathematics.buffers_are_pure(made(setup=with_buffer, loss=returning(lambda z: z.mean(0))))

    def in_place(self, batch, draw):
        self.centre.copy_(self.centre + 1)
        return Plain.loss(self, batch, draw)

    assert "in place" in mathematics.buffers_are_pure(made(setup=with_buffer, loss=in_place))


def sphere(self, z):
    return torch.nn.functional.normalize(z, dim=-1)


def on_the_sphere(self, x):
    return torch.nn.functional.normalize(self.encoder(x), dim=-1)


class Spherical(Distribution):
    def __init__(self, latent_dim):
        super().__init__(event_shape=torch.Size([latent_dim]), validate_args=False)

    def sample(self, sample_shape=()):
        return torch.nn.functional.normalize(torch.randn(*sample_shape, *self.event_shape), dim=-1)


def test_a_projection_that_keeps_codes_and_draws_passes():
    right = {"project": sphere, "encode": on_the_sphere, "prior": lambda self: Spherical(self.latent_dim)}
    assert mathematics.projects_on_codes(made(**right)) is None
    wrong = {
        "a projected code": {"project": lambda self, z: z / 2},
        "a code of encode": {"encode": Plain.encode},
        "a draw of the prior": {"prior": lambda self: Normal(torch.zeros(self.latent_dim), 1.0)},
        "returns": {"project": lambda self, z: sphere(self, z)[..., :1]},
    }
    for words, methods in wrong.items():
        with pytest.raises(AssertionError, match=words):
            mathematics.projects_on_codes(made(**{**right, **methods}))


class AlongDraws(Distribution):
    """tanh of a normal, without `log_prob`; `error` is added to its log densities."""

    def __init__(self, loc, error=0.0):
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)
        self.loc, self.error = loc, error

    def sample_and_log_prob(self, shape=()):
        base = Normal(self.loc, 0.5, validate_args=False)
        u = base.sample(shape)
        z = torch.tanh(u)
        return z, (base.log_prob(u) - torch.log(1 - z**2)).sum(-1) + self.error


class Stated(AlongDraws):
    """The same with a `log_prob`, wrong by `error`."""

    def log_prob(self, z):
        u = torch.atanh(z)
        return (Normal(self.loc, 0.5, validate_args=False).log_prob(u) - torch.log(1 - z**2)).sum(-1)


@pytest.mark.parametrize("kind", [AlongDraws, Stated])
def test_densities_along_draws_are_integrated(kind):
    right = made(posterior=lambda self, x: kind(self.encoder(x)))
    assert mathematics.posterior_weighs_its_draws(right) is None
    for error in (0.1, -0.1):
        with pytest.raises(AssertionError, match="log_prob"):
            mathematics.posterior_weighs_its_draws(made(posterior=lambda self, x, e=error: kind(self.encoder(x), e)))
    assert "no posterior" in mathematics.posterior_weighs_its_draws(made(GaussianVariant))


def of_normal(scale, slip=0.0):
    def log_likelihood(self, z, x):
        return Normal(self.decode(z), scale).log_prob(x).flatten(z.dim() - 1).sum(-1) + slip

    return log_likelihood


def student(self, z, x):
    return torch.distributions.StudentT(1.5, self.decode(z), 0.3).log_prob(x).sum(-1)


def continuous_bernoulli(self, z, x):
    return torch.distributions.ContinuousBernoulli(logits=self.decode(z), validate_args=False).log_prob(x).sum(-1)


def binary(self, z, x):
    return torch.distributions.Bernoulli(logits=self.decode(z), validate_args=False).log_prob(x).sum(-1)


@pytest.mark.parametrize("density", [of_normal(0.02), of_normal(30.0), student, continuous_bernoulli, binary])
def test_densities_of_data_pass(density):
    assert mathematics.likelihood_is_a_density(made(log_likelihood=density)) is None


@pytest.mark.parametrize("density", [of_normal(1.0, 0.01), of_normal(1.0, -math.log(2)),
                                     lambda self, z, x: -(self.decode(z) - x).square().sum(-1)])  # fmt: skip
def test_what_is_no_density_is_found(density):
    with pytest.raises(AssertionError, match="integrates to"):
        mathematics.likelihood_is_a_density(made(log_likelihood=density))


def test_a_likelihood_of_the_wrong_shape_is_found():
    with pytest.raises(AssertionError, match="expected"):
        mathematics.likelihood_is_a_density(made(log_likelihood=lambda self, z, x: torch.zeros(len(x))))
    assert mathematics.likelihood_is_a_density(made()) == "no log_likelihood of its own"
    assert LATENT_DIM == 3


def of_norm(self, x):
    return self.encoder(x).norm(dim=1)


def test_a_score_of_each_row_by_itself_passes():
    assert mathematics.scores_rows(made(anomaly_score=of_norm)) is None
    assert mathematics.scores_rows(made()) == "no anomaly_score of its own"


@pytest.mark.parametrize(
    "score, said",
    [
        (lambda self, x: of_norm(self, x) + torch.randn(len(x)), "of the same rows again"),
        (lambda self, x: of_norm(self, x).cumsum(0), "in another order"),
        (lambda self, x: of_norm(self, x).log() * torch.nan, "no finite number"),
        (lambda self, x: self.encoder(x), r"has shape \(24, 3\); return one number for each row"),
        (lambda self, x: 1.0, r"has shape \(\)"),
    ],
)
def test_a_score_that_draws_mixes_rows_or_has_another_shape_is_found(score, said):
    with pytest.raises((AssertionError, PluginError), match=said):
        mathematics.scores_rows(made(anomaly_score=score))
