"""Small float64 models of any variant by name, with given weights, data and draws, for tests of their losses."""

import torch

from bench.contracts.variant import Batch, Context
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.factories import mlp
from bench.spec.registry import Registry
from bench.train.noise import GeneratorDraw

REGISTRY = Registry.discover()
LATENT, SHAPE, N_TRAIN, CLASSES, NAT = 3, (1, 2, 3), 40, 3, 0.1


def data(rows=7, seed=1):
    """x (rows, *SHAPE) in [0, 1], float64."""
    return torch.rand((rows, *SHAPE), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(rows=7):
    """y (rows,), every class in turn."""
    return torch.arange(rows) % CLASSES


def model_of(name, *, seed=0, latent=LATENT, cost="squared", hidden=(8,), activation="tanh", **params):
    """An attached float64 model with weights of `seed`; λ_auto is `NAT`."""
    make, networks = REGISTRY.load("variant", name), mlp(hidden, activation)
    context = Context(SHAPE, latent, ReconstructionCost(cost), networks, seed, N_TRAIN, CLASSES, lambda: NAT)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return attach(make(**params), context).double()


class Draw64(GeneratorDraw):
    """Draws in float64; `noted` are those handed out, in order."""

    def __init__(self, seed=0):
        super().__init__(torch.Generator().manual_seed(seed))
        self.noted = []

    def _filled(self, kind, shape, dtype):
        value = super()._filled(kind, shape, dtype)
        self.noted.append(value.double() if value.is_floating_point() else value)
        return self.noted[-1]


def outcome(model, x, draw=None, progress=1.0, y=None):
    """(terms, new buffers) of one call of the loss."""
    batch = Batch(x, labels(len(x)) if y is None else y, torch.tensor(progress, dtype=x.dtype), N_TRAIN)
    result = model.loss(batch, draw or Draw64())
    return result if isinstance(result, tuple) else (result, {})


def terms(model, x, draw=None, progress=1.0, y=None):
    """The terms of one call of the loss."""
    return outcome(model, x, draw, progress, y)[0]


def number(value):
    """A number from a tensor of one, without its graph."""
    return value.detach().item() if isinstance(value, torch.Tensor) else float(value)


def slopes(model, term):
    """Gradient of a term's mean with respect to each parameter of encoder and decoder that it reaches."""
    named = {name: value for name, value in model.named_parameters() if name.startswith(("encoder.", "decoder."))}
    found = torch.autograd.grad(term.mean(), list(named.values()), allow_unused=True, retain_graph=True)
    return {name: gradient for name, gradient in zip(named, found, strict=True) if gradient is not None}


def assert_same_loss(one, other, tolerance=0.0, rows=7, progress=1.0):
    """The losses of two models agree per example on the same draws, and so do their gradients."""
    x = data(rows)
    first, second = (terms(model, x, Draw64(5), progress)["loss"] for model in (one, other))
    torch.testing.assert_close(first, second, rtol=0, atol=tolerance)
    ours, theirs = slopes(one, first), slopes(other, second)
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        assert torch.allclose(gradient, theirs[name], rtol=0, atol=tolerance), name


def assert_other_loss(one, other):
    """The losses of two models differ by more than rounding."""
    first, second = (terms(model, data(), Draw64(5))["loss"] for model in (one, other))
    assert (first - second).abs().max() > 1e-4
