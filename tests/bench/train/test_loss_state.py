"""State of a loss lies in buffers, with the same numbers alone, stacked, recorded and resumed; else it is refused."""

import array
import collections
import dataclasses
import functools
import itertools
import random
import sys
import types

import numpy as np
import pytest
import torch

from bench.contracts.variant import Context, Variant
from bench.errors import PluginError
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.factories import mlp
from bench.train import TrainPlan, loop, train
from bench.train.batches import BatchOrder, Rows
from bench.train.gradients import Gradients
from bench.train.loss_state import MANY, marks
from bench.train.replay import recorder
from bench.train.replay.recorder import Captured

CPU = torch.device("cpu")
X = np.random.default_rng(0).random((48, 1, 3, 3), dtype=np.float32)
PLAN = TrainPlan(24, 16, "sgd", {"lr": 0.01}, "constant", record_from=0)


def attached(kind, seed, networks=mlp([6])):  # noqa: B008 (a function)
    torch.manual_seed(seed)
    context = Context((1, 3, 3), 2, ReconstructionCost("squared"), networks, seed, len(X), None, lambda: 0.1)
    return attach(kind(), context)


def trained(kind, seeds=(0,), plan=PLAN, **options):
    rows = Rows(X, None, CPU)
    models = [attached(kind, seed) for seed in seeds]
    return train(models, seeds, rows, rows, plan, CPU, **options)[0]


class Plain(Variant):
    """An autoencoder; what spoils it is called first."""

    def loss(self, batch, draw):
        z = self.encoder(batch.x)
        self.spoil(z)
        return {"loss": self.reconstruction_cost(z, batch.x)}

    def spoil(self, z):
        pass

    def encode(self, x):
        return self.encoder(x)


class Box:
    def __init__(self):
        self.n = 0


class Slotted:
    __slots__ = ("__n", "unset")

    def __init__(self):
        self.__n = 0

    def tick(self):
        self.__n += 1


class SlottedBelow(Slotted):
    """Of two classes, of which the upper keeps slots."""


@dataclasses.dataclass(slots=True)
class SlottedData:
    n: int = 0
    late: list = dataclasses.field(default_factory=list)


class Counting(torch.nn.Module):
    def forward(self, x):
        self.calls = getattr(self, "calls", 0) + 1
        return x


SEEN = []
TOTAL = 0


def count_in_a_global(self, z):
    global TOTAL
    TOTAL += 1


def counting_closure():
    n = 0

    def spoil(self, z):
        nonlocal n
        n += 1

    return spoil


def default_argument(self, z, seen=[]):  # noqa: B006 (the fault)
    seen.append(1)


def through_a_helper(self, z):
    helper()


def helper():
    SEEN.append(1)


def own(name, make):
    """A setup that keeps `make()` as an attribute."""
    return lambda self, context: setattr(self, name, make())


def buffer(self, context):
    self.register_buffer("codebook", torch.zeros(2))


