"""What the built-in networks share: activations and normalisations by name, and how weights start."""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import Tensor, nn

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
#: How weights start: as torch's layers do (uniform within ±1/√fan-in, biases too); or with biases 0 after Glorot and
#: Bengio (2010, uniform within ±√(6/(fan-in + fan-out))), which is what Keras does, after He et al. (2015, uniform
#: within ±√(6/fan-in)), or orthogonal (Saxe et al. 2014).
INITS: dict[str, Callable[[nn.Module], Tensor] | None] = {
    "torch": None,
    "glorot": lambda layer: nn.init.xavier_uniform_(_weight(layer)),
    # torch takes a transposed convolution's inputs for its outputs
    "he": lambda layer: nn.init.kaiming_uniform_(
        _weight(layer), mode="fan_out" if isinstance(layer, _TRANSPOSED) else "fan_in", nonlinearity="relu"
    ),
    "orthogonal": lambda layer: nn.init.orthogonal_(_weight(layer)),
}
#: What stands between a layer and its activation, by name, for (B, width), (B, width, H, W) and (B, width, T): nothing,
#: batch normalisation (Ioffe and Szegedy 2015) or normalisation over the layer of one example (Ba et al. 2016). Batch
#: normalisation writes its running statistics in place, so that steps are stacked over seeds but not recorded.
NORMS: dict[str, tuple[Callable[[int], nn.Module], ...] | None] = {
    "none": None,
    "batch": (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm1d),
    "layer": (nn.LayerNorm, *[functools.partial(nn.GroupNorm, 1)] * 2),
}
_TRANSPOSED: tuple[type[nn.ConvTranspose1d], type[nn.ConvTranspose2d]] = (nn.ConvTranspose1d, nn.ConvTranspose2d)
_LINEAR_MAPS = (nn.Linear, nn.Conv1d, nn.Conv2d, *_TRANSPOSED)


def activation_named(name: str) -> Callable[[], nn.Module]:
    """The activation's class; `UsageError` with the nearest names for an unknown one."""
    if name not in ACTIVATIONS:
        raise unknown_name("activation", str(name), ACTIVATIONS)
    return ACTIVATIONS[name]


def _weight(layer: nn.Module) -> Tensor:
    assert isinstance(layer.weight, Tensor)
    return layer.weight


def norm_named(name: str, images: bool = False, sequences: bool = False) -> Callable[[int], list[nn.Module]]:
    """A function from a width to the layers that normalise it, one or none: of (B, width), of (B, width, H, W)
    for `images` or of (B, width, T) for `sequences`.

    Raises:
        UsageError: an unknown name.
    """
    if name not in NORMS:
        raise unknown_name("norm", str(name), NORMS)
    kinds = NORMS[name]
    return lambda width: [] if kinds is None else [kinds[2 if sequences else images](width)]


def initialiser(name: str) -> Callable[..., None]:
    """A function that sets the initial weights of every layer of the networks it is given, as `INITS` describes.

    Raises:
        UsageError: an unknown name.
    """
    if name not in INITS:
        raise unknown_name("init", str(name), INITS)

    start = INITS[name]

    def initialise(*networks: nn.Module) -> None:
        if start is None:
            return
        for network in networks:
            for layer in network.modules():
                if isinstance(layer, _LINEAR_MAPS):
                    start(layer)
                    assert layer.bias is not None
                    nn.init.zeros_(layer.bias)

    return initialise
