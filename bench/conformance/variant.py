"""What every variant must do to be comparable: checks for built-in and foreign plugins alike.

`check_variant` runs all of them on small random data and returns one result per check; `aebench check` prints them and
the test suite runs them over every discovered plugin.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.conformance import mathematics
from bench.contracts.dataset import Split
from bench.contracts.variant import Batch, Variant
from bench.errors import Incompatible
from bench.evaluate.latent_density import draw
from bench.networks.build import build_model
from bench.spec.call import Call, parse_call
from bench.spec.training import TrainSettings
from bench.train.batches import Rows
from bench.train.loop import TrainPlan, train
from bench.train.loss_state import Watch, refuse_differences
from bench.train.noise import GeneratorDraw, NoiseSource
from bench.train.stack import Stack, check_loss, loss_parts, owned_parameters

DATA_SHAPE = (1, 4, 4)
LATENT_DIM = 3
NETWORK = "mlp[hidden=[8]]"
ROWS = 24
CLASSES = 3
COSTS = ("squared", "bernoulli", "gaussian")


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        name: what was checked.
        passed: True or False; None where it does not apply.
        detail: why it failed or does not apply; of one that passed, what it left out.
        ran: False where nothing could be tried, so that the outcome says nothing.
    """

    name: str
    passed: bool | None
    detail: str = ""
    ran: bool = True


class _DoesNotApply(Exception):
    """The variant is not what a check is about, by its own declaration."""


def check_variant(
    kind: type[Variant],
    params: dict[str, Any] | None = None,
    *,
    latent_dim: int | None = None,
    network: Call | str = NETWORK,
    split: Split | None = None,
) -> list[Check]:
    """All checks of variant class `kind` with parameters `params`, in a fixed order; never raises.

    Args:
        latent_dim: L; 3 if None. network: that it is given.
        split: whose first training rows it is tried on; 24 random grey images of 4×4 in three classes if None.
    """
    subject = Subject(kind, params or {}, latent_dim or LATENT_DIM, network, split)
    checks = []
    for name, check in CHECKS.items():
        try:
            checks.append(Check(name, True, check(subject) or ""))
        except _DoesNotApply as error:
            checks.append(Check(name, None, str(error)))
        except Incompatible as error:
            checks.append(Check(name, None, str(error), ran=False))
        except Exception as error:
            checks.append(Check(name, False, " ".join(f"{type(error).__name__}: {error}".split())))
    return checks


class Subject:
    """A variant class with small data to try it on, and the costs that these allow."""

    def __init__(
        self,
        kind: type[Variant],
        params: dict[str, Any],
        latent_dim: int = LATENT_DIM,
        network: Call | str = NETWORK,
        split: Split | None = None,
    ) -> None:
        self.kind, self.params, self.latent_dim = kind, params, latent_dim
        self.network = parse_call(network) if isinstance(network, str) else network
        self.y: Tensor | None
        self.costs: tuple[str, ...]
        self.n_classes: int | None
        if split is None:
            generator = torch.Generator().manual_seed(0)
            self.x = torch.rand((ROWS, *DATA_SHAPE), generator=generator)
            self.y = torch.randint(CLASSES, (ROWS,), generator=generator)
            self.costs, self.n_classes = COSTS, CLASSES
        else:
            self.x = torch.from_numpy(np.array(split.train[:ROWS], dtype=np.float32))
            labels = split.train_labels
            self.y = None if labels is None else torch.from_numpy(np.array(labels[:ROWS], dtype=np.int64))
            self.costs, self.n_classes = tuple(cost for cost in COSTS if cost in split.likelihoods), split.n_classes
        self.data_shape = tuple(self.x.shape[1:])

    @cached_property
    def cost(self) -> str:
        """The first cost that the variant, the network and the data go together under."""
        for cost in self.costs[:-1]:
            with contextlib.suppress(Incompatible):
                self.model(cost=cost)
                return cost
        return self.costs[-1]

    def model(self, seed: int = 0, cost: str | None = None, data_shape: tuple[int, ...] | None = None) -> Variant:
        """A new attached model."""
        recon = parse_call(cost or self.cost)
        settings = TrainSettings(latent_dim=self.latent_dim, network=self.network, recon=recon)
        return build_model(
            lambda: self.kind(**self.params),
            settings,
            data_shape=data_shape or self.data_shape,
            n_train=len(self.x),
            n_classes=self.n_classes,
            seed=seed,
            auto_kl_weight=lambda: 0.1,
        )

    def terms(self, model: Variant, x: Tensor, y: Tensor | None, seed: int = 0) -> dict[str, Tensor]:
        """One call of the loss, with its draws from `seed`."""
        return loss_parts(self.outcome(model, x, y, seed))[0]

    def outcome(self, model: Variant, x: Tensor, y: Tensor | None, seed: int = 0) -> Any:
        """All that one call of the loss returns."""
        return model.loss(self.batch(x, y), _draw(seed))

    def batch(self, x: Tensor, y: Tensor | None) -> Batch:
        """A batch in the middle of the training."""
        return Batch(x, y, torch.tensor(0.5), len(self.x))


