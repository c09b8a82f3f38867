"""What is timed: the core of one variant and cost on given tensors, in three ways that compute the same numbers.

The total is the mean over the batch of cost + λ KL (λ = 1); z receives a given gradient, as from a decoder.
Shapes: x̂ and x (B, d); μ, v, ε and the gradient of z (B, L).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.losses import ReconstructionCost, bound_log_variance, formulas, gaussian_kl, sample_normal
from bench.throughput import onepass
from bench.train.replay.compiler import Compiler, compiled

VARIANTS = ("ae", "stochastic-ae", "vae")
#: Bytes of a float32 number.
_WIDTH = 4


@dataclass(frozen=True)
class Shape:
    """One point of the measurement: variant, reconstruction cost, batch size, data and latent dimension."""

    variant: str
    cost: ReconstructionCost
    batch_size: int
    dim: int
    latent_dim: int

    @property
    def draws(self) -> bool:
        return self.variant != "ae"

    @property
    def penalised(self) -> bool:
        return self.variant == "vae"

    def bytes_moved(self, backward: bool) -> int:
        """Bytes that cannot be avoided: inputs read once, results written once (noise is drawn into a result)."""
        data = (3 if backward else 2) * self.dim  # x, x̂ → gradient
        latent = 4 * self.latent_dim  # μ, v, ε → z
        if backward:
            latent += 3 * self.latent_dim  # gradient of z → gradients of μ, v
        return self.batch_size * _WIDTH * (data + (latent if self.draws else 0))


class Inputs:
    """The given tensors of one shape on one device, the same numbers for every path."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        self.shape = shape
        self.device = device
        self.generator = torch.Generator(device=device).manual_seed(0)
        b, d, latent = shape.batch_size, shape.dim, shape.latent_dim
        self.params = self._normal(b, d)
        self.x = torch.rand(b, d, device=device, generator=self.generator)
        self.mean, self.log_variance, self.code_gradient = (self._normal(b, latent) for _ in range(3))
        self.log_variance.mul_(0.5)
        self.noise = torch.empty(b, latent, device=device)

    def _normal(self, *size: int) -> Tensor:
        return torch.randn(*size, device=self.device, generator=self.generator)

    def leaves(self) -> list[Tensor]:
        """x̂, μ, v as leaves of a fresh graph."""
        return [tensor.detach().clone().requires_grad_() for tensor in (self.params, self.mean, self.log_variance)]


def idiom(inputs: Inputs, backward: bool) -> Callable[[], object]:
    """The common PyTorch way: `randn_like`, `F.*` without reduction, the textbook KL, autograd."""
    shape, x = inputs.shape, inputs.x

    def loss(params: Tensor, mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor | None]:
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean) if shape.draws else None
        if shape.cost.name == "bernoulli":
            rows = F.binary_cross_entropy_with_logits(params, x, reduction="none").sum(-1)
        else:
            rows = F.mse_loss(params, x, reduction="none").sum(-1)
        if shape.cost.name == "gaussian":
            rows = 0.5 * rows / shape.cost.scale**2
        if shape.penalised:
            rows = rows - 0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum(-1)
        return rows.mean(), z

    return _under_autograd(inputs, loss, backward)


def losses(inputs: Inputs, backward: bool) -> Any:
    """What training runs: the functions of `bench.losses` under autograd, noise drawn by a generator."""
    shape, x = inputs.shape, inputs.x

    def loss(params: Tensor, mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor | None]:
        rows, z = shape.cost(params, x), None
        if shape.draws:
            log_variance = bound_log_variance(log_variance)
            z = sample_normal(mean, log_variance, inputs.noise.normal_(generator=inputs.generator))
        if shape.penalised:
            rows = rows + gaussian_kl(mean, log_variance).sum(-1)
        return rows.mean(), z

    run: Any = _under_autograd(inputs, loss, backward)
    run.generators = (inputs.generator,)
    return run


def _under_autograd(inputs: Inputs, loss: Callable, backward: bool) -> Callable[[], object]:
    leaves = inputs.leaves()

    def step() -> list[Tensor]:
        for leaf in leaves:
            leaf.grad = None
        total, z = loss(*leaves)
        if z is None:
            total.backward()
        else:
            torch.autograd.backward([total, z], [None, inputs.code_gradient])
        return [leaf.grad for leaf in leaves if leaf.grad is not None]

    def value() -> Tensor:
        with torch.no_grad():
            return loss(*leaves)[0]

    return step if backward else value


