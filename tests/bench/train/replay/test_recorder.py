"""A recorded function gives the function's numbers in every way it is run, and falls back from way to way."""

import functools

import numpy as np
import pytest
import torch

from bench.contracts.variant import Context
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.factories import mlp
from bench.spec.registry import Registry
from bench.torch_private import recorded
from bench.train import TrainPlan, loop, train
from bench.train.batches import Rows
from bench.train.gradients import Gradients
from bench.train.replay import recorder
from bench.train.replay.recorder import TRIALS, Captured, Recording, scripted


def function(weight, bias, x):
    """Values, and gradients that go through a matrix product, a clamp, a stack of views and an operation in place."""
    weight, bias = weight.requires_grad_(), bias.requires_grad_()
    hidden = torch.addmm(bias, x, weight.t()).relu_()
    value = torch.stack([hidden, hidden.tanh()]).square().sum((0, 2)).clamp(max=30)
    return [value.detach(), *torch.autograd.grad(value.mean(), [weight, bias])]


def inputs(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, generator=generator) for size in ((6, 5), (6,), (7, 5))]


def parameters_and(x_seed):
    return [*inputs(0)[:2], inputs(x_seed)[2]]


def bits(one, other):
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def trusted(recorded, step=function):
    for seed in range(TRIALS):
        assert recorded.agrees(step(*parameters_and(seed)), parameters_and(seed))
    assert recorded.trusted
    return recorded


def counted(monkeypatch, name, fails=False):
    """How often the maker `name` of a way was called; with `fails` it makes none."""
    calls = []
    maker = getattr(recorder, name)

    def make(*arguments):
        calls.append(name)
        if fails:
            raise RuntimeError("not here")
        return maker(*arguments)

    monkeypatch.setattr(recorder, name, make)
    return calls


def test_a_recording_gives_the_functions_bits(monkeypatch):
    calls = counted(monkeypatch, "scripted")
    recorded = trusted(Recording(function, inputs(0), 2))
    assert calls == ["scripted"]
    for seed in range(2, 6):
        assert bits(recorded.replay(parameters_and(seed)), function(*parameters_and(seed)))


@pytest.mark.parametrize("lists", [True, False], ids=["as a list", "as a graph"])
def test_without_torchscript_the_operations_are_run_by_python(lists, monkeypatch):
    calls = counted(monkeypatch, "scripted", fails=True)
    lists_made = counted(monkeypatch, "listed", fails=not lists)
    recorded = trusted(Recording(function, inputs(0), 2))
    assert calls and lists_made
    assert bits(recorded.replay(parameters_and(5)), function(*parameters_and(5)))


def test_a_way_that_gives_other_numbers_makes_room_for_the_next(monkeypatch):
    def wrong(graph, inputs):
        return lambda *tensors: [value + 1e-6 for value in graph(*tensors)]

    monkeypatch.setattr(recorder, "scripted", wrong)
    recorded = trusted(Recording(function, inputs(0), 2))
    assert bits(recorded.replay(parameters_and(5)), function(*parameters_and(5)))


def test_a_compiled_way_that_cannot_be_made_or_differs_makes_room_for_the_exact_ones(monkeypatch):
    def missing(graph, inputs):
        raise RuntimeError("no compiler")

    def wrong(graph, inputs):
        return lambda *tensors: [value * 1.001 for value in graph(*tensors)]

    for way in (missing, wrong):
        monkeypatch.setattr(recorder, "inductor", way)
        recorded = trusted(Recording(function, inputs(0), 2, compiled=True))
        assert bits(recorded.replay(parameters_and(5)), function(*parameters_and(5)))


def test_a_way_that_breaks_makes_room_for_the_next(monkeypatch):
    def broken(graph, inputs):
        def run(*tensors):
            raise RuntimeError("no")

        return run

    monkeypatch.setattr(recorder, "scripted", broken)
    trusted(Recording(function, inputs(0), 2))


def test_a_function_with_a_state_of_its_own_is_never_trusted():
    calls = []

    def counting(weight, bias, x):
        calls.append(1)
        return [x.sum() * len(calls), weight.clone()]

    recorded = Recording(counting, inputs(0), 2)
    assert not recorded.agrees(counting(*parameters_and(1)), parameters_and(1))
    assert not recorded.trusted


def test_trust_takes_agreement_on_several_batches():
    recorded = Recording(function, inputs(0), 2)
    for seed in range(TRIALS):
        assert not recorded.trusted
        assert recorded.agrees(function(*parameters_and(seed)), parameters_and(seed))
    assert recorded.trusted


def test_nan_agrees_with_nan():
    x = parameters_and(1)
    x[2][0, 0] = float("nan")
    assert Recording(function, inputs(0), 2).agrees(function(*x), x)


def recompute(function):
    """What a CUDA graph does, on a CPU: replays write into the tensors of the capture."""
    outputs = function()

    def replay():
        for output, value in zip(outputs, function(), strict=True):
            output.copy_(value)

    return outputs, replay


def test_a_captured_function_sees_new_inputs_and_parameters_stepped_in_place():
    given = inputs(0)
    captured = Captured(function_of_three, given, 2, recompute)
    for seed in range(3):
        x = inputs(seed)[2]
        with torch.no_grad():
            given[0].mul_(0.9)
        assert bits(captured(given[0], given[1], x), function_of_three(given[0], given[1], x))
        assert torch.equal(x, inputs(seed)[2])


def function_of_three(weight, bias, x):
    return [torch.addmm(bias, x, weight.t()), x.sum(0)]


def test_a_captured_function_refuses_other_parameters():
    captured = Captured(function_of_three, inputs(0), 2, recompute)
    with pytest.raises(ValueError, match="other parameters"):
        captured(*inputs(1))


def test_scripted_lists_take_labels_and_unused_inputs():
    def labelled(weight, x, labels, unused):
        return [weight.index_select(0, labels) + x.sum(0)]

    arguments = [torch.randn(6, 5), torch.randn(7, 5), torch.arange(7) % 6, torch.zeros(())]
    graph = recorded(labelled, arguments)
    assert bits(list(scripted(graph, arguments)(*arguments)), labelled(*arguments))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("name", ["ae", "stochastic-ae", "vae"])
def test_on_a_gpu_a_training_runs_as_one_cuda_graph_and_ends_where_the_ordinary_one_ends(name, seeds, monkeypatch):
    replays = []
    own = Captured.__call__
    monkeypatch.setattr(Captured, "__call__", lambda self, *inputs: (replays.append(1), own(self, *inputs))[1])
    losses = []
    for replay in (True, False):
        monkeypatch.setattr(loop, "Gradients", functools.partial(Gradients, replay=replay))
        losses.append(validation_losses(name, seeds, torch.device("cuda")))
        assert (len(replays) >= 70) is replay
        replays.clear()
    assert np.allclose(*losses, rtol=1e-3)


def validation_losses(name, seeds, device):
    kind = Registry.discover().load("variant", name)
    cost = ReconstructionCost("squared")
    contexts = [Context((1, 4, 4), 4, cost, mlp([16]), seed, 256, None, lambda: 0.1) for seed in seeds]
    models = [attach(kind(), context).to(device) for context in contexts]
    rows = Rows(np.random.default_rng(0).random((256, 1, 4, 4), dtype=np.float32), None, device)
    results, _ = train(
        models, seeds, rows, rows, TrainPlan(100, 64, "adam", {"lr": 3e-3}, "constant", record_from=0), device
    )
    return [result.history["validation_loss"][-1] for result in results]
