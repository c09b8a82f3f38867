"""The one-pass kernels, run eagerly and compiled, against autograd through torch's own functions."""

import math

import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from bench.errors import UsageError
from bench.losses import ReconstructionCost
from bench.throughput import onepass
from bench.throughput.workload import VARIANTS, Inputs, OnePass, Shape, idiom, losses
from bench.train.replay import compiler as compiling
from bench.train.replay.compiler import Compiler, compiled, compiler_for

CPU = torch.device("cpu")
EAGER = Compiler(False, "eager", "")
TORCH = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
COSTS = [ReconstructionCost("squared"), ReconstructionCost("bernoulli"), ReconstructionCost("gaussian", 0.5)]


@pytest.fixture(scope="module")
def inductor():
    found = compiler_for(CPU)
    if not found.works:
        pytest.skip(found.reason)
    return found


def reference(inputs, noise):
    """Rows and gradients by autograd in float64, with torch's losses and the textbook KL."""
    shape = inputs.shape
    params, mean, log_variance = (leaf.detach().double().requires_grad_() for leaf in inputs.leaves())
    x = inputs.x.double()
    if shape.cost.name == "bernoulli":
        rows = F.binary_cross_entropy_with_logits(params, x, reduction="none").sum(-1)
    else:
        factor = 0.5 / shape.cost.scale**2 if shape.cost.name == "gaussian" else 1.0
        rows = factor * (params - x).square().sum(-1)
    leaves = [params]
    total = rows
    if shape.penalised:
        total = rows + 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
    outputs, seeds = [total.mean()], [None]
    if shape.draws:
        leaves += [mean, log_variance]
        z = mean + (0.5 * log_variance).exp() * noise.double()
        outputs.append(z)
        seeds.append(inputs.code_gradient.double())
    return total.detach(), torch.autograd.grad(outputs, leaves, seeds)


