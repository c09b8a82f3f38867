"""Costs, KL term and sampling against slow references, finite differences and themselves under `torch.vmap`."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.gradcheck import GradcheckError
from torch.nn import functional as F

from bench import losses
from bench.errors import UsageError
from bench.losses import ReconstructionCost, autograd, bound_log_variance, formulas, gaussian_kl, sample_normal

DENSITIES = [
    ReconstructionCost("laplace", 0.4),
    ReconstructionCost("student-t", 0.7, 2.5),
    ReconstructionCost("continuous-bernoulli"),
]
COSTS = [
    ReconstructionCost("squared"),
    ReconstructionCost("bernoulli"),
    ReconstructionCost("gaussian", 0.3),
    *DENSITIES,
]
DIMENSIONS = [1, 2, 3, 16, 37, 64, 784]


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def data(*shape, seed=1, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def continuous_bernoulli(logits, x):
    """-ln [C p^x (1-p)^(1-x)] with C = l / (2 tanh(l/2)) · 2, C(0) = 2; by series of ∫ e^(lx) dx = (e^l - 1)/l."""
    mass = torch.where(logits == 0, 1.0, torch.expm1(logits) / torch.where(logits == 0, 1.0, logits))
    return mass.log() - logits * x


def reference(cost, params, x):
    """The cost by torch's own distributions and losses, term by term."""
    target = x.expand(params.shape)
    if cost.name == "bernoulli":
        terms = F.binary_cross_entropy_with_logits(params, target, reduction="none")
    elif cost.name == "squared":
        terms = (params - target) ** 2
    elif cost.name == "continuous-bernoulli":
        terms = continuous_bernoulli(params, target)
    elif cost.name == "laplace":
        terms = -torch.distributions.Laplace(params, cost.scale).log_prob(target)
    elif cost.name == "student-t":
        terms = -torch.distributions.StudentT(cost.df, params, cost.scale).log_prob(target)
    else:
        terms = -torch.distributions.Normal(params, cost.scale).log_prob(target)
    return terms.flatten(terms.dim() - (x.dim() - 1)).sum(-1)


