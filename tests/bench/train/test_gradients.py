"""A recorded step gives the ordinary step's numbers to the last bit, and is dropped where it would not."""

import contextlib
import dataclasses
import functools

import numpy as np
import pytest
import torch

from bench.contracts.variant import Context, Variant
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.factories import mlp
from bench.spec.registry import Registry
from bench.train import TrainPlan, loop, train
from bench.train.batches import Rows
from bench.train.gradients import Gradients
from bench.train.replay import recorder
from bench.train.replay.compiler import compiler_for
from bench.train.stack import flops_per_step

CPU = torch.device("cpu")
X = np.random.default_rng(0).random((200, 1, 4, 4), dtype=np.float32)
PLAN = TrainPlan(80, 64, "adam", {"lr": 3e-3}, "cosine", record_from=0)


class Adversarial(Variant):
    """Two players, so that each term is differentiated with respect to its own parameters only."""

    players = {"loss": ("encoder.", "decoder."), "loss_critic": ("critic.",)}  # noqa: RUF012
    player_steps = {"loss_critic": 2}  # noqa: RUF012

    def setup(self, context):
        self.critic = torch.nn.Linear(context.latent_dim, 1)

    def loss(self, batch, draw):
        z = self.encoder(batch.x)
        score = self.critic(z).squeeze(-1)
        fake = self.critic(draw.normal(z.shape)).squeeze(-1)
        cost = self.reconstruction_cost(z, batch.x)
        return {"loss": cost - 0.1 * score, "loss_critic": score.square() + (fake - 1).square()}

    def encode(self, x):
        return self.encoder(x)


def trained(kind, seeds, monkeypatch, replay, plan=PLAN):
    made = []

    def gradients(stack, players, precision, compiled, **given):
        made.append(Gradients(stack, players, precision, replay, compiled))
        return made[-1]

    monkeypatch.setattr(loop, "Gradients", gradients)
    cost = ReconstructionCost("squared")
    torch.manual_seed(0)
    models = [attach(kind(), Context((1, 4, 4), 4, cost, mlp([16]), s, 200, None, lambda: 0.1)) for s in seeds]
    rows = Rows(X, None, CPU)
    results, _ = train(models, seeds, rows, rows, plan, CPU)
    return [result.variant.state_dict() for result in results], made[0]


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("kind", ["ae", "stochastic-ae", "vae", "decoder-only", Adversarial])
def test_replayed_training_equals_the_ordinary_one(kind, seeds, monkeypatch):
    kind = Registry.discover().load("variant", kind) if isinstance(kind, str) else kind
    ordinary, _ = trained(kind, seeds, monkeypatch, replay=False)
    replayed, gradients = trained(kind, seeds, monkeypatch, replay=True)
    assert any(gradients.recorder.trusts())
    for one, other in zip(ordinary, replayed, strict=True):
        for name, value in one.items():
            assert torch.equal(value, other[name]), name


@pytest.mark.skipif(not compiler_for(CPU).works, reason="needs a compiler")
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("kind", ["vae", Adversarial])
def test_compiled_training_nearly_equals_the_ordinary_one(kind, seeds, monkeypatch):
    used = []
    inductor = recorder.inductor
    monkeypatch.setattr(recorder, "inductor", lambda *given: watch(inductor(*given), used))
    kind = Registry.discover().load("variant", kind) if isinstance(kind, str) else kind
    ordinary, _ = trained(kind, seeds, monkeypatch, replay=False)
    compiled, gradients = trained(kind, seeds, monkeypatch, True, dataclasses.replace(PLAN, compile=True))
    assert all(gradients.recorder.trusts()) and len(used) >= 40
    for one, other in zip(ordinary, compiled, strict=True):
        for name, value in one.items():
            assert torch.allclose(value, other[name], rtol=1e-2, atol=1e-3), name
    assert any(not torch.equal(value, compiled[0][name]) for name, value in ordinary[0].items())


def watch(function, calls):
    def watched(*tensors):
        calls.append(1)
        return function(*tensors)

    return watched


def test_a_player_moves_its_own_parameters_only():
    cost = ReconstructionCost("squared")
    context = Context((1, 4, 4), 4, cost, mlp([16]), 0, 200, None, lambda: 0.1)
    run = loop._Run([attach(Adversarial(), context)], (0,), Rows(X, None, CPU), Rows(X, None, CPU), PLAN, CPU)
    assert run.players["loss_critic"] == ["critic.weight", "critic.bias"]
    assert not set(run.players["loss"]) & set(run.players["loss_critic"])
    x = torch.from_numpy(X[None, :64])
    requests = run.stack.requests(x[0], None, run.progress)
    noise = run.noise.at(0, 0, requests, True)
    gradients = Gradients(run.stack, run.players, contextlib.nullcontext)
    _, found, _ = gradients(x, None, run.progress, requests, noise, ["loss_critic"])
    assert sorted(found) == ["critic.bias", "critic.weight"]
    terms = run.stack.terms(x, None, run.progress, requests, noise)
    critic = run.stack.models[0].critic
    expected = torch.autograd.grad(terms["loss_critic"].mean(), list(critic.parameters()))
    for name, gradient in zip(("critic.weight", "critic.bias"), expected, strict=True):
        assert torch.allclose(found[name], gradient, atol=1e-7), name


