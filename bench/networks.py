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

import torch
from torch import Tensor, nn

from bench.contracts.variant import Context, Networks, whole_number
from bench.conv import conv
from bench.errors import Incompatible, UsageError, unknown_name
from bench.layers import activation_named, initialiser
from bench.linear import Linear
from bench.seeding import derived_seed


def mlp(hidden: Sequence[int] = (256,), activation: str = "relu", init: str = "torch") -> Networks:
    """Fully connected networks with layers `hidden` in the encoder and the reverse in the decoder; [] is linear.

    `init` is how weights start, of `bench.layers.INITS`.
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


def build_networks(context: Context, head_blocks: int) -> tuple[nn.Module, nn.Module]:
    """Encoder with a head of `head_blocks * L` outputs, and decoder, with weights that depend on the seed alone.

    The reference is the pair with a head of L outputs. Every parameter that has the reference's shape gets the
    reference's values; one that is `head_blocks` times as long gets them in its first block. So all variants of a seed
    start from the same weights wherever shapes agree, whatever the architecture.

    Raises:
        Incompatible: the networks do not fit the data or return wrong shapes.
    """
    L = context.latent_dim
    encoder, decoder = _seeded(context, L)
    if head_blocks > 1:
        wide, _ = _seeded(context, head_blocks * L)
        reference = dict(encoder.named_parameters())
        with torch.no_grad():
            for name, parameter in wide.named_parameters():
                source = reference.get(name)
                if source is not None and source.shape == parameter.shape:
                    parameter.copy_(source)
                elif source is not None and source.shape[1:] == parameter.shape[1:]:
                    parameter[: source.shape[0]] = source
        encoder = wide
    _check_shapes(context, encoder, decoder, head_blocks * L)
    return encoder, decoder


def _seeded(context: Context, head_width: int) -> tuple[nn.Module, nn.Module]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(context.seed, "networks"))
        return context.networks(context.data_shape, head_width, context.latent_dim)


def _check_shapes(context: Context, encoder: nn.Module, decoder: nn.Module, head_width: int) -> None:
    def shape_of(network: nn.Module, example: Tensor) -> tuple[int, ...]:
        training = network.training
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            try:
                return tuple(network.eval()(example).shape)
            except RuntimeError as error:
                raise Incompatible(f"the network does not fit data of shape {context.data_shape}: {error}") from error
            finally:
                network.train(training)

    pairs = (
        ("encoder", encoder, torch.zeros(2, *context.data_shape), (2, head_width)),
        ("decoder", decoder, torch.zeros(2, context.latent_dim), (2, *context.data_shape)),
    )
    for role, network, example, expected in pairs:
        found = shape_of(network, example)
        if found != expected:
            raise Incompatible(f"the {role} returns shape {found} where {expected} is expected")
