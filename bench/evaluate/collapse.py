"""Whether a model collapsed, judged by information and not by capacity, and whether it blurs.

What L numbers can do at best is what L principal components do: the yardstick is their explained share
E_L = 1 - FVU of PCA-L on the same held-out data. A model is **collapsed** when

- it has a posterior and a prior, and no code dimension is active: Var_x(μⱼ) ≤ .01 of the prior's variance
  (Burda et al., arXiv 1509.00519); or
- its reconstructions tell nothing of x: their squared correlation with x (which ignores how far they shrink towards the
  mean, as the optimum of probabilistic PCA rightly does) is below .05 E_L; or
- what it decodes from its aggregate posterior ∫ q(z|x) p(x) dx (its codes, without a posterior) hardly varies:
  less than .01 E_L of the data's variance. Without an encoder its prior stands in for that.

Draws of the prior that hardly vary spoil what is measured of those draws alone. A model **blurs** when its
reconstructions have less than half of the variance that those of PCA-L have; that is no collapse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.evaluate.feature_spaces import principal_components
from bench.evaluate.latent_density import moments

if TYPE_CHECKING:
    from bench.contracts.view import View
    from bench.evaluate.reference_data import SharedData

#: Share of the prior's variance above which a code dimension's mean counts as active.
ACTIVE_SHARE = 0.01
#: Squared correlation of reconstructions with data, and variance of decodes, relative to E_L, below which nothing is
#: left of x: at E_L = .22 the optimum of probabilistic PCA with ℓ = (1, 1, .9, …, .9) scores 1 and .1.
LEAST_CORRELATION, LEAST_VARIANCE = 0.05, 0.01
#: Variance of reconstructions relative to those of PCA-L below which a model blurs.
BLUR_BOUND = 0.5


def pca_explained(shared: SharedData) -> float:
    """E_L, the share of the held-out variance that L principal components of the training data explain, in (0, 1]."""

    def compute() -> float:
        flat, pca = shared.rows("test").flat - shared.train_mean, principal_components(shared)
        codes = flat @ pca.components[:, : shared.latent_dim]
        total = float(flat.square().sum(dtype=torch.float64))
        return max(float(codes.square().sum(dtype=torch.float64)) / total, 1e-9) if total > 0 else 1.0

    return shared.once(("pca explained", shared.latent_dim), compute)


def squared_correlation(x: Tensor, decoded: Tensor) -> float:
    """⟨x-x̄, y-ȳ⟩² / (‖x-x̄‖² ‖y-ȳ‖²) over rows and dimensions of x and y = decoded, both (N, d); 0 for constant y.

    It is the share of x's variance that the best gain times y explains, whatever y's scale.
    """
    x, y = ((rows - rows.mean(0)).double() for rows in (x, decoded))
    spread = float(y.square().sum() * x.square().sum())
    return float((x * y).sum()) ** 2 / spread if spread > 0 else 0.0


def prior_variances(view: View) -> Tensor:
    """Variance of each code dimension under the prior, (L,) float64; from 4,096 draws where there is no closed form."""
    variances = moments(view.model.prior(), view.generator("prior moments"), draws=4096)[1]
    return variances.reshape(-1).expand(view.latent_dim).to(view.device).double()


def active_units(view: View) -> int:
    """The number of code dimensions whose posterior mean varies by more than .01 of the prior's variance."""
    return int((view.codes("test").double().var(0, correction=0) > ACTIVE_SHARE * prior_variances(view)).sum())


def variance_share(decoded: Tensor, shared: SharedData) -> float:
    """tr Cov of decodes (M, d) relative to that of the held-out data."""
    return float(decoded.var(0, correction=0).sum(dtype=torch.float64)) / shared.test_variance


def collapse_reason(view: View) -> str | None:
    """Why the model as a whole is collapsed, or None; constant held-out data show nothing."""
    shared = view.shared
    if shared.test_variance <= 0 or len(view.test) < 2 or not view.has("decode"):
        return None
    if not view.has("encode"):
        return prior_collapse_reason(view) if view.has("prior") else None
    if view.has("posterior") and view.has("prior") and active_units(view) == 0:
        return f"collapsed: none of the {view.latent_dim} code dimensions varies with x (0 active units)"
    best = pca_explained(shared)
    of_pca = f"of what {view.latent_dim} principal components explain"
    known = squared_correlation(view.test.flat, view.reconstructions("test")) / best
    if known < LEAST_CORRELATION:
        return f"collapsed: reconstructions tell {known:.1%} {of_pca} (below {LEAST_CORRELATION:.0%})"
    spread = variance_share(_aggregate_decodes(view), shared) / best
    if spread < LEAST_VARIANCE:
        return f"collapsed: decoded codes have {spread:.2%} of the variance {of_pca} (below {LEAST_VARIANCE:.0%})"
    return None


def _aggregate_decodes(view: View) -> Tensor:
    if not view.has("posterior"):
        return view.reconstructions("test")
    return view.once("aggregate decodes", lambda: view.decode(view.sample_codes("test")))


def prior_collapse_reason(view: View) -> str | None:
    """Why what is decoded from the prior says nothing of the model's codes, or None."""
    if view.shared.test_variance <= 0 or view.lacks_source("prior") is not None:
        return None
    share = variance_share(view.decoded("prior"), view.shared) / pca_explained(view.shared)
    if share >= LEAST_VARIANCE:
        return None
    return (
        f"collapsed: decodes of the prior have {share:.1%} of the variance that {view.latent_dim} principal components "
        f"explain (below {LEAST_VARIANCE:.0%})"
    )


def blur_reason(view: View) -> str | None:
    """Why reconstructions count as blurred, or None."""
    if view.shared.test_variance <= 0 or not (view.has("encode") and view.has("decode")):
        return None
    share = variance_share(view.reconstructions("test"), view.shared) / pca_explained(view.shared)
    if share >= BLUR_BOUND:
        return None
    return (
        f"blurred: reconstructions have {share:.0%} of the variance that {view.latent_dim} principal components "
        f"explain (below {BLUR_BOUND:.0%})"
    )
