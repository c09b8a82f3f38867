"""Fully connected networks: an encoder of given widths, and a decoder of the same widths in reverse."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import nn

from bench.contracts.checks import whole_number
from bench.contracts.variant import Networks
from bench.errors import UsageError
from bench.networks.layers import activation_named, initialiser, norm_named
from bench.networks.linear import Linear


def mlp(hidden: Sequence[int] = (256,), activation: str = "relu", init: str = "torch", norm: str = "none") -> Networks:
    """Fully connected networks with layers `hidden` in the encoder and the reverse in the decoder; [] is linear.

    `init` is how weights start, `norm` what precedes activations: of `INITS` and `NORMS` in `bench.networks.layers`.
    """
    if not isinstance(hidden, (list, tuple)):
        raise UsageError(f"mlp hidden={hidden!r} is not a list; give widths in brackets, e.g. mlp[hidden=[256,64]]")
    widths = [whole_number("mlp hidden width", width, 1) for width in hidden]
    make_activation = activation_named(activation)
    initialise, norms = initialiser(init), norm_named(norm)

    def layers(sizes: list[int]) -> list[nn.Module]:
        steps: list[nn.Module] = []
        for width_in, width_out in itertools.pairwise(sizes):
            steps += [Linear(width_in, width_out), *norms(width_out), make_activation()]
        return steps

    def factory(data_shape: tuple[int, ...], head_width: int, latent_dim: int) -> tuple[nn.Module, nn.Module]:
        d = math.prod(data_shape)
        body = layers([d, *widths])
        encoder = nn.Sequential(nn.Flatten(), *body, Linear(widths[-1] if widths else d, head_width))
        reverse = layers([latent_dim, *widths[::-1]])
        out = Linear(widths[0] if widths else latent_dim, d)
        decoder = nn.Sequential(*reverse, out, nn.Unflatten(-1, data_shape))
        initialise(encoder, decoder)
        return encoder, decoder

    return factory
