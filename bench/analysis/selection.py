"""What chooses between settings of one variant: validation data only, and never a number that favours λ = 0.

Where the KL weight differs, reconstruction alone would always choose the smallest. The calibrated negative ELBO does
not: with D_q the error of eq. 2 on validation data, summed over d dimensions, and s²* = D_q/d the decoder variance that
suits it best (Rybkin et al. 2021, arXiv 2006.13202),

    d/2 · (ln(2π s²*) + 1) + KL  =  -E_q ln N(x; Θ(Z), s²* I) + KL  ≥  -ln p(x),

a bound for one proper model per setting, in nats, so that settings of different λ can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.spec.call import parse_call

CALIBRATED, MEAN_ERROR = "calibrated negative ELBO", "val_mse"
#: Followed over training, but no terms of a loss.
_COURSES = ("log_median_sigma", "log_rms_mu", "log_nsr")
_TERMS = ("loss", "reconstruction", "kl")


@dataclass(frozen=True)
class Cost:
    """The reconstruction cost of a run as the spec names it: "squared", "bernoulli" or "gaussian" with its scale."""

    name: str
    scale: float = 1.0

    @classmethod
    def of(cls, text: str) -> Cost:
        """The cost that a spec's `recon` names; `UsageError` where it names none."""
        call = parse_call(text)
        return cls(call.name, float(call.params.get("scale", 1.0)))

    @property
    def explanation(self) -> str:
        """The calibrated negative ELBO in words and letters."""
        rows = "on the validation rows that training follows"
        if self.name == "bernoulli":
            return f"cross-entropy + KL in nats, the negative ELBO whatever λ the training used, {rows}"
        return f"d/2·(ln(2π s²*) + 1) + KL in nats, s²* = D_q/d, D_q = error of eq. 2 over all d dimensions, {rows}"


def final_terms(arrays: Mapping[str, np.ndarray], steps_run: float) -> dict[str, float]:
    """Validation loss terms of a cell's history at the step whose weights were kept (the last, or the best).

    Args:
        arrays: `history_step` and `history_validation_<term>`, each (T,).
        steps_run: the step behind the stored weights; NaN where it is not known.
    """
    steps = arrays.get("history_step")
    if steps is None or steps.ndim != 1 or len(steps) == 0:
        return {}
    place = int(np.argmin(np.abs(steps - steps_run))) if math.isfinite(steps_run) else len(steps) - 1
    start = "history_validation_"
    return {
        name.removeprefix(start): float(values[place])
        for name, values in arrays.items()
        if name.startswith(start) and values.shape == steps.shape
    }


def calibrated_bound(cost: Cost, reconstruction: float, kl: float, dimension: int) -> float:
    """The calibrated negative ELBO in nats; NaN where it is not defined.

    Args:
        reconstruction: E_q cost(Θ(Z), x), summed over data dimensions. For "bernoulli" it is the likelihood itself.
        kl: E KL(q(z|x) ‖ p₀) in nats, without λ.
        dimension: d.
    """
    if cost.name == "bernoulli":
        return reconstruction + kl
    error = reconstruction
    if cost.name == "gaussian":  # cost = D/(2 scale²) + d ln(√(2π) scale)
        constant = dimension * math.log(math.sqrt(2 * math.pi) * cost.scale)
        error = 2 * cost.scale**2 * (reconstruction - constant)
    if not error > 0 or dimension < 1:
        return math.nan
    return dimension / 2 * (math.log(2 * math.pi * error / dimension) + 1) + kl


def extra_terms(terms: Mapping[str, float]) -> list[str]:
    """Logged loss terms other than reconstruction and KL: penalties whose weight a grid may vary."""
    return [name for name in terms if name not in _TERMS and name not in _COURSES]
