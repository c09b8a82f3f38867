"""A seed's result does not depend on which seeds train beside it, nor on how long a training was interrupted."""

import numpy as np
import pytest
import torch

from bench.contracts.variant import Context, Variant
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.factories import mlp
from bench.spec.registry import Registry
from bench.train import TrainPlan, train
from bench.train.batches import BatchOrder, Rows
from bench.train.noise import NoiseSource, Request

REGISTRY = Registry.discover()
CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
X = RNG.random((300, 1, 6, 6), dtype=np.float32)
Y = RNG.integers(0, 3, 300)
PLAN = TrainPlan(60, 32, "adam", {"lr": 3e-3}, "cosine", record_from=0)


def models_of(kind, seeds, **params):
    cost = ReconstructionCost("squared")
    return [attach(kind(**params), Context((1, 6, 6), 4, cost, mlp([16]), seed, 300, 3, lambda: 0.1)) for seed in seeds]


def run(kind, seeds, plan=PLAN, x=X, **options):
    rows = Rows(x, Y[: len(x)], CPU)
    validation = Rows(X[:50], Y[:50], CPU)
    trained, _ = train(models_of(kind, seeds), seeds, rows, validation, plan, CPU, **options)
    return {result.seed: result for result in trained}


def weights(result):
    return {name: value.clone() for name, value in result.variant.state_dict().items()}


def assert_same(one, other, tolerance=0.0):
    for name, value in weights(one).items():
        assert torch.allclose(value, weights(other)[name], rtol=0, atol=tolerance), name


@pytest.mark.parametrize("name", ["ae", "stochastic-ae", "vae", "decoder-only"])
def test_stack_of_ten_two_and_one_agree(name):
    kind = REGISTRY.load("variant", name)
    ten, two, one = run(kind, range(10)), run(kind, (7, 3)), run(kind, (3,))
    assert_same(ten[3], two[3])
    assert_same(ten[7], two[7])
    assert_same(ten[3], one[3], 1e-4)
    for key, values in ten[3].history.items():
        assert np.array_equal(values, two[3].history[key]), key
    with pytest.raises(AssertionError):
        assert_same(ten[3], ten[7], 1e-4)


def test_same_command_twice_gives_the_same_bits():
    kind = REGISTRY.load("variant", "vae")
    assert_same(run(kind, (1,))[1], run(kind, (1,))[1])


class Marked(Variant):
    """A plain autoencoder with a marker that tells seed 5 from the others."""

    def setup(self, context):
        self.marker = torch.nn.Parameter(torch.tensor(float(context.seed == 5)))

    def loss(self, batch, draw):
        cost = self.reconstruction_cost(self.encoder(batch.x), batch.x)
        return {"loss": self.spoilt(cost, batch) + 0.0 * self.marker}

    def spoilt(self, cost, batch):
        return cost

    def encode(self, x):
        return self.encoder(x)


class Diverging(Marked):
    """Turns NaN at half time, for the marked seed only."""

    def spoilt(self, cost, batch):
        bad = (batch.progress >= 0.5) & (self.marker > 0.5)
        return torch.where(bad, torch.full_like(cost, float("nan")), cost)


def test_a_diverging_seed_leaves_its_stack_mates_alone():
    results, undisturbed = run(Diverging, (4, 5, 6)), run(Marked, (4, 5, 6))
    assert [results[seed].diverged_step for seed in (4, 5, 6)] == [None, 30, None]
    assert undisturbed[5].diverged_step is None
    assert_same(results[4], undisturbed[4])
    assert_same(results[6], undisturbed[6])
    assert np.isnan(results[5].history["train_loss"][-1]) and np.isfinite(results[4].history["train_loss"]).all()


