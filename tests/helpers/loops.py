"""Training steps to compare with: the suite's own, a bare PyTorch loop, and the step's matrix products alone.

The model is the VAE d-h-(L, L) / L-h-d with ReLU, K of them stacked where `width` is above 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from bench.contracts.variant import Context, Variant
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.factories import networks_named
from bench.spec.registry import Registry
from bench.train import TrainPlan
from bench.train.batches import Rows
from bench.train.device import keep_freed_memory
from bench.train.loop import _Run

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Job:
    """One training job; the defaults are the default run's."""

    variant: str = "vae"
    dim: int = 64
    hidden: int = 256
    latent_dim: int = 8
    cost: str = "squared"
    batch_size: int = 128
    width: int = 1
    classes: int | None = None

    @property
    def head_width(self) -> int:
        return self.latent_dim * (1 if self.variant == "ae" else 2)

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each linear layer, in order."""
        return [(self.dim, self.hidden), (self.hidden, self.head_width), (self.latent_dim, self.hidden),
                (self.hidden, self.dim)]  # fmt: skip

    @property
    def flops(self) -> int:
        """Of one step of one model: forward, weight gradients, and input gradients of all layers but the first."""
        products = [2 * self.batch_size * inputs * outputs for inputs, outputs in self.layers]
        return 3 * sum(products) - products[0]

    def data(self) -> np.ndarray:
        return np.random.default_rng(0).random((10 * self.batch_size, self.dim), dtype=np.float32)


MNIST = Job(dim=784, hidden=400, latent_dim=20, cost="bernoulli")
DIGITS_STACK = Job(width=10)


def models(job: Job, **parameters) -> list[Variant]:
    """The K models of a job, by name from the registry."""
    plugin = Registry.discover().load("variant", job.variant)
    networks = networks_named("mlp", {"hidden": [job.hidden], "activation": "relu"})
    cost = ReconstructionCost(job.cost)
    contexts = [
        Context((job.dim,), job.latent_dim, cost, networks, seed, 10 * job.batch_size, job.classes, lambda: 0.05)
        for seed in range(job.width)
    ]
    return [attach(plugin(**parameters), context) for context in contexts]


def suite_step(
    job: Job, warm_up: int = 30, device: torch.device = CPU, compile: bool = False, **parameters
) -> Callable[[], None]:
    """One step of `bench.train` at a time, after as many as it takes to settle (recordings, allocator)."""
    keep_freed_memory()
    labels = None if job.classes is None else np.arange(10 * job.batch_size) % job.classes
    rows = Rows(job.data(), labels, device)
    plan = TrainPlan(steps=1_000_000, batch_size=job.batch_size, optimizer_params={"lr": 1e-3}, compile=compile)
    run = _Run(
        [model.to(device) for model in models(job, **parameters)], list(range(job.width)), rows, rows, plan, device
    )
    run.stack.train_mode(True)

    def step() -> None:
        if run.tracker._count == run.tracker._interval:
            run.tracker._count = 0  # the history of an interval is not looked at here
        run.one_step()

    for _ in range(warm_up):
        step()
    return step


def bare_step(job: Job, data: np.ndarray | None = None) -> Callable[[], None]:
    """What a careful user writes: data in memory, `randperm` batches, autograd, fused Adam; one model."""
    torch.manual_seed(0)
    x = torch.from_numpy(job.data() if data is None else data)
    encoder = nn.Sequential(nn.Linear(job.dim, job.hidden), nn.ReLU(), nn.Linear(job.hidden, job.head_width))
    decoder = nn.Sequential(nn.Linear(job.latent_dim, job.hidden), nn.ReLU(), nn.Linear(job.hidden, job.dim))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3, fused=True)
    order = torch.randperm(len(x))
    position = 0

    def step() -> None:
        nonlocal position, order
        if position + job.batch_size > len(order):
            position, order = 0, torch.randperm(len(x))
        batch = x[order[position : position + job.batch_size]]
        position += job.batch_size
        mean, log_variance = encoder(batch).chunk(2, -1)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        if job.cost == "bernoulli":
            rows = F.binary_cross_entropy_with_logits(decoder(z), batch, reduction="none").sum(-1)
        else:
            rows = F.mse_loss(decoder(z), batch, reduction="none").sum(-1)
        kl = -0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum(-1)
        optimizer.zero_grad()
        (rows + kl).mean().backward()
        optimizer.step()

    return step


def matrix_products(job: Job) -> Callable[[], None]:
    """The step's matrix products alone, into buffers that are reused: the floor of a step."""
    generator = torch.Generator().manual_seed(0)

    def normal(*size: int) -> torch.Tensor:
        stacked = (job.width, *size) if job.width > 1 else size
        return torch.randn(stacked, generator=generator)

    b = job.batch_size
    calls = []
    for place, (inputs, outputs) in enumerate(job.layers):
        x, weight, y, grad = normal(b, inputs), normal(outputs, inputs), normal(b, outputs), normal(b, outputs)
        calls.append((x, weight.mT, y))
        calls.append((grad.mT, x, torch.empty_like(weight)))
        if place > 0:
            calls.append((grad, weight, torch.empty_like(x)))
    product = torch.bmm if job.width > 1 else torch.mm

    def step() -> None:
        for left, right, out in calls:
            product(left, right, out=out)

    return step
