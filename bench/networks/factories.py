"""Encoder and decoder networks, shared by all variants of a run, and their initial weights.

A factory is called with (data_shape, head_width, latent_dim) and returns an encoder (B, *data_shape) → (B, head_width)
and a decoder (B, latent_dim) → (B, *data_shape). `build_networks` makes the weights a function of the seed alone.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from bench.contracts.variant import Networks
from bench.errors import PluginError, UsageError, one_line, unknown_name
from bench.networks.conv import conv
from bench.networks.conv1d import conv1d
from bench.networks.gru import gru
from bench.networks.mlp import mlp

#: Built-in architectures by name; each is a function of its parameters that returns a factory.
NETWORKS: dict[str, Callable[..., Networks]] = {"mlp": mlp, "conv": conv, "conv1d": conv1d, "gru": gru}

#: What code of one's own raises by mistake; memory that runs out and what this package raises are no faults of it.
FAULTS = (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError)


def networks_named(name: str, params: Mapping[str, Any]) -> Networks:
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


def _foreign(name: str, params: Mapping[str, Any]) -> Networks:
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
            pair = factory(data_shape, head_width, latent_dim, **params)
        except TypeError as error:
            raise UsageError(
                f"network {name!r} must be factory(data_shape, head_width, latent_dim): {error}"
            ) from error
        except FAULTS as error:
            raise PluginError(f"network {name!r} fails on data of {tuple(data_shape)}: {one_line(error)}") from error
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and all(isinstance(net, nn.Module) for net in pair)):
            raise PluginError(f"network {name!r} returns {_shown(pair)}; return two modules, (encoder, decoder)")
        return pair[0], pair[1]

    return call


def _shown(value: Any) -> str:
    """What a factory returned, by types."""
    if isinstance(value, (tuple, list)):
        return f"({', '.join(type(one).__name__ for one in value)})"
    return f"a {type(value).__name__}"
