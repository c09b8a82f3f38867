"""A trained variant as the evaluation sees it."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contracts.model import Model
from bench.contracts.variant import Batch, Variant
from bench.evaluate.declared_score import declared_score
from bench.train.noise import GeneratorDraw
from bench.train.stack import kept, loss_parts


def evaluated_model(variant: Variant, label: str, n_train: int, device: torch.device) -> Model:
    """A trained `variant` as the functions that metrics use; gradients flow through what takes codes only.

    Whatever is decoded is projected on the variant's valid codes first.
    """
    variant.eval().requires_grad_(False)

    def guarded(method):
        # Metrics share their tensors, so a method that writes into its input gets a copy of its own.
        return None if method is None else torch.no_grad()(lambda x: method(x.clone()))

    def loss(x: Tensor, y: Tensor | None, generator: torch.Generator) -> dict[str, Tensor]:
        batch = Batch(x.clone(), y, torch.ones((), device=x.device), n_train)
        with kept(variant.buffers()):
            terms, _ = loss_parts(variant.loss(batch, GeneratorDraw(generator)))
        return {name: value.detach() for name, value in terms.items()}

    def valid(method):
        """`method` of codes, projected first where not every code is valid."""
        if method is None or variant.project is None:
            return method
        return lambda z, *more: method(variant.project(z), *more)

    variance = variant.decoder_variance
    return Model(
        label=label,
        latent_dim=variant.latent_dim,
        data_shape=variant.data_shape,
        cost=variant.cost,
        encode=guarded(variant.encode),
        decode=valid(variant.decode),
        decode_params=valid(variant.decode_params),
        posterior=guarded(variant.posterior),
        prior=None if variant.prior is None else torch.no_grad()(variant.prior),
        loss=loss,
        kl_weight=variant.kl_weight_value,
        variance=None if variance is None else float(variance),
        log_likelihood=valid(variant.log_likelihood),
        score=declared_score(variant),
        euclidean=variant.project is None and not variant.discrete,
        discrete=variant.discrete,
        device=device,
    )