def _draw(seed: int) -> GeneratorDraw:
    return GeneratorDraw(torch.Generator().manual_seed(seed))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def seeded(subject: Subject) -> None:
    """Weights follow from the seed: one seed gives the same twice, another seed gives others."""
    first, again, other = (subject.model(seed).state_dict() for seed in (0, 0, 1))
    differ = [name for name, value in first.items() if not torch.equal(value, again[name])]
    _require(not differ, f"{', '.join(differ[:3])} differ between two models of one seed")
    same = all(torch.equal(value, other[name]) for name, value in first.items())
    _require(not first or not same, "two seeds give the same weights, so that seeds are no repetitions")


def loss_terms(subject: Subject) -> str:
    """`loss` returns finite floating-point terms of shape (B,), for every cost and for odd batch sizes.

    Returns:
        The costs that do not go with the variant, with the reason.

    Raises:
        Incompatible: none of them does.
    """
    left_out = {}
    for cost in subject.costs:
        try:
            model = subject.model(cost=cost)
        except Incompatible as error:
            left_out[cost] = str(error)
            continue
        _finite_terms(subject, model, cost)
    if len(left_out) == len(subject.costs):
        raise Incompatible(next(iter(left_out.values())))
    return "; ".join(f"not under {cost} cost ({why})" for cost, why in left_out.items())


def _finite_terms(subject: Subject, model: Variant, cost: str) -> None:
    for rows in (len(subject.x), 7, 1):
        x, y = subject.x[:rows], None if subject.y is None else subject.y[:rows]
        result = subject.outcome(model, x, y)
        check_loss(result, len(x), model)
        for name, value in loss_parts(result)[0].items():
            _require(bool(value.isfinite().all()), f"term {name!r} is not finite under {cost} cost, {len(x)} rows")


def randomness_from_draw(subject: Subject) -> None:
    """The loss depends on `draw` alone: equal draws and state give equal terms, and no global generator moves."""
    model, twin = subject.model(), subject.model()  # equal, whatever the first call does to its buffers
    twin.load_state_dict(model.state_dict())
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = subject.terms(model, subject.x, subject.y)["loss"]
    _require(torch.equal(before, torch.get_rng_state()), "loss draws from torch's global generator; use draw instead")
    second = subject.terms(twin, subject.x, subject.y)["loss"]
    _require(torch.equal(first, second), "two calls with equal draws give different losses")


