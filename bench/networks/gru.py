"""Recurrent encoder and decoder for sequences (C, T): gated recurrent units (Cho et al. 2014), in torch's form.

    r = σ(W_r x + b_r + U_r h + c_r),  u = σ(W_u x + b_u + U_u h + c_u)
    n = tanh(W_n x + b_n + r ∘ (U_n h + c_n)),  h' = (1 - u) ∘ n + u ∘ h

Encoder: the units read the sequence from its first step, and the head reads their last state. Decoder: the code gives
the first state and is the input at every step; each state gives one step of the sequence. The recurrence is written in
plain products, as torch's fused one cannot be stacked over seeds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.contracts.checks import whole_number
from bench.contracts.variant import Networks
from bench.networks.conv1d import sequence_shape
from bench.networks.layers import initialiser
from bench.networks.linear import Linear


class GatedUnits(nn.Module):
    """`hidden` units with `width` inputs; weights start uniformly within ±1/√hidden, as those of `torch.nn.GRU`."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.of_input, self.of_state = Linear(width, 3 * hidden), Linear(hidden, 3 * hidden)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))

    def step(self, driven: Tensor, state: Tensor) -> Tensor:
        """The next state (B, H) from W x + b (B, 3H) and the state (B, H)."""
        x_r, x_u, x_n = driven.chunk(3, -1)
        h_r, h_u, h_n = self.of_state(state).chunk(3, -1)
        keep = torch.sigmoid(x_u + h_u)
        new = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
        return new + keep * (state - new)


class _ReadSequence(nn.Module):
    """(B, C, T) → the last state (B, H)."""

    def __init__(self, series: int, hidden: int) -> None:
        super().__init__()
        self.units = GatedUnits(series, hidden)

    def forward(self, x: Tensor) -> Tensor:
        driven = self.units.of_input(x.transpose(1, 2))  # (B, T, 3H)
        state = x.new_zeros(len(x), self.units.hidden)
        for now in driven.unbind(1):
            state = self.units.step(now, state)
        return state


class _WriteSequence(nn.Module):
    """(B, L) → (B, C, T)."""

    def __init__(self, latent_dim: int, hidden: int, series: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.start = Linear(latent_dim, hidden)
        self.units = GatedUnits(latent_dim, hidden)
        self.out = Linear(hidden, series)

    def forward(self, z: Tensor) -> Tensor:
        driven, state = self.units.of_input(z), torch.tanh(self.start(z))
        states = []
        for _ in range(self.length):
            state = self.units.step(driven, state)
            states.append(state)
        return self.out(torch.stack(states, 1)).transpose(1, 2)


def gru(hidden: int = 64, init: str = "torch") -> Networks:
    """Gated recurrent units, `hidden` of them in encoder and decoder; `init` is of `INITS` in `bench.networks.layers`.

    The factory raises `Incompatible` for data that are not sequences (C, T) of at least 4 time steps.

    Raises:
        UsageError: a width that is no whole number above 0, an unknown init.
    """
    units = whole_number("gru hidden", hidden, 1)
    initialise = initialiser(init)

    def factory(data_shape: tuple[int, ...], head_width: int, latent_dim: int) -> tuple[nn.Module, nn.Module]:
        series, length = sequence_shape("gru", data_shape)
        encoder = nn.Sequential(_ReadSequence(series, units), Linear(units, head_width))
        decoder = _WriteSequence(latent_dim, units, series, length)
        initialise(encoder, decoder)
        return encoder, decoder

    return factory