def test_steps_per_player_are_kept(monkeypatch):
    steps = {"loss": 0, "loss_critic": 0}
    update = loop._Run.update

    @functools.wraps(update)
    def counted(self, due, gradients, scale):
        for term in due:
            steps[term] += 1
        update(self, due, gradients, scale)

    monkeypatch.setattr(loop._Run, "update", counted)
    trained(Adversarial, (0,), monkeypatch, replay=True)
    assert steps == {"loss": PLAN.steps, "loss_critic": 2 * PLAN.steps}


@pytest.mark.parametrize(
    ("steps", "stopping", "compile", "recorded"),
    [
        (149, None, False, set()),
        (150, None, False, {"flat"}),
        (20, None, True, {"flat"}),  # what a user asks for is done, however short the training
        (149 * 4, 500, False, {"flat"}),
        (150 * 4, 500, False, {"flat", "sums"}),  # a look after each epoch of four steps
    ],
)
def test_what_is_called_too_seldom_to_pay_for_it_is_not_recorded(steps, stopping, compile, recorded, monkeypatch):
    tried = set()
    monkeypatch.setattr(recorder, "_recorded", lambda function, *given: tried.add(function.__name__))
    context = Context((1, 4, 4), 4, ReconstructionCost("squared"), mlp([16]), 0, 200, None, lambda: 0.1)
    models = [attach(Registry.discover().load("variant", "ae")(), context)]
    rows = Rows(X, None, CPU)
    plan = TrainPlan(steps, 64, "adam", {"lr": 3e-3}, "constant", stopping, compile=compile)
    train(models, (0,), rows, rows, plan, CPU)
    assert tried == recorded


class Configured(Adversarial):
    """Players, their steps and rates depend on parameters of the instance."""

    def __init__(self, critic_steps=1, critic_rate=1.0, bias_rate=1.0):
        super().__init__()
        self.player_steps = {"loss_critic": critic_steps}
        self.player_rates = {"loss_critic": critic_rate}
        self.parameter_rates = {"critic.": 1.0, "critic.bias": bias_rate}


def moved(**params):
    """How far one step takes each parameter."""
    plan = dataclasses.replace(PLAN, steps=1, optimizer="sgd", schedule="constant")
    context = Context((1, 4, 4), 4, ReconstructionCost("squared"), mlp([16]), 0, 200, None, lambda: 0.1)
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(attach(Configured(**params), context))
    rows = Rows(X, None, CPU)
    (result,), _ = train(models[:1], (0,), rows, rows, plan, CPU)
    before = models[1].state_dict()
    return {name: value - before[name] for name, value in result.variant.state_dict().items()}


def test_rates_of_players_and_of_parameters_multiply_the_learning_rate():
    plain, slow = moved(), moved(critic_rate=0.5, bias_rate=0.25)
    for name, step in plain.items():
        factor = {"critic.weight": 0.5, "critic.bias": 0.125}.get(name, 1.0)
        assert step.abs().max() > 0
        torch.testing.assert_close(slow[name], factor * step, rtol=1e-3, atol=1e-8)


class LearnsInputs(Variant):
    """Gives a parameter itself to the encoder."""

    def setup(self, context):
        self.inputs = torch.nn.Parameter(torch.rand(3, *context.data_shape))

    def loss(self, batch, draw):
        cost = self.reconstruction_cost(self.encoder(batch.x), batch.x)
        return {"loss": cost + self.encoder(self.inputs).square().sum()}


def test_operations_are_counted_where_a_parameter_is_an_input():
    context = Context((1, 4, 4), 4, ReconstructionCost("squared"), mlp([]), 0, 200, None, lambda: 0.1)
    decoder, encoder = 3 * 2 * 64 * 4 * 16, 2 * 2 * 64 * 16 * 4  # data have no gradient
    learned = 3 * 2 * 3 * 16 * 4
    assert flops_per_step(attach(LearnsInputs(), context), Rows(X, None, CPU), 64, CPU) == decoder + encoder + learned


def test_steps_of_a_player_are_read_from_the_instance_and_cost_operations():
    """A step of the critic costs a pass of all networks forward, and back through the critic alone."""
    context = Context((1, 4, 4), 4, ReconstructionCost("squared"), mlp([16]), 0, 200, None, lambda: 0.1)
    rows, flops = Rows(X, None, CPU), {}
    for steps in (1, 2, 4):
        model = attach(Configured(critic_steps=steps), context)
        flops[steps] = flops_per_step(model, rows, 64, CPU)
        run = loop._Run([model], (0,), rows, rows, PLAN, CPU)
        assert [len(due) for due in run.due] == [2] + [1] * (steps - 1)
    networks = 2 * 64 * (16 * 16 + 16 * 4 + 4 * 16 + 16 * 16)
    critic = 2 * (2 * 64 * 4)  # of codes and of noise
    assert flops[2] - flops[1] == networks + 2 * critic
    assert flops[4] - flops[1] == 3 * (flops[2] - flops[1])


def test_operations_of_a_loss_that_differentiates_inside_are_counted():
    """The contractive penalty pulls L directions back through the encoder, on which modules' hooks fail."""
    context = Context((1, 4, 4), 4, ReconstructionCost("squared"), mlp([]), 0, 200, None, lambda: 0.1)
    counts = [
        flops_per_step(attach(Registry.discover().load("variant", name)(), context), Rows(X, None, CPU), 64, CPU)
        for name in ("ae", "contractive")
    ]
    assert counts[1] > 1.5 * counts[0] > 0