def state_in_buffers(subject: Subject) -> None:
    """Loss and the other methods keep nothing but in buffers, and nothing else depends on the seed."""
    models = [subject.model(seed) for seed in (0, 1)]
    refuse_differences(models)
    model, watch = models[0], Watch(models[0])
    for _ in range(4):
        loss_parts(watch.loss(subject.batch(subject.x, subject.y), _draw(0)))
    z = torch.zeros(2, subject.latent_dim)
    for call in (model.encode and (lambda: model.encode(subject.x)), lambda: model.decode(z),
                 model.posterior and (lambda: model.posterior(subject.x)), model.prior):  # fmt: skip
        if call:
            call()
    watch.compare()


def inputs_untouched(subject: Subject) -> None:
    """`loss` and `encode` leave the data as they were."""
    model, x = subject.model(), subject.x.clone()
    subject.terms(model, x, subject.y)
    if model.encode is not None:
        model.encode(x)
    _require(torch.equal(x, subject.x), "the variant writes into its input")


def shapes(subject: Subject) -> None:
    """`encode`, `decode`, `decode_params`, `posterior` and `prior` have the shapes that the contract states."""
    model = subject.model().eval()
    n, L = len(subject.x), subject.latent_dim
    z = torch.zeros(n, L)
    if model.encode is not None:
        z = model.encode(subject.x)
        _require(tuple(z.shape) == (n, L), f"encode returns {tuple(z.shape)}, expected {(n, L)}")
    expected = (n, *subject.data_shape)
    for name in ("decode", "decode_params"):
        found = tuple(getattr(model, name)(z).shape)
        _require(found == expected, f"{name} returns {found}, expected {expected}")
        found = tuple(getattr(model, name)(z.expand(2, *z.shape)).shape)
        _require(found == (2, *expected), f"{name} of (S, B, L) codes returns {found}, expected {(2, *expected)}")
    if model.posterior is not None:
        draws = tuple(draw(model.posterior(subject.x), (), torch.Generator().manual_seed(5)).shape)
        _require(draws == (n, L), f"posterior draws have shape {draws}, expected {(n, L)}")
    if model.prior is not None:
        draws = tuple(model.prior().sample((5,)).shape)
        _require(draws == (5, L), f"prior draws have shape {draws}, expected {(5, L)}")


def players_partition(subject: Subject) -> None:
    """Every parameter is trained by some player, and each player's term has a gradient for its own parameters."""
    model = subject.model()
    prefixes = [prefix for owned in model.players.values() for prefix in owned]
    orphans = [n for n, _ in model.named_parameters() if not any(n.startswith(prefix) for prefix in prefixes)]
    _require(not orphans, f"no player trains {', '.join(orphans)}")
    _require("loss" in model.players, "players must hold 'loss'")
    terms = subject.terms(model, subject.x, subject.y)
    for term, names in owned_parameters(model).items():
        own = [parameter for name, parameter in model.named_parameters() if name in names]
        gradients = torch.autograd.grad(terms[term].mean(), own, retain_graph=True, allow_unused=True)
        _require(any(g is not None and bool(g.ne(0).any()) for g in gradients), f"{term} has no gradient")


