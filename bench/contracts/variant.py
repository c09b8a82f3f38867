"""What a variant plugin is: one concrete `Variant` per file, holding its equation and its loss and nothing else.

The base attaches the shared encoder and decoder (same widths, same initial weights per seed for every variant), the
reconstruction cost of the run and the numerics; a plugin writes `__init__` (its signature is its configuration),
`loss`, and whichever of `encode`, `posterior` and `prior` it has. Shapes below: B batch, L latent dimension, S draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor, nn
from torch.distributions import Normal

from bench.contracts.checks import number_in, whole_number
from bench.errors import Incompatible
from bench.losses import ReconstructionCost, bound_log_variance, diagonal_normal, sample_normal, standard_normal


class Batch(NamedTuple):
    """One training or evaluation batch of one seed.

    Attributes:
        x: data (B, *data_shape).
        y: integer labels (B,), or None.
        progress: 0-d tensor in [0, 1], the share of training that is done (for annealing).
        n_train: the number of training examples (for estimators that need the data set's size).
    """

    x: Tensor
    y: Tensor | None
    progress: Tensor
    n_train: int


class Draw(Protocol):
    """The only source of randomness inside `loss`: one independent stream per seed.

    Shapes must depend on the batch's shape and on the configuration alone, never on values, because the harness draws
    ahead in blocks. Each method returns a new tensor of `shape` on the model's device.
    """

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Independent draws from N(0, 1)."""
        ...

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Independent draws from the uniform distribution on [0, 1)."""
        ...

    def permutation(self, n: int) -> Tensor:
        """A random permutation of 0 … n-1, int64 (n,)."""
        ...


class Networks(Protocol):
    """Builds encoders and decoders of one architecture (`bench.networks.factories`, or a user's `module:factory`).

    A factory of one's own is a function in any module that Python finds, also beside a plugin or in the working folder;
    what stands in brackets comes as keywords: `--network 'my_nets:plain[width=32]'` (`aebench new network NAME` writes
    a whole one). Weights are drawn from torch's global generator, which is started from the seed.

    >>> import math
    >>> from torch import nn
    >>> def plain(data_shape, head_width, latent_dim, width=64):
    ...     d = math.prod(data_shape)
    ...     encoder = nn.Sequential(nn.Flatten(), nn.Linear(d, width), nn.Tanh(), nn.Linear(width, head_width))
    ...     decoder = nn.Sequential(nn.Linear(latent_dim, width), nn.Tanh(), nn.Linear(width, d))
    ...     return encoder, nn.Sequential(decoder, nn.Unflatten(-1, data_shape))
    """

    def __call__(self, data_shape: tuple[int, ...], head_width: int, latent_dim: int) -> tuple[nn.Module, nn.Module]:
        """An encoder (B, *data_shape) → (B, head_width) and a decoder (B, latent_dim) → (B, *data_shape)."""
        ...


@dataclass(frozen=True)
class Context:
    """What the harness knows when it builds one seed's model.

    Attributes:
        data_shape: shape of one example.
        latent_dim: L.
        cost: the run's reconstruction cost, the same object for every variant.
        networks: factory of the shared networks.
        seed: the seed of this model's initial weights.
        n_train: number of training examples.
        n_classes: number of classes, or None without labels.
        auto_kl_weight: () → λ_auto of these data (see `bench.losses.auto_kl_weight`); raises `Incompatible`.
    """

    data_shape: tuple[int, ...]
    latent_dim: int
    cost: ReconstructionCost
    networks: Networks
    seed: int
    n_train: int
    n_classes: int | None
    auto_kl_weight: Callable[[], float]


class Variant(nn.Module):
    """Base of every variant: attaches networks and cost; defines `decode` and `reconstruction_cost` once for all.

    Literals on the class, which are read from the source (`aebench list`):
        family: the kind of variant it is, as tables group them, e.g. "flow".
        reference: the paper, e.g. "Kingma and Welling 2013, arXiv 1312.6114".
        uses_labels: True where `loss` reads `batch.y`; data without labels are then skipped with that reason.

    Attributes of the class, or of the instance where they depend on its parameters (`__init__` sets them, or `setup`
    all but `head_blocks`):
        uses_encoder: False for a variant without encoder.
        head_blocks: the encoder's head is `head_blocks * L` wide (1: codes; 2: means and log-variances).
        players: term → prefixes of the parameters that this term alone trains ("" is every parameter).
        player_steps: term → gradient steps per batch (default 1), each with new draws on the same batch.
        player_rates: term → factor on the run's learning rate (default 1).
        parameter_rates: prefix of parameters → factor on the learning rate of their player; the longest counts.
        stackable: False when `loss` cannot be vectorised over seeds (`.item()`, branches on values,
            `torch.autograd.grad`); such variants train one seed after another.
        discrete: True where codes come from a finite set, so that their entropy is what they cost.
        straight_through: True where gradients are on purpose not derivatives of the terms (straight-through estimates,
            `detach`).
        untrained: prefixes of parameters that on purpose no gradient reaches.

    Optional methods, None in the base; defining one declares what the variant is:
        encode(x): (B, *data_shape) → (B, L), the code that `decode` is given.
        posterior(x): → torch distribution over codes, batch (B, L) or batch (B,) and event (L,), built with
            `validate_args=False`. Instead of `log_prob` it may have `sample_and_log_prob(shape)` → draws
            (*shape, B, L) and their log densities (*shape, B), for densities that are known along a draw only.
        prior(): → torch distribution over codes, batch (L,) or event (L,), built with `validate_args=False`.
        project(z): (..., L) → the nearest valid codes, for codes that are not all of R^L. Applied once to what the
            trained model's `decode` and `decode_params` are given, and never in `loss`; codes of `encode` and draws of
            `prior` stay where they are.
        log_likelihood(z, x): ln p(x|z) in nats, for a decoder density other than the run's cost implies:
            z (B, L) or (S, B, L), x (B, *data_shape) → (B,) or (S, B).
        anomaly_score(x): (B, *data_shape) → (B,), how unusual the trained model finds each row, higher is less normal;
            nothing drawn, so that a row always has the same score. Without it, ‖decode(encode(x)) - x‖².
    """

    family: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    uses_labels: ClassVar[bool] = False

    uses_encoder: ClassVar[bool] = True
    head_blocks: ClassVar[int] = 1
    players: ClassVar[dict[str, tuple[str, ...]]] = {"loss": ("",)}
    player_steps: ClassVar[dict[str, int]] = {}
    player_rates: ClassVar[dict[str, float]] = {}
    parameter_rates: ClassVar[dict[str, float]] = {}
    stackable: ClassVar[bool] = True
    discrete: ClassVar[bool] = False
    straight_through: ClassVar[bool] = False
    untrained: ClassVar[tuple[str, ...]] = ()

    # `| Any` is for None: whoever calls one has asked whether it is there.
    encode: ClassVar[Callable[..., Tensor] | Any] = None
    posterior: ClassVar[Callable[..., Any] | Any] = None
    prior: ClassVar[Callable[..., Any] | Any] = None
    project: ClassVar[Callable[..., Tensor] | Any] = None
    log_likelihood: ClassVar[Callable[..., Tensor] | Any] = None

    # What the harness attaches (`bench.networks.build.attach`).
    latent_dim: int
    data_shape: tuple[int, ...]
    cost: ReconstructionCost
    encoder: nn.Module
    decoder: nn.Module

    #: λ of eq. 4 for reports, None where the variant has no KL term.
    kl_weight_value: float | None = None

    def loss(self, batch: Batch, draw: Draw) -> dict[str, Tensor] | tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Per-example terms, each (B,): "loss" is minimised, every other entry is logged under its own name.

        With state of its own (a codebook, a running mean) it returns (terms, {name: new value}) for buffers that
        `setup` registered: the harness copies them in once per training step, after its first pass, and ignores them
        in validation and evaluation. Buffers may be written in place (`copy_`) as well, at the price of recordings.
        All else that would outlive the call (an attribute, a list, a global, a parameter) is refused.
        """
        raise NotImplementedError(f"{type(self).__name__} must define loss(batch, draw)")

    def setup(self, context: Context) -> None:
        """Build what else the variant needs (a critic, a codebook); called once, under the seed's generator."""

    @property
    def decoder_variance(self) -> float | None:
        """s² of p(x|z) per data dimension, or None; a variant with a `log_likelihood` states its own where it has one.

        That of the run's cost makes eq. 4 an exact ELBO (squared: λ/2, gaussian: λ·scale²).
        """
        return None if self.log_likelihood is not None else self.cost.decoder_variance(self.kl_weight_value)

    def decode_params(self, z: Tensor) -> Tensor:
        """What the reconstruction cost consumes (logits for Bernoulli): (..., L) → (..., *data_shape)."""
        lead = z.shape[:-1]
        return self.decoder(z.reshape(-1, z.shape[-1])).reshape(*lead, *self.data_shape)

    def decode(self, z: Tensor) -> Tensor:
        """The data-space mean of p(x|z): (..., L) → (..., *data_shape)."""
        return self.cost.mean(self.decode_params(z))

    def reconstruction_cost(self, z: Tensor, x: Tensor) -> Tensor:
        """cost(Θ(z), x), summed over data dimensions: z (B, L) → (B,), or z (S, B, L) → (B,), the mean of S draws."""
        per_draw = self.cost(self.decode_params(z), x)
        return per_draw if z.dim() == 2 else per_draw.mean(0)

    def split_head(self, x: Tensor) -> tuple[Tensor, ...]:
        """The encoder's head in blocks: (B, *data_shape) → `head_blocks` tensors (B, L)."""
        return self.encoder(x).chunk(self.head_blocks, dim=-1)


class GaussianVariant(Variant):
    """Base of variants with q(z|x) = N(μ(x), diag σ²(x)): the encoder's head gives μ and ln σ², μ is the code."""

    head_blocks = 2

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ(x) and ln σ²(x), bounded so that σ² neither overflows nor vanishes: each (B, L)."""
        mean, raw = self.split_head(x)
        return mean, bound_log_variance(raw)

    def draw_codes(self, mean: Tensor, log_variance: Tensor, draw: Draw, samples: int) -> Tensor:
        """S draws of z = μ + σ ε per example: two (B, L) → (S, B, L)."""
        return sample_normal(mean, log_variance, draw.normal((samples, *mean.shape)))

    def encode(self, x: Tensor) -> Tensor:
        """The posterior mean μ(x): (B, *data_shape) → (B, L)."""
        return self.moments(x)[0]

    def posterior(self, x: Tensor):
        """q(z|x), a diagonal normal with batch shape (B, L)."""
        return diagonal_normal(*self.moments(x))


class ElboVariant(GaussianVariant):
    """Base of variants that minimise cost + λ KL (eq. 4) with prior N(0, I) and λ = beta × kl_weight.

    A plugin without `__init__` has the parameters `kl_weight` and `beta`; one with its own lists them too and hands
    them on. One with its own `setup` calls this one.
    """

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0):
        super().__init__()
        self.kl_weight: Any = kl_weight if kl_weight == "auto" else number_in("kl_weight", kl_weight, 0.0)
        self.beta = number_in("beta", beta, 0.0)

    def setup(self, context: Context) -> None:
        """Find λ: beta times λ_auto of the data, or times the number given."""
        weight = context.auto_kl_weight() if self.kl_weight == "auto" else self.kl_weight
        self.kl_weight_value = self.beta * weight

    def bound(self, cost: Tensor, kl: Tensor, **logged: Tensor) -> dict[str, Tensor]:
        """The terms of eq. 4 from cost and KL per example, each (B,); `logged` terms are recorded beside them."""
        assert self.kl_weight_value is not None, "`setup` finds the weight; call super().setup(context) in your own"
        return {"loss": cost + self.kl_weight_value * kl, "reconstruction": cost, "kl": kl, **logged}

    def prior(self) -> Normal:
        """N(0, I), batch (L,)."""
        return standard_normal(self.latent_dim, next(self.parameters()))


__all__ = [
    "Batch",
    "Context",
    "Draw",
    "ElboVariant",
    "GaussianVariant",
    "Incompatible",
    "Networks",
    "Variant",
    "number_in",
    "whole_number",
]