def check_one_pass(shape, compiler):
    inputs = Inputs(shape, CPU)
    one_pass = OnePass(inputs, True, compiler)
    rows = one_pass()
    exact_rows, exact_gradients = reference(inputs, inputs.noise)
    torch.testing.assert_close(rows.double(), exact_rows, rtol=3e-6, atol=1e-5)
    for own, exact in zip(one_pass.gradients(), exact_gradients, strict=True):
        torch.testing.assert_close(own.double(), exact, rtol=1e-5, atol=1e-6)
    if shape.draws:
        codes = inputs.mean + (0.5 * inputs.log_variance).exp() * inputs.noise
        torch.testing.assert_close(one_pass.codes, codes)
    forward = OnePass(inputs, False, compiler)()
    if shape.cost.name != "bernoulli" or not shape.draws:
        torch.testing.assert_close(forward.double(), exact_rows, rtol=3e-6, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("cost", COSTS, ids=str)
def test_eager_one_pass(variant, cost):
    check_one_pass(Shape(variant, cost, 6, 37, 5), EAGER)


@pytest.mark.parametrize(("variant", "cost"), [("vae", COSTS[0]), ("stochastic-ae", COSTS[1]), ("vae", COSTS[2])])
def test_compiled_one_pass(variant, cost, inductor):
    torch.compiler.reset()
    check_one_pass(Shape(variant, cost, 5, 35, 3), inductor)


@pytest.mark.skipif(TORCH < (2, 14), reason="promised from torch 2.14 on: 2.6 writes intermediates out")
def test_compiled_steps_keep_rows_whole(inductor):
    """Each step is one loop over rows with one result buffer: a second buffer would be an intermediate written out."""
    from torch._inductor.utils import run_and_get_code

    params, x, gradient, zeros = torch.randn(64, 784), torch.rand(64, 784), torch.empty(64, 784), torch.zeros(64)
    for step, extra in ((onepass.squared_step, ()), (onepass.bernoulli_step, (zeros,))):
        torch.compiler.reset()
        fast = torch.compile(step, dynamic=False, fullgraph=True)
        _, (code, *_) = run_and_get_code(fast, params, x, 0.1, gradient, *extra)
        buffers, loops = code.count("empty_strided_cpu("), code.count("for(int64_t x0")
        assert (buffers, loops) == (1, 1), f"{step.__name__}: {buffers} new buffers, {loops} passes"


@pytest.mark.parametrize("variant", VARIANTS)
def test_paths_agree_on_gradients(variant):
    """The idiom and `bench.losses` compute what the one-pass kernels do (the draws differ, so only x̂'s is compared)."""
    for cost in COSTS:
        inputs = Inputs(Shape(variant, cost, 4, 9, 3), CPU)
        one_pass = OnePass(inputs, True, EAGER)
        one_pass()
        for path in (idiom, losses):
            torch.testing.assert_close(path(inputs, True)()[0], one_pass.gradient, rtol=1e-5, atol=1e-6)
            assert torch.isfinite(path(inputs, False)())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log1p_and_excess(dtype):
    e = torch.linspace(0, 1, 10001, dtype=dtype)
    exact = torch.log1p(e.double())
    assert (onepass._log1p(e).double() - exact).abs().max() < (2e-7 if dtype == torch.float32 else 1e-15)
    v = torch.cat([torch.linspace(-30, 20, 10001, dtype=dtype), torch.logspace(-8, -0.3, 200, dtype=dtype)])
    excess = onepass._excess(v, torch.exp(0.5 * v))
    precision = 64 * torch.finfo(dtype).eps
    torch.testing.assert_close(excess.double(), torch.expm1(v.double()), rtol=precision, atol=0)


def test_extreme_logits_of_the_one_pass_step():
    logits = torch.tensor([[1e4, -1e4, 1e4, -1e4, 0.0]])
    x = torch.tensor([[1.0, 0.0, 0.25, 0.5, 1.0]])
    gradient = torch.empty_like(logits)
    rows = onepass.bernoulli_step(logits, x, 1.0, gradient, torch.zeros(1))
    torch.testing.assert_close(rows, torch.tensor([7500.0 + 5000.0 + math.log(2)]))
    torch.testing.assert_close(gradient, torch.tensor([[0.0, 0.0, 0.75, -0.5, -0.5]]))


def test_a_row_that_is_not_a_number_is_seen_in_its_gradient():
    params = torch.zeros(3, 4)
    params[1, 2] = math.nan
    gradient = torch.empty_like(params)
    rows = onepass.squared_step(params, torch.ones(3, 4), 0.5, gradient)
    assert rows.isnan().tolist() == [False, True, False]
    assert gradient.isnan().any(-1).tolist() == [False, True, False]


def test_squares_is_the_published_generator():
    """Against the paper's four rounds in Python's unbounded integers."""
    mask = (1 << 64) - 1

    def word(counter):
        y = counter * onepass._KEY & mask
        z = y + onepass._KEY & mask
        x = y * y + y & mask
        x = (x >> 32) | (x << 32) & mask
        x = x * x + z & mask
        x = (x >> 32) | (x << 32) & mask
        x = x * x + y & mask
        x = (x >> 32) | (x << 32) & mask
        return (x * x + z & mask) >> 32

    counters = torch.tensor([0, 1, 2, 12345, 2**31, 2**40 + 7])
    unsigned = [value % 2**32 for value in onepass.squares(counters).tolist()]
    assert unsigned == [word(counter) for counter in counters.tolist()]


def test_noise_is_standard_normal_and_independent():
    """Kolmogorov–Smirnov, moments, correlation with neighbours and the next call: fixed counters, no flakes."""
    counter = torch.zeros((), dtype=torch.int64)
    first, second = torch.empty(400, 500), torch.empty(400, 500)
    onepass.draw_noise(counter, first)
    onepass.draw_noise(counter, second)
    assert counter.item() == 400_000
    values = first.flatten().double()
    n = len(values)
    assert stats.kstest(values.numpy(), "norm").pvalue > 0.01
    assert abs(values.mean()) < 3 / n**0.5 and abs(values.var() - 1) < 3 * (2 / n) ** 0.5
    assert abs((values**4).mean() - 3) < 3 * (96 / n) ** 0.5
    for other in (values.roll(1), values.roll(500), second.flatten().double()):
        assert abs((values * other).mean()) < 3.5 / n**0.5
    assert torch.isfinite(first).all() and 4 < first.abs().max() < 6


def test_normal_quantile_against_scipy():
    u = torch.cat([torch.linspace(-0.999999, 0.999999, 4001, dtype=torch.float64), torch.tensor([1 - 2.0**-24])])
    exact = torch.from_numpy(stats.norm.ppf((u.numpy() + 1) / 2))
    assert (onepass._normal_quantile(u) - exact).abs().max() < 1e-5


def test_compiler_can_be_switched_off_and_says_so(monkeypatch):
    assert not compiler_for(CPU, "never").works
    monkeypatch.setenv(compiling.OPTION, "never")
    off = compiler_for(CPU)
    assert off.name == "eager" and compiling.OPTION in off.reason
    assert compiled(torch.exp, off) is torch.exp
    monkeypatch.setenv(compiling.OPTION, "perhaps")
    with pytest.raises(UsageError, match="known: auto, never"):
        compiler_for(CPU)


def test_a_broken_compiler_means_eager(monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("no C++ compiler found\nand a long story")

    monkeypatch.setattr(torch, "compile", broken)
    found = compiling._tried.__wrapped__("cpu")
    assert not found.works and found.name == "eager"
    assert "no C++ compiler found" in found.reason and "\n" not in found.reason


def test_a_compiler_that_computes_wrongly_is_not_used(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **options: lambda values: function(values) + 1)
    assert "wrong numbers" in compiling._tried.__wrapped__("cpu").reason