class OnePass:
    """Value and gradients together, phase by phase, into buffers that every call reuses.

    Calling the object runs all phases and returns cost + KL per row, (B,); `draw`, `latent` (draws included) and `cost`
    can be timed alone.
    """

    def __init__(self, inputs: Inputs, backward: bool, compiler: Compiler) -> None:
        shape = inputs.shape
        self.inputs, self.shape, self.backward = inputs, shape, backward
        self._compiled = compiler.works
        self.generators = () if compiler.works else (inputs.generator,)
        self.codes, self.by_mean, self.by_log_variance = (torch.empty_like(inputs.mean) for _ in range(3))
        self.gradient = torch.empty_like(inputs.params) if backward or not compiler.works else None
        self._kl: Tensor | None = None
        self._counter = torch.zeros((), dtype=torch.int64, device=inputs.device)
        if compiler.works:
            self._noise = compiled(onepass.draw_noise, compiler)
            self._draw = compiled(onepass.draw_codes if shape.penalised else onepass.sample_codes, compiler)
            pull_back = onepass.pull_back_codes if shape.penalised else onepass.pull_back_sample
            self._pull_back = compiled(pull_back, compiler)
            self._cost = self._compiled_cost(compiler)
        else:
            self._scratch = torch.empty_like(inputs.params)
            self._deviation = torch.empty_like(inputs.mean)
            self._cost = self._eager_cost

    def __call__(self) -> Tensor:
        self.latent()
        rows = self.cost()
        return rows if self._kl is None else rows + self._kl

    def draw(self) -> None:
        """Fill the noise."""
        if self._compiled:
            self._noise(self._counter, self.inputs.noise)
        else:
            self.inputs.noise.normal_(generator=self.inputs.generator)

    def latent(self) -> None:
        """Noise, z and KL, and after them the gradients of μ and v."""
        if not self.shape.draws:
            return
        if self._compiled:
            self._compiled_latent()
        else:
            self._eager_latent()

    def cost(self) -> Tensor:
        """The reconstruction cost per row, (B,), and the gradient of x̂."""
        return self._cost(self.inputs.params, self.inputs.x)

    def gradients(self) -> list[Tensor]:
        """The gradients of x̂, and of μ and v where the variant draws, after a call with `backward`."""
        by_mean = self.by_mean if self.shape.penalised else self.inputs.code_gradient
        return [self.gradient, *((by_mean, self.by_log_variance) if self.shape.draws else ())]

    def _compiled_latent(self) -> None:
        given = self.inputs
        self._kl = self._draw(self._counter, given.mean, given.log_variance, given.noise, self.codes)
        if not self.backward:
            return
        if self.shape.penalised:
            self._pull_back(given.mean, given.log_variance, given.noise, given.code_gradient,
                            1 / self.shape.batch_size, self.by_mean, self.by_log_variance)  # fmt: skip
        else:
            self._pull_back(given.log_variance, given.noise, given.code_gradient, self.by_log_variance)

    def _eager_latent(self) -> None:
        given = self.inputs
        self.draw()
        deviation = torch.mul(given.log_variance, 0.5, out=self._deviation).exp_()
        torch.addcmul(given.mean, deviation, given.noise, out=self.codes)
        if self.shape.penalised:
            terms, excess = formulas.kl_terms(given.mean, given.log_variance)
            self._kl = terms.sum(-1)
        if not self.backward:
            return
        pulled = torch.mul(given.code_gradient, deviation.mul_(given.noise), out=self.by_log_variance)
        if self.shape.penalised:
            weight = 1 / self.shape.batch_size
            pulled.add_(excess, alpha=weight)
            torch.add(given.code_gradient, given.mean, alpha=weight, out=self.by_mean)
        pulled.mul_(0.5)

    @property
    def _factor(self) -> float:
        """A row of the cost over a row of its squared or Bernoulli kernel."""
        return 0.5 / self.shape.cost.scale**2 if self.shape.cost.name == "gaussian" else 1.0

    def _compiled_cost(self, compiler: Compiler) -> Callable[[Tensor, Tensor], Tensor]:
        bernoulli, factor, gradient = self.shape.cost.name == "bernoulli", self._factor, self.gradient
        if not self.backward:
            rows = compiled(onepass.bernoulli_rows if bernoulli else onepass.squared_rows, compiler)
            return rows if factor == 1 else lambda params, x: rows(params, x) * factor
        weight = factor / self.shape.batch_size
        if bernoulli:
            step, zeros = compiled(onepass.bernoulli_step, compiler), torch.zeros_like(self.inputs.params[:, 0])
            return lambda params, x: step(params, x, weight, gradient, zeros)
        step = compiled(onepass.squared_step, compiler)
        if factor == 1:
            return lambda params, x: step(params, x, weight, gradient)
        return lambda params, x: step(params, x, weight, gradient) * factor

    def _eager_cost(self, params: Tensor, x: Tensor) -> Tensor:
        factor = self._factor
        if self.shape.cost.name == "bernoulli":
            rows, slope = formulas.bernoulli_rows(params, x, self.gradient, self._scratch)
        else:
            rows, slope = formulas.squared_rows(params, x, self.gradient)
        if self.backward:
            slope.mul_((1 if self.shape.cost.name == "bernoulli" else 2 * factor) / self.shape.batch_size)
        return rows * factor
