"""Builds one seed's model: the shared encoder and decoder with weights that depend on the seed alone, and the cost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from bench.contracts.variant import Context, Variant
from bench.errors import Incompatible, PluginError, one_line
from bench.losses import ReconstructionCost
from bench.networks.factories import FAULTS, networks_named
from bench.seeding import derived_seed
from bench.spec.call import Call
from bench.spec.training import TrainSettings


def build_model(
    make: Callable[[], Variant],
    settings: TrainSettings,
    *,
    data_shape: tuple[int, ...],
    n_train: int,
    n_classes: int | None,
    seed: int,
    auto_kl_weight: Callable[[], float],
) -> Variant:
    """A model with its initial weights, as training, `load_model` and `aebench check` all build it.

    Args:
        make: builds the variant, unattached; its draws and those of `setup` come from the seed.
        settings: of the training; cost, network and latent dimension count.
        data_shape, n_train, n_classes: of the data.
        seed: of the model. auto_kl_weight: gives λ_auto where it is asked for.

    Raises:
        Incompatible: the networks do not fit the data or return wrong shapes.
    """
    with _drawing_from(seed, "variant"):
        variant = make()
    context = Context(
        data_shape=tuple(data_shape),
        latent_dim=settings.latent_dim,
        cost=cost_of(settings),
        networks=networks_named(settings.network.name, settings.network.params),
        seed=seed,
        n_train=n_train,
        n_classes=n_classes,
        auto_kl_weight=auto_kl_weight,
    )
    if ":" in settings.network.name:
        refuse_unseeded(settings.network, context)
    with _drawing_from(seed, "setup"):
        return attach(variant, context)


#: Networks of users whose weights were found to be a function of the seed, with the shapes that they were built for.
_SEEDED: set[tuple] = set()


def refuse_unseeded(network: Call, context: Context) -> None:
    """Raise `PluginError` where a user's network is not drawn from the seed alone; looked at once in a process."""
    key = (network, context.data_shape, context.latent_dim)
    if key in _SEEDED:
        return

    def weights(seed: int) -> list[Tensor]:
        pair = _seeded(replace(context, seed=seed), context.latent_dim)
        return [parameter.detach() for module in pair for parameter in module.parameters()]

    first, again, other = weights(0), weights(0), weights(1)
    if not _all_equal(first, again):
        raise PluginError(
            f"network {network} gives other weights each time that it is built from one seed; draw them from torch's "
            "global generator alone"
        )
    if first and _all_equal(first, other):
        raise PluginError(
            f"network {network} gives the same weights for every seed, so that seeds are no repetitions; draw them "
            "from torch's global generator and do not seed it"
        )
    _SEEDED.add(key)


def _all_equal(some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    return len(some) == len(others) and all(map(torch.equal, some, others))


def cost_of(settings: TrainSettings) -> ReconstructionCost:
    """The reconstruction cost of a training."""
    return ReconstructionCost(settings.recon.name, **settings.recon.params)


@contextlib.contextmanager
def _drawing_from(seed: int, purpose: str) -> Iterator[None]:
    """torch's global generator starts from `seed`, and is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, purpose))
        yield


def attach(variant: Variant, context: Context) -> Variant:
    """Give `variant` the shared networks and the cost of `context`, build what else it needs, and return it.

    Every parameter of encoder and decoder whose shape does not depend on the head is initialised from the seed alone,
    and so is the head's first block, so that variants of one seed start from the same weights.

    Raises:
        Incompatible: the networks do not fit the data or return wrong shapes; labels are needed and there are none.
    """
    if variant.uses_labels and context.n_classes is None:
        raise Incompatible("the variant trains on labels, and these data have none")
    variant.latent_dim = context.latent_dim
    variant.data_shape = tuple(context.data_shape)
    variant.cost = context.cost
    encoder, decoder = build_networks(context, variant.head_blocks)
    if variant.uses_encoder:
        variant.encoder = encoder
    variant.decoder = decoder
    variant.setup(context)
    return variant


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
                found = network.eval()(example)
            except RuntimeError as error:
                raise Incompatible(f"the network does not fit data of shape {context.data_shape}: {error}") from error
            except FAULTS as error:
                raise PluginError(f"the network fails on data of {context.data_shape}: {one_line(error)}") from error
            finally:
                network.train(training)
        if not isinstance(found, Tensor):
            raise PluginError(f"a network returns a {type(found).__name__} where one tensor is expected")
        return tuple(found.shape)

    pairs = (
        ("encoder", encoder, torch.zeros(2, *context.data_shape), (2, head_width)),
        ("decoder", decoder, torch.zeros(2, context.latent_dim), (2, *context.data_shape)),
    )
    for role, network, example, expected in pairs:
        found = shape_of(network, example)
        if found != expected:
            raise Incompatible(f"the {role} returns shape {found} where {expected} is expected")