#: What setup keeps, what a loss does with it, and the name that the error must hold.
FAULTS = {
    "buffer bound anew": (
        buffer, lambda self, z: setattr(self, "codebook", self.codebook + 1), "the buffer self.codebook",
    ),
    "buffer registered": (None, lambda self, z: self.register_buffer("late", torch.zeros(1)), "the buffer self.late"),
    "buffer deleted": (buffer, lambda self, z: delattr(self, "codebook"), "the buffer self.codebook"),
    "parameter bound anew": (
        own("scale", lambda: torch.nn.Parameter(torch.ones(2))),
        lambda self, z: setattr(self, "scale", torch.nn.Parameter(torch.zeros(2))), "the parameter self.scale",
    ),
    "parameter written": (None, lambda self, z: clamp(self.encoder), "writes into a parameter"),
    "counter": (own("calls", int), lambda self, z: setattr(self, "calls", self.calls + 1), "the attribute self.calls"),
    "new attribute": (None, lambda self, z: setattr(self, "last", 1), "the attribute self.last"),
    "mode": (None, lambda self, z: self.train(not self.training), "the attribute self.training"),
    "counter of a submodule": (own("gate", Counting), lambda self, z: self.gate(z), "the attribute self.gate.calls"),
    "list": (own("seen", list), lambda self, z: self.seen.append(1), "self.seen"),
    "deque": (own("seen", collections.deque), lambda self, z: self.seen.append(1), "self.seen"),
    "set": (own("seen", lambda: {0}), lambda self, z: (self.seen.clear(), self.seen.add(7)), "self.seen"),
    "dictionary": (own("n", lambda: {"n": 0}), lambda self, z: self.n.update(n=self.n["n"] + 1), "self.n['n']"),
    "list of tensors": (own("ema", lambda: [torch.zeros(2)]), lambda self, z: self.ema[0].add_(1), "self.ema[0]"),
    "tensor in place": (own("ema", lambda: torch.zeros(2)), lambda self, z: self.ema.add_(1), "self.ema"),
    "array in place": (own("ema", lambda: np.zeros(2)), lambda self, z: np.add(self.ema, 1, out=self.ema), "self.ema"),
    "object": (own("box", Box), lambda self, z: setattr(self.box, "n", self.box.n + 1), "self.box.n"),
    "iterator": (own("count", itertools.count), lambda self, z: next(self.count), "self.count"),
    "own generator": (
        own("rng", lambda: np.random.default_rng(0)), lambda self, z: self.rng.random(), "self.rng",
    ),
    "slot": (own("box", Slotted), lambda self, z: self.box.tick(), "self.box._Slotted__n"),
    "slot of a parent": (own("box", SlottedBelow), lambda self, z: self.box.tick(), "self.box._Slotted__n"),
    "slot that was empty": (own("box", Slotted), lambda self, z: setattr(self.box, "unset", 1), "self.box.unset"),
    "dataclass with slots": (
        own("box", SlottedData), lambda self, z: setattr(self.box, "n", self.box.n + 1), "self.box.n",
    ),
    "list in a slot": (own("box", SlottedData), lambda self, z: self.box.late.append(1), "self.box.late"),
    "namespace": (
        own("box", lambda: types.SimpleNamespace(n=0)), lambda self, z: setattr(self.box, "n", self.box.n + 1),
        "self.box.n",
    ),
    "partial": (
        own("tick", lambda: functools.partial(list.append, [])), lambda self, z: self.tick(1), "self.tick.args[0]",
    ),
    "bytes in place": (
        own("seen", lambda: bytearray(2)), lambda self, z: self.seen.__setitem__(0, self.seen[0] + 1), "self.seen",
    ),
    "array of Python": (
        own("seen", lambda: array.array("d", [0])), lambda self, z: self.seen.__setitem__(0, self.seen[0] + 1),
        "self.seen",
    ),
    "module in a list": (
        own("gates", lambda: [Counting()]), lambda self, z: self.gates[0](z), "self.gates[0].calls",
    ),
    "earlier generator": (own("rng", lambda: np.random.RandomState(0)), lambda self, z: self.rng.rand(), "self.rng"),
    "bits of a generator": (own("rng", lambda: np.random.PCG64(0)), lambda self, z: self.rng.random_raw(), "self.rng"),
    "seeds spawned": (
        own("seeds", lambda: np.random.SeedSequence(0)), lambda self, z: self.seeds.spawn(1), "self.seeds",
    ),
    "Python's generator": (None, lambda self, z: random.random(), "the global generator of random"),
    "numpy's generator": (None, lambda self, z: np.random.rand(), "the global generator of numpy.random"),
    "global": (None, count_in_a_global, "the global TOTAL"),
    "global list": (None, lambda self, z: SEEN.append(1), "the global SEEN"),
    "global in a helper": (None, through_a_helper, "the global SEEN"),
    "closure": (None, counting_closure(), "n (of spoil)"),
    "default argument": (None, default_argument, "the defaults of default_argument"),
    "class attribute": (None, lambda self, z: setattr(type(self), "n", type(self).n + 1), "Faulty.n"),
}  # fmt: skip


def clamp(network):
    with torch.no_grad():
        network[-1].weight.clamp_(-1, 1)


def faulty(setup, spoil):
    methods = {"spoil": spoil, "n": 0} | ({"setup": setup} if setup else {})
    return type("Faulty", (Plain,), {"__module__": __name__, **methods})


@pytest.mark.parametrize("seeds", [(0,), (0, 1)], ids=["alone", "stacked"])
@pytest.mark.parametrize("name", FAULTS)
def test_state_elsewhere_is_refused_by_name(name, seeds):
    setup, spoil, named = FAULTS[name]
    with pytest.raises(PluginError) as caught:
        trained(faulty(setup, spoil), seeds)
    assert named in str(caught.value) and "Faulty.loss" in str(caught.value)
    assert "register_buffer" in str(caught.value) and "\n" not in str(caught.value)


