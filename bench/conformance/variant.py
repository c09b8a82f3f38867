"""What every variant must do to be comparable: checks for built-in and foreign plugins alike.

`check_variant` runs all of them on small random data and returns one result per check; `aebench check` prints them and
the test suite runs them over every discovered plugin.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.conformance import mathematics
from bench.contracts.variant import Batch, Variant
from bench.errors import Incompatible
from bench.evaluate.latent_density import draw
from bench.networks.build import build_model
from bench.spec.call import parse_call
from bench.spec.training import TrainSettings
from bench.train.batches import Rows
from bench.train.loop import TrainPlan, train
from bench.train.loss_state import Watch, refuse_differences
from bench.train.noise import GeneratorDraw, NoiseSource
from bench.train.stack import Stack, check_loss, loss_parts, owned_parameters

DATA_SHAPE = (1, 4, 4)
LATENT_DIM = 3
ROWS = 24
CLASSES = 3
COSTS = ("squared", "bernoulli", "gaussian")


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        name: what was checked.
        passed: True or False; None where it does not apply.
        detail: why it failed or does not apply.
    """

    name: str
    passed: bool | None
    detail: str = ""


def check_variant(kind: type[Variant], params: dict[str, Any] | None = None) -> list[Check]:
    """All checks of variant class `kind` with parameters `params`, in a fixed order; never raises."""
    subject = Subject(kind, params or {})
    checks = []
    for name, check in CHECKS.items():
        try:
            detail = check(subject)
            checks.append(Check(name, None if detail else True, detail or ""))
        except Incompatible as error:
            checks.append(Check(name, None, str(error)))
        except Exception as error:
            checks.append(Check(name, False, " ".join(f"{type(error).__name__}: {error}".split())))
    return checks


class Subject:
    """A variant class with small data to try it on."""

    def __init__(self, kind: type[Variant], params: dict[str, Any]) -> None:
        self.kind, self.params = kind, params
        generator = torch.Generator().manual_seed(0)
        self.x = torch.rand((ROWS, *DATA_SHAPE), generator=generator)
        self.y = torch.randint(CLASSES, (ROWS,), generator=generator)

    def model(self, seed: int = 0, cost: str = "squared", data_shape: tuple[int, ...] = DATA_SHAPE) -> Variant:
        """A new attached model."""
        settings = TrainSettings(latent_dim=LATENT_DIM, network=parse_call("mlp[hidden=[8]]"), recon=parse_call(cost))
        return build_model(
            lambda: self.kind(**self.params),
            settings,
            data_shape=data_shape,
            n_train=ROWS,
            n_classes=CLASSES,
            seed=seed,
            auto_kl_weight=lambda: 0.1,
        )

    def terms(self, model: Variant, x: Tensor, y: Tensor, seed: int = 0) -> dict[str, Tensor]:
        """One call of the loss, with its draws from `seed`."""
        return loss_parts(self.outcome(model, x, y, seed))[0]

    def outcome(self, model: Variant, x: Tensor, y: Tensor, seed: int = 0) -> Any:
        """All that one call of the loss returns."""
        batch = Batch(x, y, torch.tensor(0.5), ROWS)
        return model.loss(batch, _draw(seed))


