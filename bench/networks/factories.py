"""Encoder and decoder networks, shared by all variants of a run, and their initial weights.

A factory is called with (data_shape, head_width, latent_dim) and returns an encoder (B, *data_shape) → (B, head_width)
and a decoder (B, latent_dim) → (B, *data_shape). `build_networks` makes the weights a function of the seed alone.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import math
from collections.abc import Callable, Sequence

from torch import nn

from bench.contracts.variant import Networks, whole_number
from bench.errors import UsageError, unknown_name
from bench.networks.conv import conv
from bench.networks.layers import activation_named, initialiser
from bench.networks.linear import Linear


def mlp(hidden: Sequence[int] = (256,), activation: str = "relu", init: str = "torch") -> Networks:
    """Fully connected networks with layers `hidden` in the encoder and the reverse in the decoder; [] is linear.

    `init` is how weights start, of `bench.networks.layers.INITS`.
    """
    if not isinstance(hidden, (list, tuple)):
        raise UsageError(f"mlp hidden={hidden!r} is not a list; give widths in brackets, e.g. mlp[hidden=[256,64]]")
    widths = [whole_number("mlp hidden width", width, 1) for width in hidden]
    make_activation = activation_named(activation)
    initialise = initialiser(init)

    def layers(sizes: list[int]) -> list[nn.Module]:
        steps: list[nn.Module] = []
        for width_in, width_out in itertools.pairwise(sizes):
            steps += [Linear(width_in, width_out), make_activation()]
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


#: Built-in architectures by name; each is a function of its parameters that returns a factory.
NETWORKS: dict[str, Callable[..., Networks]] = {"mlp": mlp, "conv": conv}


def networks_named(name: str, params: dict) -> Networks:
    """The factory for `NAME[p=v]` or for a user's `module:factory[p=v]`.

    A user's factory is called as factory(data_shape, head_width, latent_dim, **params).

    Raises:
        UsageError: unknown name or parameter, module that cannot be imported, attribute that is not callable.
    """
    if ":" in name:
        return _foreign(name, params)
    if name not in NETWORKS:
        raise unknown_name("network", name, [*NETWORKS, "module:factory"])
    build = NETWORKS[name]
    known = inspect.signature(build).parameters
    for key in params:
        if key not in known:
            raise unknown_name(f"parameter of {name}", key, known)
    return build(**params)


def _foreign(name: str, params: dict) -> Networks:
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UsageError(f"network {name!r}: module {module_name!r} cannot be imported ({error})") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise UsageError(f"network {name!r}: {module_name} has no function {attribute!r}")

    def call(data_shape: tuple[int, ...], head_width: int, latent_dim: int) -> tuple[nn.Module, nn.Module]:
        try:
            encoder, decoder = factory(data_shape, head_width, latent_dim, **params)
        except TypeError as error:
            raise UsageError(
                f"network {name!r} must be factory(data_shape, head_width, latent_dim): {error}"
            ) from error
        return encoder, decoder

    return call
