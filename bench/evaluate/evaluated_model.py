"""From bench/trained_model.py."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contracts.model import Model
from bench.contracts.variant import Batch, Variant
from bench.train.noise import GeneratorDraw
from bench.train.stack import kept, loss_parts


def evaluated_model(variant: Variant, label: str, n_train: int, device: torch.device) -> Model:
    """A trained `variant` as the functions that metrics use; gradients flow through `decode` only."""
    variant.eval().requires_grad_(False)

    def guarded(method):
        # Metrics share their tensors, so a method that writes into its input gets a copy of its own.
        return None if method is None else torch.no_grad()(lambda x: method(x.clone()))

    def loss(x: Tensor, y: Tensor | None, generator: torch.Generator) -> dict[str, Tensor]:
        batch = Batch(x.clone(), y, torch.ones((), device=x.device), n_train)
        with kept(variant.buffers()):
            terms, _ = loss_parts(variant.loss(batch, GeneratorDraw(generator)))
        return {name: value.detach() for name, value in terms.items()}

    return Model(
        label=label,
        latent_dim=variant.latent_dim,
        data_shape=variant.data_shape,
        cost=variant.cost,
        encode=guarded(variant.encode),
        decode=variant.decode,
        decode_params=variant.decode_params,
        posterior=guarded(variant.posterior),
        prior=None if variant.prior is None else torch.no_grad()(variant.prior),
        loss=loss,
        kl_weight=variant.kl_weight_value,
        device=device,
    )