def examples_independent(subject: Subject) -> None:
    """Shuffling the batch shuffles the codes: `encode` treats examples one by one."""
    model = subject.model().eval()
    if model.encode is None:
        raise _DoesNotApply("no encoder")
    order = torch.randperm(len(subject.x), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        difference = (model.encode(subject.x[order]) - model.encode(subject.x)[order]).abs().max()
    _require(float(difference) < 1e-5, "encode of a shuffled batch is not the shuffled encode")


def stacks_like_single(subject: Subject) -> None:
    """The vectorised loss of three seeds equals the three single losses."""
    if not subject.model().stackable:
        raise _DoesNotApply("declared as not stackable: seeds train one after another")
    seeds = (0, 1, 2)
    n = len(subject.x)
    stack = Stack([subject.model(seed) for seed in seeds], n)
    x, y = subject.x.expand(3, *subject.x.shape), None if subject.y is None else subject.y.expand(3, n)
    progress = torch.tensor(0.5)
    requests = stack.requests(subject.x, subject.y, progress)
    noise = NoiseSource(seeds, torch.device("cpu"), "check").at(0, 0, requests, False)
    together, moved = stack.outcome(x, y, progress, requests, noise)
    for row, seed in enumerate(seeds):
        alone = Stack([subject.model(seed)], n)
        own = [tensor[row : row + 1] for tensor in noise]
        single, buffers = alone.outcome(x[:1], None if y is None else y[:1], progress, requests, own)
        pairs = {"seed": (together["loss"][row], single["loss"][0])}
        pairs |= {f"buffer {name!r} of seed": (moved[name][row], value) for name, value in buffers.items()}
        for what, (one, other) in pairs.items():
            error = float(((one - other).abs() / other.abs().clamp_min(1)).max().detach())
            _require(error < 1e-4, f"{what} {seed} in a stack differs from the seed alone by {error:.1e}")


def trains(subject: Subject) -> None:
    """A short training lowers the loss or leaves it finite, whatever the number of seeds."""
    labels = None if subject.y is None else subject.y.numpy()
    rows = Rows(subject.x.numpy(), labels, torch.device("cpu"))
    plan = TrainPlan(
        steps=6, batch_size=min(8, len(subject.x)), optimizer="adam", optimizer_params={"lr": 1e-3}, schedule="constant"
    )
    width = 2 if subject.model().stackable else 1
    models = [subject.model(seed) for seed in range(width)]
    before = copy.deepcopy(models[0].state_dict())
    trained, _ = train(models, range(width), rows, rows, plan, torch.device("cpu"))
    _require(all(seed.diverged_step is None for seed in trained), "the loss becomes non-finite within six steps")
    after = trained[0].variant.state_dict()
    _require(any(not torch.equal(before[name], after[name]) for name in before), "training changes no parameter")


def state_reloads(subject: Subject) -> None:
    """A state dictionary carries the whole model: loaded into a new one, it decodes, encodes and loses the same."""
    model, other = subject.model(0).eval(), subject.model(1).eval()
    other.load_state_dict(model.state_dict())
    z = torch.randn(5, subject.latent_dim, generator=torch.Generator().manual_seed(4))
    _require(torch.equal(model.decode(z), other.decode(z)), "a reloaded model decodes differently")
    if model.encode is not None:
        _require(torch.equal(model.encode(subject.x), other.encode(subject.x)), "a reloaded model encodes differently")
    own, theirs = (subject.terms(one, subject.x, subject.y) for one in (model, other))  # once: buffers may move
    for name, value in own.items():
        _require(torch.equal(value, theirs[name]), f"term {name!r} of a reloaded model differs")


#: Every check by the words a user sees.
CHECKS: dict[str, Callable[[Subject], str | None]] = {
    "weights follow from the seed": seeded,
    "loss returns finite per-example terms for every cost": loss_terms,
    "all randomness comes from draw": randomness_from_draw,
    "what outlives a call lies in buffers": state_in_buffers,
    "the data are left untouched": inputs_untouched,
    "encode, decode, posterior and prior have the stated shapes": shapes,
    "every parameter has a player, every player a gradient": players_partition,
    "encode treats examples one by one": examples_independent,
    "seeds in a stack equal seeds alone": stacks_like_single,
    "a short training stays finite and changes the weights": trains,
    "a saved state reloads": state_reloads,
    "gradients are the derivatives of the terms": mathematics.gradients_are_derivatives,
    "gradients reach every parameter, or `untrained` says which not": mathematics.gradients_reach_parameters,
    "equal calls return equal buffers and write none": mathematics.buffers_are_pure,
    "project is idempotent and keeps codes and prior draws": mathematics.projects_on_codes,
    "posterior draws come with their log density": mathematics.posterior_weighs_its_draws,
    "a likelihood of one's own is a density": mathematics.likelihood_is_a_density,
    "a score of anomalies is one number for each row, always the same": mathematics.scores_rows,
}
