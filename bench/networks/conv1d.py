"""Convolutional encoder and decoder for sequences (C, T) of any length from 4.

Encoder: one convolution over time of width `kernel` and stride 2 per entry of `channels`, each halving the sequence
(rounded up), then a fully connected layer of `dense` units, then the head. Decoder: a fully connected layer to the
shortest sequence, one transposed convolution of stride 2 per entry of `channels` in reverse, and one of stride 1 to the
sequence's own channels.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import nn

from bench.contracts.checks import whole_number
from bench.contracts.variant import Networks
from bench.errors import Incompatible, UsageError
from bench.networks.layers import activation_named, initialiser, norm_named
from bench.networks.linear import Linear

LEAST_LENGTH = 4


def conv1d(
    channels: Sequence[int] = (32, 64),
    kernel: int = 5,
    dense: int = 128,
    activation: str = "relu",
    init: str = "torch",
    norm: str = "none",
) -> Networks:
    """Convolutions over time: `channels` of the stride-2 ones, their odd width `kernel`, `dense` units before the head.

    `dense` is 0 for none; `init` and `norm` are of `INITS` and `NORMS` in `bench.networks.layers`.

    The factory raises `Incompatible` for data that are not sequences (C, T) of at least 4 time steps.

    Raises:
        UsageError: no channels, widths that are not whole numbers above 0, an even kernel, an unknown name.
    """
    if not isinstance(channels, (list, tuple)) or not channels:
        raise UsageError(
            f"conv1d channels={channels!r} is no list; give widths in brackets, e.g. conv1d[channels=[32,64]]"
        )
    widths = [whole_number("conv1d channels", width, 1) for width in channels]
    size, units = whole_number("conv1d kernel", kernel, 3), whole_number("conv1d dense", dense, 0)
    if size % 2 == 0:
        raise UsageError(f"conv1d kernel={size} is even and has no middle; give an odd width, e.g. {size + 1}")
    make_activation = activation_named(activation)
    initialise, norms, step_norms = initialiser(init), norm_named(norm), norm_named(norm, sequences=True)

    def factory(data_shape: tuple[int, ...], head_width: int, latent_dim: int) -> tuple[nn.Module, nn.Module]:
        series, length = sequence_shape("conv1d", data_shape)
        lengths = [length]
        for _ in widths:
            lengths.append(-(-lengths[-1] // 2))
        shortest = lengths[-1] * widths[-1]
        body: list[nn.Module] = []
        for width_in, width_out in itertools.pairwise([series, *widths]):
            body += [nn.Conv1d(width_in, width_out, size, 2, size // 2), *step_norms(width_out), make_activation()]
        body.append(nn.Flatten())
        steps: list[nn.Module] = []
        if units:
            body += [Linear(shortest, units), *norms(units), make_activation()]
            steps += [Linear(latent_dim, units), *norms(units), make_activation()]
        encoder = nn.Sequential(*body, Linear(units or shortest, head_width))
        steps += [Linear(units or latent_dim, shortest), *norms(shortest), make_activation()]
        steps.append(nn.Unflatten(-1, (widths[-1], lengths[-1])))
        width_in = widths[-1]
        for width_out, (short, long) in zip(widths[::-1], itertools.pairwise(lengths[::-1]), strict=True):
            # a transposed convolution gives 2·short - 1 steps with this padding; the rest is asked for
            grow = long - (2 * short - 1)
            longer = nn.ConvTranspose1d(width_in, width_out, size, 2, size // 2, output_padding=grow)
            steps += [longer, *step_norms(width_out), make_activation()]
            width_in = width_out
        decoder = nn.Sequential(*steps, nn.ConvTranspose1d(width_in, series, size, 1, size // 2))
        initialise(encoder, decoder)
        return encoder, decoder

    return factory


def sequence_shape(network: str, data_shape: tuple[int, ...]) -> tuple[int, int]:
    """The number of series C and of time steps T of sequences.

    Raises:
        Incompatible: an example is no (C, T), or shorter than `LEAST_LENGTH`.
    """
    if len(data_shape) != 2:
        raise Incompatible(
            f"{network} needs sequences (C, T), but an example of these data has shape {tuple(data_shape)}; "
            "give --network mlp, or cut windows: file[path=…,window=64]"
        )
    series, length = data_shape
    if length < LEAST_LENGTH:
        raise Incompatible(f"{network} needs at least {LEAST_LENGTH} time steps, but these have {length}; give mlp")
    return series, length
