"""Cycle error, hole fraction and diversity of one latent source of a viewed model."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contracts.metric import Estimate, Missing
from bench.contracts.view import View

#: Most draws of a source whose cycle error is measured.
CYCLES = 16384
#: Hole thresholds are at least this share of T, so that a model without any cycle error (PCA) has no holes.
LEAST_THRESHOLD = 1e-3
#: Fewest held-out codes that a 95 % quantile is taken of.
LEAST_CODES = 40


def exceedance(errors: Tensor, reference: Tensor, least: float) -> float:
    """Share of errors (M,) above the 95 % quantile of reference (N,), or above `least` where that is larger."""
    threshold = max(float(torch.quantile(reference.double(), 0.95)), least)
    return float((errors.double() > threshold).double().mean())


def _no_encoder(view: View) -> Missing | None:
    reason = view.lacks("encode")
    return Missing(reason) if reason else None


def cycle_errors(view: View, source: str) -> Tensor:
    """c(z), unnormalised, of at most 16,384 decodes of a source: (m,)."""
    return view.once(("cycle", source), lambda: view.cycle(view.decoded(source)[:CYCLES]))


def reference_errors(view: View, source: str) -> Tensor:
    """c at held-out codes, (N,): at their means, or for the prior at draws from q(z|x) where there is a posterior."""
    if source == "prior" and view.lacks("posterior") is None:
        return view.once("cycle sampled", lambda: view.cycle(view.decode(view.sample_codes("test"))))
    return view.once("cycle means", lambda: view.cycle(view.reconstructions("test")))


def hole_fraction(view: View, source: str) -> Estimate | Missing:
    """H_S of a viewed model, with its binomial standard error over draws of the source."""
    missing = _no_encoder(view) or view.lacks_source(source)
    if missing is not None:
        return missing
    if len(view.test) < LEAST_CODES:
        return Missing(f"{len(view.test)} held-out codes are fewer than {LEAST_CODES}", "too_few")
    total = view.shared.test_total_variance
    if total <= 0:
        return Missing("the held-out data are constant")
    errors = cycle_errors(view, source)
    fraction = exceedance(errors, reference_errors(view, source), LEAST_THRESHOLD * total)
    return Estimate(fraction, (fraction * (1 - fraction) / len(errors)) ** 0.5)


def relative_cycle_error(view: View, source: str) -> Estimate | Missing:
    """E c(z) / tr Cov Θ(z) over a source, with the standard error of the numerator."""
    missing = _no_encoder(view) or view.lacks_source(source)
    if missing is not None:
        return missing
    spread = float(view.decoded(source).var(0, correction=0).sum(dtype=torch.float64))
    if spread <= 1e-6 * view.shared.test_variance:
        return Missing(f"decodes of {source} are constant, so their cycle error has nothing to be relative to")
    errors = cycle_errors(view, source).double()
    return Estimate(float(errors.mean()) / spread, float(errors.std()) / len(errors) ** 0.5 / spread)


def diversity(view: View, source: str) -> Estimate | Missing:
    """D_S of a viewed model, with the standard error over draws of the source."""
    missing = view.lacks_source(source)
    if missing is not None:
        return missing
    total = view.shared.test_variance
    if total <= 0:
        return Missing("the held-out data are constant")
    decoded = view.decoded(source)
    squared = (decoded - decoded.mean(0)).square().sum(1).double()
    return Estimate(float(squared.mean()) / total, float(squared.std()) / len(squared) ** 0.5 / total)
