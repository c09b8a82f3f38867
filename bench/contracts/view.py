"""What a metric may ask of the model that it measures: the page that authors of metrics read.

The harness hands `compute` an object that does all of this; everything is computed once and shared by all metrics, so
nothing that a property or method returns may be written into. Shapes: N rows, M samples, d data dimension, L latent
dimension. All tensors are float32 on `device` unless stated; data are flat (N, d) except where said.

A metric that asks how far codes lie from the origin, and how well what is decoded from a fitted Gaussian is encoded:

>>> from bench import Metric, Missing, Value
>>> class Radius(Metric):
...     family = "coverage"
...     values = (
...         Value("code_radius", "Mean distance of held-out codes from the origin.", None, needs=("encode",)),
...         Value("fit_cycle", "Mean squared error of encoded decodes.", False, needs=("encode", "decode")),
...     )
...     def compute(self, view, rng):
...         missing = view.lacks_source("fit")  # codes that are constant have no fit, for example
...         cycle = view.cycle(view.decoded("fit")).mean() / view.dimension if missing is None else missing
...         radius = view.codes("test").norm(dim=1).mean()
...         return {"code_radius": float(radius), "fit_cycle": missing or float(cycle)}

`aebench new metric NAME` writes one with options, and `aebench check NAME.py` tries it on models with known answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from bench.contracts.dataset import Split
    from bench.contracts.metric import Missing
    from bench.contracts.model import Model


class Rows(Protocol):
    """Rows of one part of the data that pairwise metrics use.

    Attributes:
        x: (N, *data_shape).
        labels: integer labels (N,), or None.
        factors: ground-truth factors (N, F), or None.
    """

    @property
    def x(self) -> Tensor: ...

    @property
    def labels(self) -> np.ndarray | None: ...

    @property
    def factors(self) -> np.ndarray | None: ...

    @property
    def flat(self) -> Tensor:
        """The same rows, (N, d)."""
        ...

    def __len__(self) -> int: ...


class CodeFit(Protocol):
    """The normal distribution N(m̂, Σ̂) of the training codes.

    Attributes:
        rank: dimensions in which the codes vary.
    """

    @property
    def rank(self) -> int: ...

    def whiten(self, codes: Tensor) -> Tensor:
        """Codes (N, L) in the coordinates in which the fit is N(0, I): (N, rank), float64."""
        ...

    def place(self, noise: Tensor) -> Tensor:
        """Standard normal noise (M, L) as draws from the fit, (M, L)."""
        ...


class View(Protocol):
    """One evaluated model beside its data.

    Attributes:
        model: its functions (`bench.contracts.model.Model`).
        split: the data (`bench.Split`); `shared` holds what all models of a data set have in common (features of the
            held-out data, their variance and distances).
        latent_dim: L.
        dimension: d.
        device: where the model's tensors live.
        batch_size: rows per call of the model.
    """

    model: Model
    split: Split
    shared: Any
    latent_dim: int
    dimension: int
    device: torch.device

    @property
    def batch_size(self) -> int: ...

    def has(self, need: str) -> bool:
        """Whether model and data fulfil `need`, a key of `bench.contracts.metric.NEEDS`."""
        ...

    def lacks(self, need: str) -> str | None:
        """Why they do not, or None when they do."""
        ...

    @property
    def samplers(self) -> tuple[str, ...]:
        """Latent sources beside "fit", "mixture" and "prior": the run's samplers, as names write them."""
        ...

    def lacks_source(self, source: str) -> Missing | None:
        """Why a latent source (`latents`) has no draws for this model, or None when it has."""
        ...

    def generator(self, role: str) -> torch.Generator:
        """A fresh CPU generator for the evaluation's own noise, the same for the same `role`."""
        ...

    def once(self, key: object, compute: Callable[[], Any]) -> Any:
        """`compute()` the first time that `key` is asked for, the stored result ever after."""
        ...

    @property
    def test(self) -> Rows:
        """The held-out rows that pairwise metrics use (all, or a fixed sub-sample)."""
        ...

    def rows(self, part: str) -> Rows:
        """The same of "train", "validation" or "test"."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """Codes of data (N, *data_shape) or (N, d): (N, L)."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Data-space means Θ(z) of codes (N, L): (N, d)."""
        ...

    def cycle(self, decoded: Tensor) -> Tensor:
        """‖Θ(μ(y)) - y‖² of decoded points y (N, d): (N,)."""
        ...

    def codes(self, part: str) -> Tensor:
        """Codes μ(x) of `rows(part)`, (N, L)."""
        ...

    def reconstructions(self, part: str) -> Tensor:
        """Θ(μ(x)) of `rows(part)`, (N, d)."""
        ...

    def posterior_moments(self, part: str) -> tuple[Tensor, Tensor]:
        """μ and σ² of q(z|x) at `rows(part)`, each (N, L); needs "posterior"."""
        ...

    def sample_codes(self, part: str, replicate: int = 0) -> Tensor:
        """One draw z ~ q(z|x) for each of `rows(part)`, (N, L); needs "posterior"."""
        ...

    def kl(self, part: str) -> tuple[Tensor, Tensor | None]:
        """KL(q(z|x) ‖ prior) in nats per example (N,) and per dimension (N, L) or None; needs both."""
        ...

    def squared_errors(self, part: str) -> Tensor:
        """‖Θ(μ(x)) - x‖² of every row of a part (of `rows("train")`), float64 (N,)."""
        ...

    def sampled_squared_errors(self, part: str) -> Tensor:
        """Independent estimates of the mean of ‖Θ(Z) - x‖² over rows, Z ~ q(z|x), float64."""
        ...

    @property
    def fit(self) -> CodeFit:
        """N(m̂, Σ̂) of the codes of training rows."""
        ...

    def latents(self, source: str) -> Tensor:
        """Draws (M, L) of "seg", "vp", "fit", "mixture", "prior" or one of `samplers`; ask `lacks_source` first."""
        ...

    def prior_draws(self, n: int) -> Tensor:
        """The first n draws from the prior, (n, L), with the same noise for every model."""
        ...

    def decoded(self, source: str) -> Tensor:
        """Θ(z) of `latents(source)`, (M, d)."""
        ...

    def source_features(self, source: str, space: Any) -> Tensor:
        """Features of `decoded(source)` in a feature space of `shared`, (M, f)."""
        ...

    def pairs(self, n: int) -> np.ndarray:
        """n pairs of distinct held-out rows, (n, 2) indices into `test`, the same for every model."""
        ...

    def diversity(self, source: str) -> float:
        """tr Cov Θ(z ~ source) / tr Cov(x): 0 for a constant decoder."""
        ...

    @property
    def collapse(self) -> str | None:
        """Why this model counts as collapsed, or None."""
        ...

    @property
    def prior_collapse(self) -> str | None:
        """Why decodes of the prior hardly vary, or None."""
        ...

    @property
    def blur(self) -> str | None:
        """Why this model's reconstructions count as blurred, or None."""
        ...