def test_early_stopping_is_per_seed_and_keeps_the_best_weights():
    kind = REGISTRY.load("variant", "ae")
    # Thirty training rows are memorised soon, so the validation loss turns up again.
    plan = TrainPlan(1200, 30, "adam", {"lr": 1e-2}, "constant", early_stopping=10)
    together = run(kind, (0, 1, 2), plan, x=X[:30])
    steps = {seed: result.steps_run for seed, result in together.items()}
    assert len(set(steps.values())) > 1 and max(steps.values()) < 1200
    for seed, result in together.items():
        losses = result.history["validation_loss"]
        assert result.steps_run == result.history["step"][losses.argmin()]
        assert result.history["step"][-1] == result.steps_run + 10
        with torch.no_grad():
            x = torch.from_numpy(X[:50])
            model = result.variant
            now = float((model.decode(model.encode(x)) - x).square().sum((1, 2, 3)).mean())
        assert now == pytest.approx(losses.min(), rel=1e-4)
        assert_same(run(kind, (seed, 9), plan, x=X[:30])[seed], result, 1e-4)


class Memory:
    """A checkpointer that keeps one state and stops the training after it."""

    def __init__(self):
        self.kept = None

    def load(self):
        return self.kept

    def due(self):
        return self.kept is None

    def save(self, state):
        self.kept = {name: np.array(value) for name, value in state.items()}
        raise KeyboardInterrupt


@pytest.mark.parametrize("early_stopping", [None, 20])
def test_interrupted_training_goes_on_to_the_same_bits(early_stopping):
    kind = REGISTRY.load("variant", "vae")
    plan = TrainPlan(100, 32, "adam", {"lr": 3e-3}, "cosine", early_stopping, record_from=0)
    undisturbed = run(kind, (0, 1), plan)
    memory = Memory()
    with pytest.raises(KeyboardInterrupt):
        run(kind, (0, 1), plan, checkpointer=memory)
    resumed = run(kind, (0, 1), plan, checkpointer=memory)
    for seed in (0, 1):
        assert_same(undisturbed[seed], resumed[seed])
        for key, values in undisturbed[seed].history.items():
            assert np.array_equal(values, resumed[seed].history[key], equal_nan=True), key


def test_all_variants_see_the_same_batches_and_every_epoch_every_row():
    order = BatchOrder(10, 4, (3, 8), CPU)
    first = torch.cat([order.at(step) for step in range(3)], 1)
    assert [order.at(step).shape[1] for step in range(3)] == [4, 4, 2]
    assert first.sort(1).values.tolist() == [list(range(10))] * 2
    second = torch.cat([order.at(step) for step in range(3, 6)], 1)
    assert not torch.equal(first, second) and not torch.equal(first[0], first[1])
    assert torch.equal(BatchOrder(10, 4, (8,), CPU).at(1)[0], order.at(1)[1])


def test_noise_is_standard_normal_fresh_every_step_and_a_function_of_the_seed():
    requests = [Request("normal", (50, 4)), Request("uniform", (50,)), Request("permutation", (6,))]
    source = NoiseSource((1, 2), CPU, "train")
    steps = [[tensor.clone() for tensor in source.at(step, 0, requests, True)] for step in range(200)]
    normal = torch.stack([step[0] for step in steps])
    n = normal.numel()
    assert abs(float(normal.mean())) < 5 / n**0.5
    assert abs(float(normal.var()) - 1) < 5 * (2 / n) ** 0.5
    assert len({float(value) for value in normal[:, 0, 0, 0]}) == 200
    assert not torch.equal(normal[:, 0], normal[:, 1])
    assert all(sorted(row.tolist()) == list(range(6)) for step in steps for row in step[2])
    alone = NoiseSource((2,), CPU, "train")
    assert torch.equal(alone.at(150, 0, requests, True)[0][0], normal[150, 1])


def test_initial_weights_agree_between_variants_wherever_shapes_do():
    ae, vae = (models_of(REGISTRY.load("variant", name), (4,))[0] for name in ("ae", "vae"))
    theirs = dict(vae.named_parameters())
    head = 0
    for name, value in ae.named_parameters():
        other = theirs[name]
        if other.shape != value.shape:
            head += 1
            other = other[: len(value)]
        assert torch.equal(value, other), name
    assert head == 2  # weight and bias of the head, whose first block is the code's
    other_seed = models_of(REGISTRY.load("variant", "ae"), (5,))[0]
    assert not torch.equal(other_seed.decoder[0].weight, ae.decoder[0].weight)
