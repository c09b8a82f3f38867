"""A trained model beside its data: codes, decodes and samples, computed once and shared by all metrics.

All calls of the model run in batches, without gradients and with explicit generators. Shapes: N rows, M samples,
d data dimension, L latent dimension.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.contracts.metric import Missing
from bench.contracts.sampler import LEAST_CODES, SPACES, space_of
from bench.errors import one_line
from bench.evaluate.batched_model import Calls
from bench.evaluate.collapse import blur_reason, collapse_reason, prior_collapse_reason, variance_share
from bench.evaluate.ex_post import density_draws, fitted_density, mixture_density
from bench.evaluate.feature_spaces import FeatureSpace
from bench.evaluate.latent_density import (
    GaussianFit,
    draw,
    draw_antithetic,
    factorised_kl,
    joint_kl,
    moments,
)
from bench.evaluate.reference_data import MAX_NUMBERS, MAX_ROWS, Rows

#: Draws per example of every expectation over q(z|x).
POSTERIOR_DRAWS = 16
#: Latent sources that can be decoded, in the order of tables.
SOURCES = ("seg", "vp", "fit", "mixture", "prior")
#: Most midpoints of held-out codes.
MIDPOINTS = 8192


class View(Calls):
    """What a metric sees of one model. Properties are cached; nothing here is changed by a metric.

    Args: as `Calls`.
    """

    @cached_property
    def defect(self) -> str | None:
        """Why nothing can be measured (no test rows, non-finite outputs), or None."""
        if self.shared.size("test") == 0:
            return "there are no test rows"
        if not bool(torch.isfinite(self.test.x).all()):
            return "the test data are not finite"
        checks = []
        if self.has("encode"):
            checks.append(("codes", lambda: self.codes("test")))
            if self.has("decode"):
                checks.append(("reconstructions", lambda: self.reconstructions("test")))
        if self.has("posterior"):
            checks.append(("posterior standard deviations", lambda: self.posterior_moments("test")[1]))
        if self.has("prior"):
            checks.append(("prior samples", lambda: self.latents("prior")))
        for what, compute in checks:
            if not bool(torch.isfinite(compute()).all()):
                return f"the model's {what} are not finite"
        return None

    def rows(self, part: str) -> Rows:
        """The rows of a part that pairwise metrics use (all, or a fixed sub-sample)."""
        return self.shared.rows(part)

    @property
    def test(self) -> Rows:
        """The held-out rows that pairwise metrics use."""
        return self.shared.rows("test")

    def codes(self, part: str) -> Tensor:
        """Codes μ(x) of `rows(part)`, (N, L)."""
        return self.once(("codes", part), lambda: self.encode(self.rows(part).x))

    def reconstructions(self, part: str) -> Tensor:
        """Θ(μ(x)) of `rows(part)`, (N, d)."""
        return self.once(("reconstructions", part), lambda: self.decode(self.codes(part)))

    def posterior_moments(self, part: str) -> tuple[Tensor, Tensor]:
        """μ and σ² of q(z|x) at `rows(part)`, each (N, L)."""

        def compute() -> tuple[Tensor, Tensor]:
            means, variances = [], []
            with torch.no_grad():
                for x in self.rows(part).x.split(self.batch_size):
                    mean, variance = moments(self.model.posterior(x), self.generator("moments"))
                    means.append(mean)
                    variances.append(variance)
            return torch.cat(means), torch.cat(variances)

        return self.once(("moments", part), compute)

    def sample_codes(self, part: str, replicate: int = 0) -> Tensor:
        """One draw z ~ q(z|x) for each of `rows(part)`, (N, L); other draws for other `replicate`s."""

        def compute() -> Tensor:
            generator = self.generator(f"codes {part} {replicate}")
            return self.batched(lambda x: draw(self.model.posterior(x), (), generator), self.rows(part).x)

        return self.once(("sampled", part, replicate), compute)

    def kl(self, part: str) -> tuple[Tensor, Tensor | None]:
        """KL(q(z|x) ‖ prior) in nats: per example (N,), and per dimension (N, L) or None.

        Over every test or validation row, and over `rows("train")`.
        """

        def compute() -> tuple[Tensor, Tensor | None]:
            prior, generator = self.model.prior(), self.generator(f"kl {part}")
            joint: list[Tensor] = []
            factors: list[Any] = []  # tensors, or all None
            with torch.no_grad():
                for x in self._batches(part, self.batch_size):
                    posterior = self.model.posterior(x)
                    joint.append(joint_kl(posterior, prior, generator))
                    factors.append(factorised_kl(posterior, prior))
            return torch.cat(joint), None if factors[0] is None else torch.cat(factors)

        return self.once(("kl", part), compute)

    def _batches(self, part: str, size: int) -> Iterator[Tensor]:
        """Every row of the test and validation part, `rows("train")` of the training part, in batches."""
        if part == "train" or len(self.rows(part)) == self.shared.size(part):
            return iter(self.rows(part).x.split(size))
        return self.shared.batches(part, size)

    def squared_errors(self, part: str) -> Tensor:
        """‖Θ(μ(x)) - x‖² of every test or validation row, and of `rows("train")`: (N,) float64."""

        def error(x: Tensor) -> Tensor:
            decoded = self.model.decode(self.encode_batch(x)).reshape(len(x), -1)
            return (decoded - x.reshape(len(x), -1)).square().sum(-1).double()

        def compute() -> Tensor:
            if len(self.rows(part)) == self.shared.size(part):
                difference = self.reconstructions(part) - self.rows(part).flat
                return difference.square().sum(-1).double()
            with torch.no_grad():
                return torch.cat([error(x) for x in self._batches(part, self.batch_size)])

        return self.once(("errors", part), compute)

    def sampled_squared_errors(self, part: str) -> Tensor:
        """Mean over rows of ‖Θ(Z) - x‖² in independent estimates, float64; rows as `squared_errors`.

        16 draws Z ~ q(z|x), which for a normal q are 8 antithetic pairs μ ± σ ε: (16,), or (8,) pair means.
        """

        def compute() -> Tensor:
            generator = self.generator(f"errors {part}")
            size = max(1, self.batch_size // POSTERIOR_DRAWS)
            total, n = torch.zeros(POSTERIOR_DRAWS, dtype=torch.float64, device=self.device), 0
            paired = False
            with torch.no_grad():
                for x in self._batches(part, size):
                    z, paired = draw_antithetic(self.model.posterior(x), POSTERIOR_DRAWS, generator)  # (S, B, L)
                    decoded = self.model.decode(z.flatten(0, 1)).reshape(POSTERIOR_DRAWS, len(x), -1)
                    total += (decoded - x.reshape(len(x), -1)).square().sum((1, 2), dtype=torch.float64)
                    n += len(x)
            means = total / n
            return means.reshape(2, -1).mean(0) if paired else means

        return self.once(("sampled errors", part), compute)

    @property
    def n_samples(self) -> int:
        """M, the draws of each latent source: 10,000, twice that for small test splits, or what fits 128 MB."""
        if len(self.test) < MAX_ROWS // 2:
            return min(2 * MAX_ROWS, MAX_NUMBERS // self.dimension)
        return self.shared.max_rows

    @cached_property
    def fit(self) -> GaussianFit:
        """N(m̂, Σ̂) of the codes of training rows."""
        return GaussianFit.of(self.codes("train"))

    def lacks_source(self, source: str) -> Missing | None:
        """Why a latent source has no draws for this model, or None when it has."""
        needs = ("decode", "prior") if source == "prior" else ("decode", "encode")
        for need in needs:
            reason = self.lacks(need)
            if reason:
                return Missing(reason)
        least = {"seg": 2, "vp": 2, "fit": 2, "prior": 0}.get(source, LEAST_CODES)
        part = "test" if source in ("seg", "vp") else "train"
        if len(self.rows(part)) < least:
            return Missing(f"{source} needs at least {least} {part} rows", "too_few")
        if source in ("seg", "vp", "fit", "prior"):
            return None
        if self.fit.rank == 0:
            return Missing(f"the codes are constant, so no {source} can be fitted")
        space = space_of(self.model.discrete, self.model.euclidean)
        if source in self.fitted and space not in self.fitted[source].spaces:
            return Missing(f"{source}: {SPACES[space]}")
        found = self._sampled(source)
        return found if isinstance(found, Missing) else None

    def _sampled(self, source: str) -> Tensor | Missing:
        """Draws (M, L) of a sampler, or why it failed: what a plugin raises is a result."""

        def compute() -> Tensor | Missing:
            fit = self.fitted[source].fit if source in self.fitted else mixture_density
            try:
                generator = self.shared.generator(f"sampler {source}")
                density = fitted_density(fit, self.codes("train"), generator)
                return density_draws(density, self.codes("train"), self.n_samples, generator)
            except Exception as error:
                return Missing(f"sampler {source} failed ({one_line(error)})", "failed")

        return self.once(("sampled by", source), compute)

    @property
    def samplers(self) -> tuple[str, ...]:
        """Tags of the samplers that the run asks for."""
        return tuple(self.fitted)

    def latents(self, source: str) -> Tensor:
        """Draws (M, L) of a latent source.

        seg (a+b)/2 and vp m̂ + ((a-m̂)+(b-m̂))/√2 of pairs of held-out codes; fit N(m̂, Σ̂) and mixture (10 components),
        both of the training codes; prior p₀; or a sampler's, fitted to the training codes.
        """

        def compute() -> Tensor:
            M, L = self.n_samples, self.latent_dim
            if source in ("seg", "vp"):
                M = min(M, MIDPOINTS)
            if source == "prior":
                return self.prior_draws(min(M, self.model.distinct_draws or M))
            if source == "fit":
                return self.fit.place(self.shared.normal("fit", M, L).to(self.device))
            if source not in ("seg", "vp"):
                found = self._sampled(source)
                if isinstance(found, Missing):
                    raise ValueError(found.reason)
                return found
            codes = self.codes("test")
            a, b = (codes[index] for index in self.pairs(M).T)
            if source == "seg":
                return (a + b) / 2
            mean = codes.mean(0)
            return mean + ((a - mean) + (b - mean)) / 2**0.5

        return self.once(("latents", source), compute)

    def prior_draws(self, n: int) -> Tensor:
        """The first n draws from the prior, (n, L); the noise is the same for every model."""
        return draw(self.model.prior(), (n,), self.shared.generator("prior")).to(self.device)

    def source_features(self, source: str, space: FeatureSpace) -> Tensor:
        """Features of `decoded(source)` in a feature space, (M, f)."""
        return self.once(("features", source, space.name), lambda: space(self.decoded(source)))

    def pairs(self, n: int) -> np.ndarray:
        """n pairs of distinct held-out rows, (n, 2) indices into `test`, the same for every model."""

        def compute() -> np.ndarray:
            chooser = self.shared.numpy_generator("pairs")
            N = len(self.test)
            first = chooser.integers(N, size=n)
            return np.stack([first, (first + chooser.integers(1, N, size=n)) % N], 1)

        return self.shared.once(("pairs", n), compute)

    def decoded(self, source: str) -> Tensor:
        """Θ(z) of `latents(source)`, (M, d)."""
        return self.once(("decoded", source), lambda: self.decode(self.latents(source)))

    def diversity(self, source: str) -> float:
        """D_S = tr Cov Θ(z~S) / tr Cov(x): 0 for a constant decoder, about 1 for the data's own variance."""
        return variance_share(self.decoded(source), self.shared)

    @cached_property
    def collapse(self) -> str | None:
        """Why this model counts as collapsed and may not be marked best, or None (`bench.evaluate.collapse`)."""
        return collapse_reason(self)

    @cached_property
    def prior_collapse(self) -> str | None:
        """Why decodes of the prior are of no use, whatever the model's codes are, or None."""
        return prior_collapse_reason(self)

    @cached_property
    def blur(self) -> str | None:
        """Why this model counts as blurred, or None."""
        return blur_reason(self)