#: What setup keeps that depends on the seed, and the name that the error must hold.
SEEDED = {
    "tensor": (lambda self, context: setattr(self, "centre", torch.randn(2)), "self.centre"),
    "array": (lambda self, context: setattr(self, "centre", torch.randn(2).numpy()), "self.centre"),
    "list of tensors": (lambda self, context: setattr(self, "tables", [torch.randn(2)]), "self.tables[0]"),
    "module in a list": (lambda self, context: setattr(self, "m", [torch.nn.Linear(2, 1)]), "self.m[0].weight"),
    "unsaved buffer": (
        lambda self, context: self.register_buffer("centre", torch.randn(2), persistent=False), "self.centre",
    ),
    "number": (lambda self, context: setattr(self, "rate", context.seed / 10), "self.rate"),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEDED)
def test_data_that_depend_on_the_seed_must_be_buffers(name):
    setup, named = SEEDED[name]
    with pytest.raises(PluginError, match="depends on the seed") as caught:
        trained(faulty(setup, Plain.spoil), (0, 1))
    assert named in str(caught.value)


TABLE = {"weights": [0.5, 0.5]}


class Harmless(Plain):
    """Keeps constants of every kind, a context, scratch in locals, and binds a buffer to what it is."""

    def setup(self, context):
        self.context, self.grid, self.names = context, torch.arange(2.0), ["a"]
        self.many = list(range(MANY + 1))
        self.norm = torch.nn.BatchNorm1d(2)
        self.register_buffer("scale", torch.ones(2))

    def spoil(self, z):
        self.scale = self.scale
        was = self.training
        self.norm.eval()
        self.norm.train(was)
        self.norm(z)
        return TABLE["weights"][0] * self.grid


@pytest.mark.parametrize("seeds", [(0,), (0, 1)], ids=["alone", "stacked"])
def test_constants_and_statistics_in_place_are_welcome(seeds):
    results = trained(Harmless, seeds)
    assert all(result.diverged_step is None for result in results)


def running(pure):
    """Pulls codes to a running mean of codes, kept in a buffer: returned, or written in place."""

    class Running(Plain):
        def setup(self, context):
            self.register_buffer("centre", torch.randn(2))

        def loss(self, batch, draw):
            z = self.encoder(batch.x)
            pull = (z - self.centre).square().sum(-1)
            terms = {"loss": self.reconstruction_cost(z, batch.x) + pull}
            new = 0.9 * self.centre + 0.1 * z.detach().mean(0)
            if pure:
                return terms, {"centre": new}
            self.centre.copy_(new)
            return terms

    return Running


def by_hand(seed):
    """The same training as a plain loop: autograd, SGD, and the mean moved after each step."""
    model = attached(running(True), seed)
    order = BatchOrder(len(X), PLAN.batch_size, (seed,), CPU)
    for step in range(PLAN.steps):
        x = torch.from_numpy(X)[order.at(step)[0]]
        z = model.encoder(x)
        cost = (model.decoder(z).reshape(x.shape) - x).square().sum((1, 2, 3)) + (z - model.centre).square().sum(-1)
        gradients = torch.autograd.grad(cost.mean(), list(model.parameters()))
        with torch.no_grad():
            model.centre.copy_(0.9 * model.centre + 0.1 * z.mean(0))
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= 0.01 * gradient
    return model.state_dict()


def recorders(monkeypatch):
    made = []
    monkeypatch.setattr(loop, "Gradients", lambda *a, **k: made.append(Gradients(*a, **k)) or made[-1])
    return made


@pytest.mark.parametrize("seeds", [(0,), (1, 0)], ids=["alone", "stacked"])
@pytest.mark.parametrize("pure", [True, False], ids=["returned", "in place"])
def test_a_running_mean_gives_the_numbers_of_a_plain_loop(pure, seeds, monkeypatch):
    made = recorders(monkeypatch)
    for seed, result in zip(seeds, trained(running(pure), seeds), strict=True):
        for name, value in by_hand(seed).items():
            assert torch.allclose(result.variant.state_dict()[name], value, atol=2e-6), name
        assert not torch.equal(result.variant.centre, attached(running(pure), seed).centre)
    assert any(made[0].recorder.trusts()) is pure