def _draw(seed: int) -> GeneratorDraw:
    return GeneratorDraw(torch.Generator().manual_seed(seed))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def loss_terms(subject: Subject) -> None:
    """`loss` returns finite floating-point terms of shape (B,), for every cost and for odd batch sizes."""
    for cost in COSTS:
        model = subject.model(cost=cost)
        for rows in (ROWS, 7, 1):
            result = subject.outcome(model, subject.x[:rows], subject.y[:rows])
            check_loss(result, rows, model)
            terms, _ = loss_parts(result)
            for name, value in terms.items():
                _require(bool(value.isfinite().all()), f"term {name!r} is not finite under {cost} cost, {rows} rows")


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
        loss_parts(watch.loss(Batch(subject.x, subject.y, torch.tensor(0.5), ROWS), _draw(0)))
    z = torch.zeros(2, LATENT_DIM)
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
    n = len(subject.x)
    z = torch.zeros(n, LATENT_DIM)
    if model.encode is not None:
        z = model.encode(subject.x)
        _require(tuple(z.shape) == (n, LATENT_DIM), f"encode returns {tuple(z.shape)}, expected {(n, LATENT_DIM)}")
    expected = (n, *DATA_SHAPE)
    for name in ("decode", "decode_params"):
        found = tuple(getattr(model, name)(z).shape)
        _require(found == expected, f"{name} returns {found}, expected {expected}")
        found = tuple(getattr(model, name)(z.expand(2, *z.shape)).shape)
        _require(found == (2, *expected), f"{name} of (S, B, L) codes returns {found}, expected {(2, *expected)}")
    if model.posterior is not None:
        draws = tuple(draw(model.posterior(subject.x), (), torch.Generator().manual_seed(5)).shape)
        _require(draws == (n, LATENT_DIM), f"posterior draws have shape {draws}, expected {(n, LATENT_DIM)}")
    if model.prior is not None:
        draws = tuple(model.prior().sample((5,)).shape)
        _require(draws == (5, LATENT_DIM), f"prior draws have shape {draws}, expected {(5, LATENT_DIM)}")


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
        raise Incompatible("no encoder")
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        difference = (model.encode(subject.x[order]) - model.encode(subject.x)[order]).abs().max()
    _require(float(difference) < 1e-5, "encode of a shuffled batch is not the shuffled encode")


def stacks_like_single(subject: Subject) -> None:
    """The vectorised loss of three seeds equals the three single losses."""
    if not subject.model().stackable:
        raise Incompatible("declared as not stackable: seeds train one after another")
    seeds = (0, 1, 2)
    stack = Stack([subject.model(seed) for seed in seeds], ROWS)
    x, y = subject.x.expand(3, *subject.x.shape), subject.y.expand(3, ROWS)
    progress = torch.tensor(0.5)
    requests = stack.requests(subject.x, subject.y, progress)
    noise = NoiseSource(seeds, torch.device("cpu"), "check").at(0, 0, requests, False)
    together, moved = stack.outcome(x, y, progress, requests, noise)
    for row, seed in enumerate(seeds):
        alone = Stack([subject.model(seed)], ROWS)
        own = [tensor[row : row + 1] for tensor in noise]
        single, buffers = alone.outcome(x[:1], y[:1], progress, requests, own)
        pairs = {"seed": (together["loss"][row], single["loss"][0])}
        pairs |= {f"buffer {name!r} of seed": (moved[name][row], value) for name, value in buffers.items()}
        for what, (one, other) in pairs.items():
            error = float(((one - other).abs() / other.abs().clamp_min(1)).max().detach())
            _require(error < 1e-4, f"{what} {seed} in a stack differs from the seed alone by {error:.1e}")


def trains(subject: Subject) -> None:
    """A short training lowers the loss or leaves it finite, whatever the number of seeds."""
    rows = Rows(subject.x.numpy(), subject.y.numpy(), torch.device("cpu"))
    plan = TrainPlan(steps=6, batch_size=8, optimizer="adam", optimizer_params={"lr": 1e-3}, schedule="constant")
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
    z = torch.randn(5, LATENT_DIM, generator=torch.Generator().manual_seed(4))
    _require(torch.equal(model.decode(z), other.decode(z)), "a reloaded model decodes differently")
    if model.encode is not None:
        _require(torch.equal(model.encode(subject.x), other.encode(subject.x)), "a reloaded model encodes differently")
    for name, value in subject.terms(model, subject.x, subject.y).items():
        theirs = subject.terms(other, subject.x, subject.y)[name]
        _require(torch.equal(value, theirs), f"term {name!r} of a reloaded model differs")


#: Every check by the words a user sees.
CHECKS: dict[str, Callable[[Subject], str | None]] = {
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
}
