"""The objective on held-out data and the likelihood that it stands for.

With squared cost and KL weight λ eq. 4 is λ times a negative ELBO at decoder variance s² = λ/2, up to constants;
with a cost that is a density itself, and with a variant's own likelihood, the negative ELBO is -E ln p(x|Z) + KL
(eq. 11-13), whatever λ the model was trained with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bench.contracts.metric import Estimate, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.metrics.functional.posterior_costs import mean_costs


class Objective(Metric):
    """Training loss and negative evidence lower bound on the whole test split, with λ and s²."""

    family = "likelihood"
    values = each(
        Value(
            "test_loss",
            "The variant's own training loss on held-out data; never compared across variants.",
            None,
            unit="per example",
            formula="E loss(x)",
            gauge="dependent",
        ),
        Value(
            "test_neg_elbo",
            "Negative evidence lower bound of held-out data at the decoder variance that the objective implies.",
            None,
            unit="nats",
            formula="-E E_q log p(x|z) + E KL(q(z|x) || p0); squared cost: s^2 = kl_weight / 2; 16 draws",
            needs=("posterior", "prior", "likelihood"),
        ),
        Value(
            "bernoulli_bound",
            "Bernoulli cost plus KL on held-out data, what papers print for grey pixels, where it is no likelihood.",
            None,
            unit="nats",
            formula="E E_q[cost(decode(z), x)] + E KL(q(z|x) || p0), Bernoulli cost; 16 draws",
            needs=("posterior", "prior"),
        ),
        Value("kl_weight", "The weight of the KL term in eq. 4.", None, formula="lambda"),
        Value(
            "decoder_variance",
            "Decoder variance at which eq. 4 is an exact ELBO.",
            None,
            unit="per dim",
            formula="s^2 = lambda / 2 (squared), lambda * scale^2 (gaussian)",
        ),
        core=True,
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Loss, negative ELBO, λ and s²."""
        model = view.model
        results: dict[str, Any] = {
            "test_loss": _loss(view),
            "kl_weight": Missing("the variant has no KL term") if model.kl_weight is None else float(model.kl_weight),
            "decoder_variance": _decoder_variance(view),
        }
        if not any(view.lacks(need) for need in ("posterior", "prior")):
            results["bernoulli_bound"] = _bernoulli_bound(view)
            if view.lacks("likelihood") is None:
                results["test_neg_elbo"] = _negative_elbo(view)
        return results


def _decoder_variance(view: View) -> float | Missing:
    variance = view.model.decoder_variance
    if variance is None:
        return Missing("the variant and reconstruction cost define no decoder variance")
    return float(variance)


def _loss(view: View) -> float | Missing:
    if view.model.loss is None:
        return Missing("the model has no training loss")
    labels = view.split.test_labels
    seed = view.generator("loss").initial_seed()
    generator, total, start = torch.Generator(device=view.device).manual_seed(seed), 0.0, 0
    for x in view.shared.batches("test", view.batch_size):
        y = None if labels is None else torch.as_tensor(labels[start : start + len(x)], device=view.device)
        total += float(view.model.loss(x, y, generator)["loss"].double().sum())
        start += len(x)
    return total / start


def _bernoulli_bound(view: View) -> Estimate | Missing:
    if view.model.cost.name != "bernoulli" or view.model.decode_params is None:
        return Missing("the reconstruction cost is not bernoulli")
    if view.model.log_likelihood is not None:
        return Missing("the variant declares a likelihood of its own")
    return view.once("own bound", lambda: _bound(view, mean_costs(view, "test", "elbo")))


def _negative_elbo(view: View) -> Estimate | Missing:
    model, d = view.model, view.dimension
    if model.log_likelihood is not None or model.cost.is_density:
        return view.once("own bound", lambda: _bound(view, mean_costs(view, "test", "elbo")))
    variance = model.decoder_variance
    squared = view.sampled_squared_errors("test")  # (S,)
    return _bound(view, 0.5 * (squared / variance + d * np.log(2 * np.pi * variance)))


def _bound(view: View, costs: torch.Tensor) -> Estimate:
    """Mean cost over draws (S,) plus the mean KL, with the Monte-Carlo error of the draws."""
    kl = float(view.kl("test")[0].double().mean())
    return Estimate(float(costs.mean()) + kl, float(costs.std()) / len(costs) ** 0.5)
