"""Refuses a model whose training memory cannot hold, before it is built: the system would kill the whole run."""

from __future__ import annotations

import torch

from bench.memory import refuse_more_than_there_is
from bench.networks.factories import NETWORKS, networks_named
from bench.spec.training import TrainSettings

#: Copies of the weights that a training on the CPU holds: the weights, their gradients and Adam's two moments.
TRAINING = 4


def refuse_too_large(settings: TrainSettings, data_shape: tuple[int, ...], copies: int = 1) -> None:
    """Raise `MemoryError` where so many copies of one seed's networks need more memory than is free.

    Sizes are those of built-in networks, built without storage; a user's network may not stand that.
    """
    if settings.network.name not in NETWORKS:
        return
    with torch.device("meta"):
        pair = networks_named(settings.network.name, settings.network.params)(
            data_shape, settings.latent_dim, settings.latent_dim
        )
    size = sum(parameter.nbytes for network in pair for parameter in network.parameters())
    what = f"{'training' if copies > 1 else 'building'} {settings.network} on data of shape {data_shape}"
    refuse_more_than_there_is(copies * size, what, "take a smaller network")