@pytest.mark.parametrize("cost", COSTS, ids=str)
@pytest.mark.parametrize("d", DIMENSIONS)
def test_cost_equals_reference(cost, d):
    params, x = 3 * normal(5, d), data(5, d)
    torch.testing.assert_close(cost(params, x), reference(cost, params, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cost", COSTS, ids=str)
def test_images_and_several_draws(cost):
    params, x = normal(2, 3, 4, 1, 5, 5), data(4, 1, 5, 5)
    torch.testing.assert_close(cost(params, x), reference(cost, params, x), rtol=1e-12, atol=1e-12)
    assert cost(params, x).shape == (2, 3, 4)


@pytest.mark.parametrize("cost", COSTS, ids=str)
@pytest.mark.parametrize("lead", [(), (3,)], ids=["one draw", "three draws"])
@pytest.mark.parametrize("d", [1, 7, 32])
def test_cost_gradients(cost, lead, d):
    params = normal(*lead, 2, d).requires_grad_()
    x = data(2, d).requires_grad_()
    assert gradcheck(cost, (params, x))
    assert gradgradcheck(cost, (params, x))


@pytest.mark.parametrize("magnitude", [1.0, 30.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_stay_exact(magnitude, dtype):
    """Every sign of l against x in {0, ½, 1}: the cost is max(l, 0) - x l + ln(1 + e^-|l|), its slope σ(l) - x."""
    logits = torch.tensor([magnitude, -magnitude, 0.0], dtype=dtype).repeat_interleave(3).requires_grad_()
    x = torch.tensor([0.0, 0.5, 1.0], dtype=dtype).repeat(3)
    cost = ReconstructionCost("bernoulli")(logits[:, None], x[:, None])
    exact = [
        max(l, 0) - t * l + math.log1p(math.exp(-abs(l))) for l, t in zip(logits.tolist(), x.tolist(), strict=True)
    ]
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(cost, torch.tensor(exact, dtype=dtype), rtol=tolerance, atol=tolerance)
    (slope,) = torch.autograd.grad(cost.sum(), logits)
    torch.testing.assert_close(slope, torch.sigmoid(logits.detach()) - x, rtol=0, atol=0)


@pytest.mark.parametrize("d", [*DIMENSIONS, 4096])
def test_log_product_never_underflows(d):
    half = torch.full((2, d), 0.5)
    torch.testing.assert_close(formulas.log_product(half), torch.full((2,), -d * math.log(2)), rtol=1e-6, atol=0)


def test_float32_cost_of_a_large_image_keeps_single_precision():
    params, x = 3 * normal(64, 3072, dtype=torch.float32), data(64, 3072, dtype=torch.float32)
    for cost in COSTS:
        exact = reference(cost, params.double(), x.double())
        torch.testing.assert_close(cost(params, x).double(), exact, rtol=2e-6, atol=0)


@pytest.mark.parametrize("cost", COSTS, ids=str)
def test_non_contiguous_and_mixed_precision(cost):
    params, x = normal(6, 8), data(6, 8)
    expected = reference(cost, params, x)
    torch.testing.assert_close(cost(params.t().contiguous().t(), x.t().contiguous().t()), expected)
    strided = torch.stack([params, params], -1)[..., 0]
    torch.testing.assert_close(cost(strided, x), expected)
    single = params.float().requires_grad_()
    mixed = cost(single, x)
    assert mixed.dtype == torch.float64
    mixed.sum().backward()
    assert single.grad.dtype == torch.float32
    assert cost(params.bfloat16(), x.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_non_finite_rows_stay_visible_and_apart(bad):
    for cost in COSTS:
        params, x = normal(3, 8), data(3, 8)
        params[1, 2] = bad
        rows = cost(params, x)
        assert not torch.isfinite(rows[1])
        assert torch.isfinite(rows[[0, 2]]).all()


def objective(params, mean, raw, noise, x, cost):
    """All of the core at once, for one seed: a scalar that depends on every input."""
    log_variance = bound_log_variance(raw)
    z = sample_normal(mean, log_variance, noise)
    per_example = cost(params * z.mean(-1, keepdim=True), x)
    return (per_example.mean(0) + gaussian_kl(mean, log_variance).sum(-1)).sum()


@pytest.mark.parametrize("cost", COSTS, ids=str)
@pytest.mark.parametrize("shared_data", [False, True])
def test_stacked_seeds_equal_one_after_another(cost, shared_data):
    seeds, draws, b, latent, d = 3, 2, 4, 5, 9
    leaves = [normal(seeds, draws, b, d), normal(seeds, b, latent, seed=2), normal(seeds, b, latent, seed=3)]
    leaves = [leaf.requires_grad_() for leaf in leaves]
    noise = normal(seeds, draws, b, latent, seed=4)
    x = data(b, d) if shared_data else data(seeds, b, d)
    in_dims = (0, 0, 0, 0, None if shared_data else 0)
    stacked = torch.vmap(lambda *inputs: objective(*inputs, cost), in_dims=in_dims)(*leaves, noise, x)
    stacked_gradients = torch.autograd.grad(stacked.sum(), leaves)
    for seed in range(seeds):
        own = [leaf[seed].detach().requires_grad_() for leaf in leaves]
        single = objective(*own, noise[seed], x if shared_data else x[seed], cost)
        torch.testing.assert_close(stacked[seed], single, rtol=1e-12, atol=1e-12)
        for batched, alone in zip(stacked_gradients, torch.autograd.grad(single, own), strict=True):
            torch.testing.assert_close(batched[seed], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cost", COSTS, ids=str)
def test_stack_in_another_dimension_and_nested(cost):
    params, x = normal(2, 4, 3, 6), data(2, 4, 3, 6)
    expected = torch.stack(
        [torch.stack([cost(p, t) for p, t in zip(*pair, strict=True)]) for pair in zip(params, x, strict=True)]
    )
    torch.testing.assert_close(torch.vmap(torch.vmap(cost))(params, x), expected)
    torch.testing.assert_close(
        torch.vmap(cost, in_dims=(2, 2))(params[0].movedim(0, 2), x[0].movedim(0, 2)), expected[0]
    )


@pytest.mark.parametrize("cost", COSTS, ids=str)
def test_stack_over_data_alone(cost):
    params, x = normal(3, 6).requires_grad_(), data(4, 3, 6)
    stacked = torch.vmap(cost, in_dims=(None, 0))(params, x)
    torch.testing.assert_close(stacked, torch.stack([cost(params, own) for own in x]))
    expected = torch.autograd.grad(sum(cost(params, own).sum() for own in x), params)[0]
    torch.testing.assert_close(torch.autograd.grad(stacked.sum(), params)[0], expected)


@pytest.mark.parametrize("cost", COSTS, ids=str)
def test_functional_gradient_of_a_stack(cost):
    """`torch.func.grad` inside `torch.vmap` gives per-example gradients: those of autograd."""
    params, x = normal(4, 6), data(4, 6)
    per_example = torch.vmap(torch.func.grad(lambda p, t: cost(p[None], t[None])[0]))(params, x)
    leaf = params.clone().requires_grad_()
    torch.testing.assert_close(per_example, torch.autograd.grad(cost(leaf, x).sum(), leaf)[0])


def test_stack_mixes_batched_and_shared_noise():
    mean, log_variance, noise = normal(3, 4, 2), normal(3, 4, 2, seed=5), normal(4, 2, seed=6)
    stacked = torch.vmap(sample_normal, in_dims=(0, 0, None))(mean, log_variance, noise)
    torch.testing.assert_close(stacked, mean + (0.5 * log_variance).exp() * noise)


def test_kl_equals_torch_distributions():
    mean, log_variance = 2 * normal(6, 4), 3 * normal(6, 4, seed=2)
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    exact = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(torch.zeros(()), torch.ones(())))
    torch.testing.assert_close(gaussian_kl(mean, log_variance), exact.double(), rtol=1e-12, atol=1e-12)


def test_kl_and_sample_gradients():
    mean, log_variance = normal(3, 4).requires_grad_(), normal(3, 4, seed=2).requires_grad_()
    noise = normal(2, 3, 4, seed=3)
    assert gradcheck(gaussian_kl, (mean, log_variance)) and gradgradcheck(gaussian_kl, (mean, log_variance))
    assert gradcheck(lambda m, v: sample_normal(m, v, noise), (mean, log_variance))
    assert gradgradcheck(lambda m, v: sample_normal(m, v, noise), (mean, log_variance))


def test_kl_gradients_of_broadcast_moments():
    mean, log_variance = normal(3, 4).requires_grad_(), normal(1, 4, seed=2).requires_grad_()
    assert gradcheck(gaussian_kl, (mean, log_variance))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kl_over_the_whole_range_of_log_variances(dtype):
    """Against `expm1` in Python floats: exact near 0, finite at ±1e4 once bounded, never negative."""
    tiny = [10.0**-k for k in range(1, 12)]
    raw = torch.tensor([0.0, *tiny, *(-t for t in tiny), 5.0, -5.0, 20.0, -30.0, 1e4, -1e4], dtype=dtype)
    v = bound_log_variance(raw)
    kl = gaussian_kl(torch.zeros_like(v), v)
    exact = torch.tensor([0.5 * (math.expm1(t) - t) for t in v.tolist()], dtype=dtype)
    precision = torch.finfo(dtype).eps
    assert (kl >= 0).all() and torch.isfinite(kl).all()
    assert ((kl - exact).abs() <= 8 * precision * (v.abs() + v.exp() * (v.abs() > 0.5))).all()
    (slope,) = torch.autograd.grad(gaussian_kl(torch.zeros_like(v), v.requires_grad_()).sum(), v)
    expected = torch.tensor([0.5 * math.expm1(t) for t in v.tolist()], dtype=dtype)
    torch.testing.assert_close(slope, expected, rtol=16 * precision, atol=0)


def test_bounded_log_variance_passes_the_gradient_and_nan():
    low, high = losses.LOG_VARIANCE_BOUNDS
    raw = torch.tensor([-1e4, low, 0.3, high, 1e4, math.inf, math.nan]).requires_grad_()
    bounded = bound_log_variance(raw)
    torch.testing.assert_close(bounded[:6], torch.tensor([low, low, 0.3, high, high, high]))
    assert torch.isnan(bounded[6])
    weights = torch.arange(7.0)
    torch.testing.assert_close(torch.autograd.grad((bounded * weights)[:6].sum(), raw)[0][:6], weights[:6])


def test_gradients_of_a_planted_fault_are_caught(monkeypatch):
    """The checks above see a slope that is wrong by 1 %."""
    exact = formulas.bernoulli_rows
    monkeypatch.setattr(formulas, "bernoulli_rows", lambda l, x: (exact(l, x)[0], exact(l, x)[1] * 1.01))
    with pytest.raises(GradcheckError):
        gradcheck(ReconstructionCost("bernoulli"), (normal(2, 3).requires_grad_(), data(2, 3)))


def test_a_graph_can_be_walked_twice():
    params, x = normal(2, 3).requires_grad_(), data(2, 3)
    for cost in COSTS:
        rows = cost(params, x).sum()
        first = torch.autograd.grad(rows, params, retain_graph=True)[0]
        torch.testing.assert_close(torch.autograd.grad(rows, params)[0], first)


def test_functions_are_reached_by_the_public_interface(monkeypatch):
    called = []

    def spy(function):
        return SimpleNamespace(apply=lambda *tensors: called.append(function.__name__) or function.apply(*tensors))

    for name in ("SquaredRows", "BernoulliRows", "GaussianKL", "BoundLogVariance"):
        monkeypatch.setattr(autograd, name, spy(getattr(autograd, name)))
    x = data(2, 3)
    for cost in COSTS:
        cost(x, x)
    bound_log_variance(gaussian_kl(x, x))
    assert called == ["SquaredRows", "BernoulliRows", "SquaredRows", "GaussianKL", "BoundLogVariance"]


def test_unknown_cost_and_scale_are_refused():
    with pytest.raises(UsageError, match=r"known: bernoulli, .*, gaussian, laplace, ms-ssim, squared, student-t"):
        ReconstructionCost("l1")
    with pytest.raises(UsageError, match="above 0"):
        ReconstructionCost("gaussian", 0.0)


@pytest.mark.parametrize("cost", COSTS, ids=str)
def test_elements_add_up_to_the_cost(cost):
    params, x = 3 * normal(2, 4, 1, 5, 5), data(4, 1, 5, 5)
    elements = cost.elements(params, x)
    assert elements.shape == params.shape
    torch.testing.assert_close(elements.sum((-3, -2, -1)), cost(params, x), rtol=1e-12, atol=1e-12)
    assert cost.elements(params.bfloat16(), x.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("cost", [cost for cost in COSTS if cost.is_density], ids=str)
def test_a_density_integrates_to_one_and_has_the_stated_mean(cost):
    """Against quadrature; the Student-t and Laplace means are their locations."""
    from scipy.integrate import quad

    span = (0, 1) if cost.on_logits else (-math.inf, math.inf)
    for value in (0.0, 1e-4, 0.3, -0.49, 0.51, -4.0, 30.0):
        params = torch.tensor([[value]], dtype=torch.float64)

        def density(x, params=params):
            return float(torch.exp(-cost(params, torch.tensor([[x]], dtype=torch.float64))))

        if cost.name == "bernoulli":
            mass, mean = density(0) + density(1), density(1)
        else:
            mass = quad(density, *span, points=None if span[0] else [0.5])[0]
            mean = quad(lambda x: x * density(x), *span)[0]
        assert mass == pytest.approx(1, abs=2e-7)
        assert float(cost.mean(params)) == pytest.approx(mean, abs=2e-6)
        assert float(cost.mean(cost.params_of(cost.mean(params)))) == pytest.approx(mean, abs=1e-4)


@pytest.mark.parametrize("cost", DENSITIES, ids=str)
def test_the_distribution_of_a_density_is_the_cost(cost):
    params, x = normal(4, 6), data(4, 6)
    log_prob = cost.distribution(params).log_prob(x).sum(-1)
    torch.testing.assert_close(log_prob, -cost(params, x), rtol=1e-4, atol=1e-4)  # torch's series near ½ is coarse
    torch.testing.assert_close(cost.log_likelihood(params, x, None), -cost(params, x))
    assert cost.decoder_variance(0.5) is None


def test_float32_continuous_bernoulli_is_exact_around_zero():
    logits = torch.cat([torch.linspace(-2, 2, 4001), torch.tensor([1e-6, 1e-3, 60.0, -200.0])])
    x, cost = torch.full_like(logits, 0.3), ReconstructionCost("continuous-bernoulli")
    exact = continuous_bernoulli(logits.double(), x.double())
    torch.testing.assert_close(cost.elements(logits, x).double(), exact, rtol=1e-6, atol=3e-7)


def test_parameters_of_costs_are_told():
    assert [str(cost) for cost in DENSITIES] == [
        "laplace[scale=0.4]", "student-t[df=2.5,scale=0.7]", "continuous-bernoulli",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="student-t df 0 is out of range"):
        ReconstructionCost("student-t", df=0)
