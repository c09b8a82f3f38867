"""What the built-in networks share: activations by name and how weights start."""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import nn

from bench.errors import unknown_name

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": functools.partial(nn.ReLU, inplace=True),  # neither Linear nor a convolution keeps a copy of its output
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "leaky_relu": nn.LeakyReLU,
    "identity": nn.Identity,
}
#: How weights start: as torch's layers do (uniform within ±1/√fan-in, biases too), or after Glorot and Bengio (2010,
#: uniform within ±√(6/(fan-in + fan-out)), biases 0), which is what Keras does.
INITS = ("torch", "glorot")
_LINEAR_MAPS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def activation_named(name: str) -> Callable[[], nn.Module]:
    """The activation's class; `UsageError` with the nearest names for an unknown one."""
    if name not in ACTIVATIONS:
        raise unknown_name("activation", str(name), ACTIVATIONS)
    return ACTIVATIONS[name]


def initialiser(name: str) -> Callable[..., None]:
    """A function that sets the initial weights of every layer of the networks it is given, as `INITS` describes.

    Raises:
        UsageError: an unknown name.
    """
    if name not in INITS:
        raise unknown_name("init", str(name), INITS)

    def initialise(*networks: nn.Module) -> None:
        if name == "torch":
            return
        for network in networks:
            for layer in network.modules():
                if isinstance(layer, _LINEAR_MAPS):
                    nn.init.xavier_uniform_(layer.weight)
                    assert layer.bias is not None
                    nn.init.zeros_(layer.bias)

    return initialise
