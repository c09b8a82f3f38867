"""Reconstruction costs, the KL term and the sampling step, for all variants: one convention, one place.

Every cost is summed over data dimensions and averaged over the batch by the harness. Equations are those of the
lecture note the suite implements: (1) squared cost, (4) cost + λ KL, (5) the closed-form KL against N(0, I).
Shapes: B batch, S draws, L latent dimension, d data dimension.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Bernoulli, ContinuousBernoulli, Distribution, Laplace, Normal, StudentT

from bench.errors import Incompatible, UsageError
from bench.losses import autograd, formulas, similarity
from bench.losses.formulas import LOG_VARIANCE_BOUNDS as LOG_VARIANCE_BOUNDS

#: Every cost and its parameters.
NAMES: dict[str, tuple[str, ...]] = {
    "squared": (), "bernoulli": (), "gaussian": ("scale",), "laplace": ("scale",), "student-t": ("df", "scale"),
    "continuous-bernoulli": (), "ms-ssim": (),
}  # fmt: skip


@dataclass(frozen=True)
class ReconstructionCost:
    """The cost of a reconstruction, chosen once per run and the same for every variant.

    Attributes:
        name: "squared" ‖x̂-x‖² (eq. 1), or the negative logarithm of a density: "bernoulli" on logits, "gaussian"
            N(x̂, scale² I), "laplace" with scale, "student-t" with df degrees of freedom and scale (Lange et al. 1989),
            "continuous-bernoulli" on logits (Loaiza-Ganem and Cunningham 2019, arXiv 1907.06845). Or "ms-ssim",
            d (1 - MS-SSIM) of whole pictures on logits (`bench.losses.similarity`), which is no density.
        scale: of the Gaussian (its standard deviation), Laplace and Student-t density, in data units; else unused.
        df: degrees of freedom of Student's t; else unused.

    >>> x, reconstruction = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
    >>> ReconstructionCost("squared")(reconstruction, x)
    tensor([25.])
    >>> ReconstructionCost("squared").decoder_variance(kl_weight=0.5)  # s² = λ/2
    0.25
    """

    name: str
    scale: float = 1.0
    df: float = 3.0

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise UsageError(f"unknown reconstruction cost {self.name!r}; known: {', '.join(sorted(NAMES))}")
        for what, value in (("scale", self.scale), ("df", self.df)):
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
                raise UsageError(f"{self.name} {what} {value!r} is out of range; give a number above 0")

    @property
    def is_density(self) -> bool:
        """Whether exp(-cost) is p(x|z) whatever λ; that of squared and Gaussian cost has s² = λ/2 or λ·scale²."""
        return self.name not in ("squared", "gaussian", "ms-ssim")

    @property
    def on_logits(self) -> bool:
        """Whether decoder outputs are logits."""
        return self.name.endswith("bernoulli") or self.name == "ms-ssim"

    def __call__(self, params: Tensor, x: Tensor) -> Tensor:
        """Cost of decoder outputs `params` (..., B, *data_shape) for `x` (B, *data_shape): (..., B)."""
        if self.name == "ms-ssim":
            self.refuse_shape(tuple(x.shape[1:]))
            pictures, target = _of_one_type(params, x)
            return x[0].numel() * (1 - similarity.ms_ssim(torch.sigmoid(pictures), target))
        if self.name not in ("squared", "bernoulli", "gaussian"):
            return self.elements(params, x).flatten(params.dim() - x.dim() + 1).sum(-1)
        lead = params.dim() - x.dim()
        flat, target = _of_one_type(params.flatten(lead + 1), x.flatten(1))  # (..., B, d), (B, d)
        target = target.reshape((1,) * lead + target.shape)
        if self.name == "bernoulli":
            return autograd.BernoulliRows.apply(flat, target)[0]
        squared = autograd.SquaredRows.apply(flat, target)[0]
        if self.name == "squared":
            return squared
        normaliser = target.shape[-1] * math.log(math.sqrt(2 * math.pi) * self.scale)
        return squared / (2 * self.scale**2) + normaliser

    def elements(self, params: Tensor, x: Tensor) -> Tensor:
        """Cost of each data value, for costs of a part of them: as the call, but (..., B, *data_shape).

        Its sum over data dimensions is the cost.

        Raises:
            Incompatible: a cost of whole pictures.
        """
        if self.name == "ms-ssim":
            raise Incompatible("ms-ssim is a cost of whole pictures, and this variant asks for that of parts")
        params, x = _of_one_type(params, x)
        if self.name == "bernoulli":
            return formulas.bernoulli_elements(params, x)
        if self.name == "continuous-bernoulli":
            return formulas.bernoulli_elements(params, x) - formulas.continuous_bernoulli_log_constant(params)
        residual = params - x
        if self.name == "laplace":
            return residual.abs() / self.scale + math.log(2 * self.scale)
        if self.name == "student-t":
            return formulas.student_t_elements(residual, self.df, self.scale)
        if self.name == "squared":
            return residual.square()
        return residual.square() / (2 * self.scale**2) + math.log(math.sqrt(2 * math.pi) * self.scale)

    def distribution(self, params: Tensor) -> Distribution:
        """p(x|z) of each data value as a torch distribution, for a cost that is a density."""
        if self.name == "bernoulli":
            return Bernoulli(logits=params, validate_args=False)
        if self.name == "continuous-bernoulli":
            return ContinuousBernoulli(logits=params, validate_args=False)
        if self.name == "laplace":
            return Laplace(params, self.scale, validate_args=False)
        if self.name == "student-t":
            return StudentT(self.df, params, self.scale, validate_args=False)
        raise Incompatible(f"{self.name} cost is a density at a decoder variance only")

    def mean(self, params: Tensor) -> Tensor:
        """The data-space mean that decoder outputs stand for."""
        if self.name == "continuous-bernoulli":
            return formulas.continuous_bernoulli_mean(params)
        return torch.sigmoid(params) if self.on_logits else params

    def params_of(self, mean: Tensor) -> Tensor:
        """Decoder outputs that stand for a data-space mean; those of costs on logits within ±1,000 or so."""
        if self.name == "continuous-bernoulli":
            return formulas.continuous_bernoulli_logit(mean)
        return torch.logit(mean.clamp(1e-4, 1 - 1e-4)) if self.on_logits else mean

    def refuse_shape(self, data_shape: tuple[int, ...]) -> None:
        """Raise `Incompatible` where it is not defined for such data: MS-SSIM of vectors, or of small pictures."""
        if self.name == "ms-ssim" and (len(data_shape) != 3 or not similarity.n_scales(*data_shape[1:])):
            what = " × ".join(map(str, data_shape[-2:])) if len(data_shape) == 3 else "vectors"
            least = similarity.WINDOW
            raise Incompatible(f"ms-ssim needs pictures of at least {least} × {least} pixels; these are {what}")

    def decoder_variance(self, kl_weight: float | None) -> float | None:
        """s² at which eq. 4 with weight λ is an exact ELBO, per data dimension; None where there is none.

        Squared cost: s² = λ/2. Gaussian: s² = λ·scale². Others: none.
        """
        if kl_weight is None or self.name not in ("squared", "gaussian"):
            return None
        return kl_weight / 2 if self.name == "squared" else kl_weight * self.scale**2

    def log_likelihood(self, params: Tensor, x: Tensor, decoder_variance: float | None) -> Tensor:
        """log p(x|z) in nats, (..., B): minus the cost where that is one, else of N(x̂, decoder_variance I)."""
        if self.is_density:
            return -self(params, x)
        if decoder_variance is None or decoder_variance <= 0:
            raise Incompatible("no decoder variance is defined, so there is no likelihood p(x|z)")
        squared = ReconstructionCost("squared")(params, x)
        d = x[0].numel()
        return -0.5 * (squared / decoder_variance + d * math.log(2 * math.pi * decoder_variance))

    def __str__(self) -> str:
        shown = [f"{name}={getattr(self, name):g}" for name in NAMES[self.name]]
        return f"{self.name}[{','.join(shown)}]" if shown else self.name


def _of_one_type(params: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one type, of at least 32 bits."""
    if params.dtype == x.dtype and params.dtype not in (torch.float16, torch.bfloat16):
        return params, x
    dtype = torch.promote_types(torch.promote_types(params.dtype, x.dtype), torch.float32)
    return params.to(dtype), x.to(dtype)


