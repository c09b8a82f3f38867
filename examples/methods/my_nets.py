"""Two architectures: residual blocks for any data, and convolutions over time for sequences (C, T).

aebench run --network 'my_nets:residual[width=128]'      aebench run -d my-waves --network my_nets:temporal
"""

import math

from torch import nn

from bench import Incompatible


class Block(nn.Module):
    """x + W₂ gelu(W₁ LayerNorm(x)): (B, width) → (B, width)."""

    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x):
        return x + self.body(x)


def residual(data_shape, head_width, latent_dim, width=64, blocks=2):
    """Encoder (B, *data_shape) → (B, head_width) and decoder (B, latent_dim) → (B, *data_shape) of residual blocks."""
    d = math.prod(data_shape)
    there, back = ([Block(width) for _ in range(blocks)] for _ in range(2))
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(d, width), *there, nn.Linear(width, head_width))
    decoder = nn.Sequential(nn.Linear(latent_dim, width), *back, nn.Linear(width, d), nn.Unflatten(-1, data_shape))
    return encoder, decoder


def temporal(data_shape, head_width, latent_dim, channels=16):
    """Two convolutions over time that halve a sequence (C, T) each, and their way back."""
    if len(data_shape) != 2 or data_shape[1] % 4:
        raise Incompatible(f"temporal needs sequences (C, T), T a multiple of 4; these are {tuple(data_shape)}")
    series, wide, short = data_shape[0], 2 * channels, data_shape[1] // 4
    encoder = nn.Sequential(
        *(nn.Conv1d(series, channels, 4, 2, 1), nn.GELU(), nn.Conv1d(channels, wide, 4, 2, 1), nn.GELU()),
        *(nn.Flatten(), nn.Linear(wide * short, head_width)),
    )
    decoder = nn.Sequential(
        *(nn.Linear(latent_dim, wide * short), nn.GELU(), nn.Unflatten(-1, (wide, short))),
        *(nn.ConvTranspose1d(wide, channels, 4, 2, 1), nn.GELU(), nn.ConvTranspose1d(channels, series, 4, 2, 1)),
    )
    return encoder, decoder
