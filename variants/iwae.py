"""Importance weighted autoencoders: min Σ -λ ln (1/K) Σₖ e^{-uₖ/λ}, uₖ = cost(Θ(zₖ), xᵢ) + λ ln q(zₖ|xᵢ)/p(zₖ).

This is λ times the negative bound of Burda et al. 2016 (eq. 8) at K draws zₖ ~ q(·|xᵢ). With `groups` M it is averaged
over M sets of K draws (MIWAE), and `mix` β of the one-draw bound is mixed in (CIWAE: β ELBO + (1-β) IWAE; both of
Rainforth et al. 2018). Estimators of the encoder's gradient: "iwae", the bound's own; "piwae", decoder by the bound at
all M K draws, encoder by MIWAE; "dreg", uₖ weighted by its squared share and differentiated through zₖ alone (the
doubly reparametrised one of Tucker et al. 2019).
"""

from typing import Literal

from bench.contracts.checks import one_of
from bench.contracts.variant import ElboVariant, number_in, whole_number
from bench.errors import UsageError
from bench.parts.importance import effective_draws, normalised_weights, weighted_bound
from bench.parts.posteriors import normal_log_density, standard_log_density


class IWAE(ElboVariant):
    """Importance weighted autoencoder (Burda 2016): a bound from several draws; MIWAE, CIWAE, PIWAE, DReG."""

    family = "importance-weighted"
    reference = "Burda et al. 2016, arXiv 1509.00519"

    def __init__(
        self,
        kl_weight: float | str = "auto",
        beta: float = 1.0,
        samples: int = 5,
        groups: int = 1,
        mix: float = 0.0,
        estimator: Literal["iwae", "piwae", "dreg"] = "iwae",
    ):
        super().__init__(kl_weight, beta)
        self.samples, self.groups = whole_number("samples", samples, 1), whole_number("groups", groups, 1)
        self.mix = number_in("mix", mix, 0.0, 1.0)
        self.estimator = one_of("estimator", estimator, ("iwae", "piwae", "dreg"))
        if estimator != "iwae":
            self.players = {"loss": ("decoder.",), "loss_encoder": ("encoder.",)}
        self.straight_through = estimator == "dreg"
        if mix and estimator != "iwae":
            raise UsageError(f"mix={mix:g} is for the estimator iwae; leave it out with {estimator}")

    def setup(self, context):
        super().setup(context)
        if self.kl_weight_value == 0:
            raise UsageError("iwae has no bound at weight 0; give kl_weight and beta above 0, or take stochastic-ae")

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        z = self.draw_codes(mean, log_variance, draw, self.groups * self.samples)
        if self.estimator == "dreg":  # q(z|x) as a function of z alone
            mean, log_variance = mean.detach(), log_variance.detach()
        ratio = (normal_log_density(z, mean, log_variance) - standard_log_density(z)).sum(-1)
        cost, price = self.cost(self.decode_params(z), batch.x), self.kl_weight_value
        u = cost + price * ratio  # (M K, B)
        sets = u.unflatten(0, (self.groups, self.samples)).transpose(0, 1)  # (K, M, B)
        bound, weights = weighted_bound(sets, price).mean(0), normalised_weights(sets, price)
        logged = {
            "reconstruction": cost.mean(0),
            "kl": ratio.mean(0),
            "effective_draws": effective_draws(weights).mean(0),
        }
        if self.estimator == "piwae":
            return {"loss": weighted_bound(u, price), "loss_encoder": bound, **logged}
        if self.estimator == "dreg":
            return {"loss": bound, "loss_encoder": (weights.square() * sets).sum(0).mean(0), **logged}
        return {"loss": (1 - self.mix) * bound + self.mix * u.mean(0), **logged}