def bound_log_variance(raw: Tensor) -> Tensor:
    """A log-variance within `LOG_VARIANCE_BOUNDS`, any shape; the gradient passes through unchanged. NaN stays NaN.

    >>> bound_log_variance(torch.tensor([0.5, -1000.0])).tolist()[0]
    0.5
    """
    return autograd.BoundLogVariance.apply(raw)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) per latent dimension, in nats (eq. 5): two (..., L) → (..., L).

    ½μ² + ½(σ² - ln σ² - 1), exact near σ = 1 and never negative.

    >>> gaussian_kl(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))
    tensor([[0.5000, 0.0000]])
    """
    return autograd.GaussianKL.apply(mean, log_variance)[0]


def sample_normal(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Codes z = μ + σ ε: mean and log_variance (B, L), noise (S, B, L) or (B, L) → the shape of noise.

    >>> sample_normal(torch.ones(1, 2), torch.zeros(1, 2), noise=torch.tensor([[2.0, -1.0]]))
    tensor([[3., 0.]])
    """
    return torch.addcmul(mean, torch.exp(0.5 * log_variance), noise)


def diagonal_normal(mean: Tensor, log_variance: Tensor) -> Normal:
    """q(z|x) as a torch distribution with batch shape (B, L).

    >>> diagonal_normal(torch.zeros(1, 2), torch.zeros(1, 2)).stddev
    tensor([[1., 1.]])
    """
    return Normal(mean, torch.exp(0.5 * log_variance), validate_args=False)