def recompute(function):
    """What a CUDA graph does, on a CPU: replays write into the tensors of the capture."""
    outputs = function()

    def replay():
        for output, value in zip(outputs, function(), strict=True):
            output.copy_(value)

    return outputs, replay


@pytest.mark.parametrize("seeds", [(0,), (1, 0)], ids=["alone", "stacked"])
def test_a_running_mean_moves_in_place_under_a_captured_step(seeds, monkeypatch):
    """The buffer is read where it lies, and its new value copied there before the next replay overwrites it."""

    def ways(graph, inputs, fixed, compiled):
        yield lambda: Captured(graph, inputs, fixed, recompute)

    monkeypatch.setattr(recorder, "_ways", ways)
    made = recorders(monkeypatch)
    for seed, result in zip(seeds, trained(running(True), seeds), strict=True):
        for name, value in by_hand(seed).items():
            assert torch.allclose(result.variant.state_dict()[name], value, atol=2e-6), name
    assert any(made[0].recorder.trusts())


@pytest.mark.parametrize("seeds", [(0,), (0, 1)], ids=["alone", "stacked"])
def test_buffers_that_change_places_do_so_at_once(seeds):
    class Swapping(Plain):
        def setup(self, context):
            self.register_buffer("one", torch.randn(2))
            self.register_buffer("other", torch.randn(2))

        def loss(self, batch, draw):
            return super().loss(batch, draw), {"one": self.other, "other": self.one}

    plan = dataclasses.replace(PLAN, steps=25)
    for seed, result in zip(seeds, trained(Swapping, seeds, plan), strict=True):
        start = attached(Swapping, seed)
        assert torch.equal(result.variant.one, start.other) and torch.equal(result.variant.other, start.one)


class Memory:
    """A checkpointer that keeps the state of one step and stops the training there."""

    kept = None

    def load(self):
        return self.kept

    def due(self):
        return self.kept is None

    def save(self, state):
        self.kept = {name: np.array(value) for name, value in state.items()}
        raise KeyboardInterrupt


@pytest.mark.parametrize("pure", [True, False], ids=["returned", "in place"])
def test_an_interrupted_running_mean_goes_on_to_the_same_bits(pure):
    memory, kind = Memory(), running(pure)
    whole = trained(kind, (0, 1))
    with pytest.raises(KeyboardInterrupt):
        trained(kind, (0, 1), checkpointer=memory)
    for one, other in zip(whole, trained(kind, (0, 1), checkpointer=memory), strict=True):
        for name, value in one.variant.state_dict().items():
            assert torch.equal(value, other.variant.state_dict()[name]), name


@pytest.mark.parametrize(
    ("buffers", "words"),
    [
        (lambda z: {"nothing": z.mean(0)}, "'nothing'"),
        (lambda z: {"centre": z}, "'centre'"),
        (lambda z: {"centre": z.mean(0).double()}, "float64"),
        (lambda z: {"centre": 1.0}, "float"),
        (lambda z: [z], "list"),
    ],
)
def test_values_that_fit_no_saved_buffer_are_refused(buffers, words):
    class Wrong(running(True)):
        def loss(self, batch, draw):
            terms, _ = super().loss(batch, draw)
            return terms, buffers(self.encoder(batch.x))

    with pytest.raises(PluginError) as caught:
        trained(Wrong)
    assert words in str(caught.value)


def test_caches_of_installed_libraries_are_their_own(monkeypatch):
    library = types.ModuleType("a_library")
    library.__file__ = "/anywhere/site-packages/a_library.py"
    exec("CACHE = {}\ndef call():\n    CACHE[len(CACHE)] = 1", library.__dict__)
    monkeypatch.setitem(sys.modules, "a_library", library)
    monkeypatch.setitem(globals(), "library_call", library.call)
    kind = faulty(None, lambda self, z: library_call())  # noqa: F821 (set above)
    assert trained(kind)[0].diverged_step is None and library.CACHE
    library.__file__ = "/anywhere/a_library.py"
    with pytest.raises(PluginError, match="the global CACHE"):
        trained(kind)


def test_marks_name_data_in_containers_and_globals():
    found = marks(attached(Harmless, 0))
    assert (found["self.names[0]"], found["self.many (its length)"]) == ("'a'", MANY + 1)
    assert found["the global TABLE['weights'][0]"] == "0.5"
    assert not any(name.startswith("self.context") for name in found)
