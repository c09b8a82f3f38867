"""The validation part is looked at as written down: means over all rows, same draws, same bits when recorded."""

import numpy as np
import pytest
import torch

from bench.contracts.variant import Context, Variant
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.factories import mlp
from bench.spec.registry import Registry
from bench.train import TrainPlan, posterior_course, train, validation
from bench.train.batches import Rows
from bench.train.replay import recorder
from bench.train.stack import Stack
from bench.train.validation import Validation

CPU = torch.device("cpu")
X = np.random.default_rng(0).random((700, 1, 4, 4), dtype=np.float32)
REGISTRY = Registry.discover()


def stack_of(name, width):
    kind, cost = REGISTRY.load("variant", name), ReconstructionCost("squared")
    models = [attach(kind(), Context((1, 4, 4), 3, cost, mlp([16]), s, 700, None, lambda: 0.1)) for s in range(width)]
    stack = Stack(models, 700)
    stack.train_mode(False)
    return stack


def look(stack, x=X, whole=False, binarise="none"):
    return Validation(stack, Rows(x, None, CPU), range(stack.width), CPU, whole, binarise)


def move(stack):
    with torch.no_grad():
        for value in stack.parameters.values():
            value.mul_(0.97)


def course_of(stack, calls, **options):
    """What `calls` looks at weights that move between them find."""
    seen = look(stack, **options)
    found = []
    for _ in range(calls):
        found.append(seen())
        move(stack)
    return found


def same(one, other):
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert np.array_equal(values, other[name], equal_nan=True), name


def recompute(graph, inputs, fixed, capture):
    """In place of a CUDA graph: every replay writes into the tensors of the first."""
    outputs = [value.clone() for value in graph(*inputs)]

    def run(*given):
        for output, value in zip(outputs, graph(*given), strict=True):
            output.copy_(value)
        return outputs

    return run


@pytest.mark.parametrize("overwritten", [False, True])
@pytest.mark.parametrize("binarise", ["none", "dynamic"])
@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("name", ["ae", "vae"])
def test_recorded_looks_find_the_bits_of_ordinary_ones(name, width, binarise, overwritten, monkeypatch):
    monkeypatch.setattr(validation, "READ_VALUES", 1)  # blocks of 256 rows, the last of 188
    if overwritten:
        monkeypatch.setattr(recorder, "scripted", lambda graph, inputs: recompute(graph, inputs, 0, None))
    recorded = course_of(stack_of(name, width), 14, binarise=binarise)
    monkeypatch.setattr(Stack, "recordable", False)
    for one, other in zip(recorded, course_of(stack_of(name, width), 14, binarise=binarise), strict=True):
        same(one, other)


def test_looks_are_recorded():
    seen = look(stack_of("vae", 2))
    for _ in range(10):
        seen()
    assert seen._recorder.trusts() == [True]


def test_the_means_are_those_over_all_rows(monkeypatch):
    monkeypatch.setattr(validation, "READ_VALUES", 1)
    stack = stack_of("ae", 3)
    found = look(stack)()
    for index, model in enumerate(stack.unstack(stack.state())):
        x = torch.from_numpy(X)
        with torch.no_grad():
            expected = (model.decode_params(model.encode(x)) - x).square().flatten(1).sum(1).double().mean()
        assert found["loss"][index] == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(("whole", "rows"), [(False, 300), (True, 700)])
def test_early_stopping_looks_at_all_rows_and_the_history_at_the_first(whole, rows, monkeypatch):
    monkeypatch.setattr(validation, "HISTORY_ROWS", 300)
    found = look(stack_of("ae", 2), whole=whole)()
    same(found, look(stack_of("ae", 2), X[:rows], whole=True)())


def test_the_draws_are_the_same_every_time_and_differ_between_seeds():
    stack = stack_of("vae", 2)
    with torch.no_grad():
        for value in stack.parameters.values():
            value[1] = value[0]
    seen = look(stack)
    first = seen()
    same(first, seen())
    assert first["loss"][0] != first["loss"][1]
    assert first["log_rms_mu"][0] == first["log_rms_mu"][1]


def test_no_rows_find_nothing():
    assert look(stack_of("ae", 1), X[:0])() == {}


def item_first(moments):
    """A posterior that looks at numbers, which vectorisation forbids."""

    def forward(self, x):
        mean, variance = moments(self, x)
        return mean + 0 * mean.sum().item(), variance

    return forward


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("kind", ["plain", "not stackable", "not vectorisable"])
def test_the_course_of_the_posterior_is_that_of_every_model_alone(width, kind, monkeypatch):
    monkeypatch.setattr(REGISTRY.load("variant", "vae"), "stackable", kind != "not stackable")
    if kind == "not vectorisable":
        monkeypatch.setattr(posterior_course._Moments, "forward", item_first(posterior_course._Moments.forward))
    stack = stack_of("vae", width)
    found = look(stack)()
    for index, model in enumerate(stack.unstack(stack.state())):
        with torch.no_grad():
            q = model.posterior(torch.from_numpy(X[: posterior_course.ROWS]))
        mean, sigma = q.mean.double().numpy(), q.stddev.double().numpy()
        nsr = np.sort((sigma**2).mean(0) / mean.var(0))
        expected = {
            "log_median_sigma": np.log(np.sort(sigma.ravel())[(sigma.size - 1) // 2]),
            "log_rms_mu": 0.5 * np.log((mean**2).mean()),
            "log_nsr": np.log(nsr[(len(nsr) - 1) // 2]),
        }
        assert {name: found[name][index] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_a_variant_without_a_posterior_has_no_course():
    assert not set(look(stack_of("ae", 2))()) & set(posterior_course.COURSE)


class Annealed(Variant):
    """Its loss is how far the training is."""

    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encoder(batch.x), batch.x) * 0 + batch.progress}


def test_annealed_terms_are_looked_at_as_at_the_end_of_training():
    """With the live weight of a penalty that grows, early weights would look best and stop the training."""
    context = Context((1, 4, 4), 3, ReconstructionCost("squared"), mlp([4]), 0, 700, None, lambda: 0.1)
    rows, plan = Rows(X, None, CPU), TrainPlan(33, 64, "sgd", {"lr": 1e-3}, "constant")
    (result,), _ = train([attach(Annealed(), context)], (0,), rows, rows, plan, CPU)
    assert set(result.history["validation_loss"]) == {1.0}
    assert 0 < result.history["train_loss"][0] < result.history["train_loss"][-1] < 1