def standard_normal(latent_dim: int, like: Tensor) -> Normal:
    """The prior N(0, I) with batch shape (L,), on the device and in the type of `like`.

    >>> standard_normal(3, like=torch.zeros(1)).mean
    tensor([0., 0., 0.])
    """
    zeros = torch.zeros(latent_dim, device=like.device, dtype=like.dtype)
    return Normal(zeros, torch.ones_like(zeros), validate_args=False)


def auto_kl_weight(eigenvalues: np.ndarray, latent_dim: int, cost: ReconstructionCost) -> float:
    """λ_auto: under squared cost twice the decoder variance of probabilistic PCA, otherwise 1.

    Args:
        eigenvalues: of the training covariance, (d,), descending, in squared data units.
        latent_dim: L.

    s²_PPCA(L) is the mean of the d-L discarded eigenvalues (Tipping and Bishop 1999, eq. 8); eq. 4 with squared cost is
    an exact ELBO at s² = λ/2.

    Raises:
        Incompatible: L ≥ d or nothing is discarded, so that λ_auto would be 0.

    >>> auto_kl_weight(np.array([4.0, 2.0, 1.0]), latent_dim=1, cost=ReconstructionCost("squared"))
    3.0
    """
    if cost.name != "squared":
        return 1.0
    d = len(eigenvalues)
    discarded = float(np.clip(eigenvalues[latent_dim:], 0, None).sum())
    if latent_dim >= d or discarded <= 1e-12 * max(float(np.sum(eigenvalues)), 1e-300):
        raise Incompatible(
            f"kl_weight=auto needs variance beyond the first {latent_dim} principal components, but these data "
            f"(dimension {d}) have none; give a smaller --latent-dim or a number, e.g. vae[kl_weight=0.1]"
        )
    return 2.0 * discarded / (d - latent_dim)
