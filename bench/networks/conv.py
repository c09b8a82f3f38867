"""Convolutional encoder and decoder for images of any size from 8×8, grey or colour.

Encoder: one 3×3 convolution of stride 2 per entry of `channels`, each halving the image (rounded up), then a fully
connected layer of `dense` units, then the head. Decoder: a fully connected layer to the smallest image, one transposed
convolution of stride 2 per entry of `channels` in reverse, and a 3×3 one of stride 1 to the image's own channels.

With channels=[32,64], dense=16, init=glorot and L = 2 this is the network of the keras.io example "Variational
AutoEncoder" (69,076 and 65,089 parameters), but for two details: "same" padding of an even size pads below and to the
right there and above and to the left here (the same network on images turned by 180°), and mean and log-variance are
the two halves of one head, which draws their weights from a range narrower by √(20/18).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from bench.contracts.checks import whole_number
from bench.contracts.variant import Networks
from bench.errors import Incompatible, UsageError
from bench.networks.layers import activation_named, initialiser, norm_named
from bench.networks.linear import Linear

LEAST_SIZE = 8


class _ChannelsLast(nn.Module):
    """(B, C, H, W) → the same values with the channels next to each other in memory, where convolutions are faster."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


class _FromImage(nn.Module):
    """(B, C, H, W) with channels last in memory → (B, H·W·C), without a copy."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class _ToImage(nn.Module):
    """(B, H·W·C) → (B, C, H, W) with channels last in memory, without a copy."""

    def __init__(self, height: int, width: int, channels: int) -> None:
        super().__init__()
        self.shape = (height, width, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.shape).permute(0, 3, 1, 2)


def conv(
    channels: Sequence[int] = (32, 64),
    dense: int = 128,
    activation: str = "relu",
    init: str = "torch",
    norm: str = "none",
) -> Networks:
    """Convolutional networks: `channels` of the stride-2 convolutions, `dense` units before the head (0 for none).

    `init` is how weights start, `norm` what precedes activations: of `INITS` and `NORMS` in `bench.networks.layers`.

    The factory raises `Incompatible` for data that are not images of at least 8×8.

    Raises:
        UsageError: no channels, widths that are not whole numbers above 0, an unknown activation, init or norm.
    """
    if not isinstance(channels, (list, tuple)) or not channels:
        raise UsageError(f"conv channels={channels!r} is no list; give widths in brackets, e.g. conv[channels=[32,64]]")
    widths = [whole_number("conv channels", width, 1) for width in channels]
    units = whole_number("conv dense", dense, 0)
    make_activation = activation_named(activation)
    initialise, norms, image_norms = initialiser(init), norm_named(norm), norm_named(norm, images=True)

    def factory(data_shape: tuple[int, ...], head_width: int, latent_dim: int) -> tuple[nn.Module, nn.Module]:
        colours, sizes = _sizes(data_shape, len(widths))
        smallest = sizes[-1][0] * sizes[-1][1] * widths[-1]
        body: list[nn.Module] = [_ChannelsLast()]
        for width_in, width_out in itertools.pairwise([colours, *widths]):
            body += [nn.Conv2d(width_in, width_out, 3, stride=2, padding=1), *image_norms(width_out), make_activation()]
        body.append(_FromImage())
        if units:
            body += [Linear(smallest, units), *norms(units), make_activation()]
        encoder = nn.Sequential(*body, Linear(units or smallest, head_width))

        steps = [Linear(latent_dim, smallest), *norms(smallest), make_activation(), _ToImage(*sizes[-1], widths[-1])]
        width_in = widths[-1]
        for width_out, (small, large) in zip(widths[::-1], itertools.pairwise(sizes[::-1]), strict=True):
            grow = (large[0] - (2 * small[0] - 1), large[1] - (2 * small[1] - 1))
            larger = nn.ConvTranspose2d(width_in, width_out, 3, 2, 1, output_padding=grow)
            steps += [larger, *image_norms(width_out), make_activation()]
            width_in = width_out
        decoder = nn.Sequential(*steps, nn.ConvTranspose2d(width_in, colours, 3, 1, 1))
        initialise(encoder, decoder)
        return encoder, decoder

    return factory


def _sizes(data_shape: tuple[int, ...], depth: int) -> tuple[int, list[tuple[int, int]]]:
    """The number of colours and the image's (height, width) before and after each of `depth` halvings."""
    if len(data_shape) != 3:
        raise Incompatible(
            f"conv needs images (C, H, W), but an example of these data has shape {tuple(data_shape)}; "
            "give --network mlp"
        )
    colours, height, width = data_shape
    if min(height, width) < LEAST_SIZE:
        raise Incompatible(f"conv needs images of at least 8×8 pixels, but these are {height}×{width}; give mlp")
    sizes = [(height, width)]
    for _ in range(depth):
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return colours, sizes
