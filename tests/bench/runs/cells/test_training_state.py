"""Long trainings keep their state: killed in the middle they go on to the same bits, and a wrong state is ignored."""

import numpy as np
import psutil
import pytest
import torch
from runs import NO_REPORT, assert_same_tables, execute, finish, n_records, records, start, wait_for

from bench.contracts.variant import Context
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.factories import networks_named
from bench.runs.cells import training_state
from bench.runs.cells.task import Place, StackTask
from bench.runs.cells.training_state import TrainingCheckpoint, checkpoints_of, open_place, tidy
from bench.spec.registry import Registry
from bench.spec.run import RunSpec
from bench.store import array_files
from bench.store.run_store import RunStore
from bench.train import TrainPlan, train
from bench.train.batches import Rows

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
#: A two-player variant with running statistics, slow enough to be caught in the act when a pause is given.
PLAYERS = '''"""Two players, draws, and batch statistics."""

import time

from torch import nn

from bench.contracts.variant import Variant


class Players(Variant):
    """An autoencoder against a critic."""

    players = {{"loss": ("encoder.", "decoder."), "loss_critic": ("critic.",)}}

    def setup(self, context):
        self.critic = nn.Linear(context.latent_dim, 1)

    def loss(self, batch, draw):
        time.sleep({pause})
        z = self.encode(batch.x) + 0.1 * draw.normal((len(batch.x), self.latent_dim))
        score = self.critic(z)[:, 0]
        return {{"loss": self.reconstruction_cost(z, batch.x) + 0.1 * score, "loss_critic": score**2 - score}}

    def encode(self, x):
        return self.encoder(x)
'''


class Stop(Exception):
    """The kill, as a test can catch it."""


class At:
    """A checkpointer that kills the training after `step` further steps, once its state is on disk."""

    def __init__(self, path, step):
        self.kept = TrainingCheckpoint(path, "mark", 0.0)
        self.left = step

    def load(self):
        return self.kept.load()

    def due(self):
        self.left -= 1
        return self.left == 0

    def save(self, state):
        self.kept.save(state)
        raise Stop


def trained(kind, shape, network, plan, seeds=(0, 1), checkpointer=None):
    x = np.random.default_rng(0).random((200, *shape), dtype=np.float32)
    cost = ReconstructionCost("squared")
    networks = networks_named(network, {})
    models = []
    for seed in seeds:
        torch.manual_seed(seed)  # the critic's first weights
        models.append(attach(kind(), Context(shape, 4, cost, networks, seed, 200, None, lambda: 0.1)))
    results, _ = train(models, seeds, Rows(x, None, CPU), Rows(x[:40], None, CPU), plan, CPU, checkpointer=checkpointer)
    return results


def load_players():
    names = {}
    exec(PLAYERS.format(pause=0), names)
    return names["Players"]


@pytest.mark.parametrize("step", [1, 10, 13, 39])
@pytest.mark.parametrize(
    ("optimizer", "params", "shape", "network", "stopping"),
    [
        ("adam", {"lr": 3e-3}, (6,), "mlp", None),
        ("adam", {"lr": 3e-3}, (6,), "mlp", 3),
        ("sgd", {"lr": 1e-3, "momentum": 0.9}, (6,), "mlp", None),
        ("rmsprop", {"lr": 1e-3}, (1, 8, 8), "conv", None),
        ("adamw", {"lr": 1e-3}, (1, 8, 8), "conv", None),
    ],
)
def test_a_training_goes_on_from_any_step_to_the_same_bits(tmp_path, step, optimizer, params, shape, network, stopping):
    kind = load_players()
    plan = TrainPlan(40, 32, optimizer, params, "cosine", stopping, record_from=0)
    undisturbed = trained(kind, shape, network, plan)
    path = tmp_path / "state.safetensors"
    with pytest.raises(Stop):
        trained(kind, shape, network, plan, checkpointer=At(path, step))
    if step < 38:  # and a second time, from there
        with pytest.raises(Stop):
            trained(kind, shape, network, plan, checkpointer=At(path, 2))
    resumed = trained(kind, shape, network, plan, checkpointer=TrainingCheckpoint(path, "mark", 1e9))
    for one, other in zip(undisturbed, resumed, strict=True):
        assert one.steps_run == other.steps_run
        for name, value in one.variant.state_dict().items():
            assert torch.equal(value, other.variant.state_dict()[name]), name
        assert list(one.history) == list(other.history)
        for name, values in one.history.items():
            assert np.array_equal(values, other.history[name], equal_nan=True), name


def test_a_state_is_what_was_saved_and_due_after_its_time(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(training_state.time, "monotonic", lambda: now[0])
    one = TrainingCheckpoint(tmp_path / "a.safetensors", "mark", 60.0)
    assert one.load() is None and not one.due()
    now[0] += 60.0
    assert one.due()
    state = {"step": np.array(7), "live.w": RNG.random((2, 3, 0)), "flag": np.array([True, False])}
    one.save(state)
    assert not one.due()
    loaded = one.load()
    assert set(loaded) == set(state)
    for name, values in state.items():
        assert loaded[name].dtype == values.dtype and np.array_equal(loaded[name], values)


@pytest.mark.parametrize("spoil", ["fingerprint", "cut", "flipped", "empty", "foreign"])
def test_a_state_that_is_stale_or_damaged_is_ignored(tmp_path, spoil):
    path = tmp_path / "a.safetensors"
    TrainingCheckpoint(path, "other" if spoil == "fingerprint" else "mark", 0.0).save({"w": RNG.random(100)})
    content = path.read_bytes()
    if spoil == "cut":
        path.write_bytes(content[:-1])
    elif spoil == "flipped":
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    elif spoil == "empty":
        path.write_bytes(b"")
    elif spoil == "foreign":
        array_files.save_tensors(path, {"w": np.zeros(3)}, {"label": "a model"})
    assert TrainingCheckpoint(path, "mark", 0.0).load() is None


def test_a_disk_that_cannot_be_written_does_not_end_the_training(tmp_path):
    (tmp_path / "file").touch()
    one = TrainingCheckpoint(tmp_path / "file" / "a.safetensors", "mark", 0.0)
    one.save({"w": np.zeros(3)})
    assert one.load() is None


def test_states_differ_by_stack_seeds_code_and_device_and_are_kept_only_where_the_folder_is_meant(tmp_path):
    spec = RunSpec()
    cells = spec.cells(Registry.discover())
    place = open_place(tmp_path)
    base = StackTask((cells[0],), code_hash="a", progress=place)
    one = checkpoints_of(base)((0, 1))
    one.save({"w": np.zeros(3)})
    assert checkpoints_of(base)((0, 1)).load() is not None
    assert checkpoints_of(base)((0, 2)).load() is None
    for other in (
        StackTask((cells[-1],), code_hash="a", progress=place),
        StackTask((cells[0],), code_hash="b", progress=place),
        StackTask((cells[0],), code_hash="a", progress=place, device="cuda:1"),
    ):
        assert checkpoints_of(other)((0, 1)).load() is None
    elsewhere = Place(place.folder, "another token", place.every)
    assert checkpoints_of(StackTask((cells[0],), progress=elsewhere))((0, 1)) is None
    assert checkpoints_of(StackTask((cells[0],)))((0, 1)) is None
    tidy(tmp_path, {cells[0].stack_id})
    assert one.load() is not None
    tidy(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def slow(tmp_path):
    (tmp_path / "players.py").write_text(PLAYERS.format(pause=0.05))
    return {"variant": ["players"], "plugins": [tmp_path / "players.py"]}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_or_child_killed_while_it_trains_loses_no_more_than_the_last_moments(tmp_path, slow, jobs, monkeypatch):
    monkeypatch.setattr("bench.runs.runner.report_run", lambda directory: [])
    before = f"import bench.runs.cells.training_state; bench.runs.cells.training_state.EVERY = 0.2\n{NO_REPORT}"
    directory = tmp_path / "run"
    process = start(directory, before, n_jobs=jobs, **slow)
    wait_for(lambda: list((directory / "progress").glob("[!.]*.safetensors")))
    if jobs == 1:
        process.kill()
        finish(process)
        assert n_records(directory) == 0
    else:
        psutil.Process(process.pid).children()[0].kill()
        assert finish(process)[0] == 1
        assert {record["status"] for record in records(directory).values()} == {"killed"}
    resumed = []
    load = TrainingCheckpoint.load
    monkeypatch.setattr(TrainingCheckpoint, "load", lambda self: resumed.append(load(self)) or resumed[-1])
    execute(directory, **slow)
    assert len(resumed) == 1 and int(resumed[0]["step"]) > 0
    assert not (directory / "progress").exists()
    monkeypatch.undo()
    monkeypatch.setattr("bench.runs.runner.report_run", lambda directory: [])
    execute(tmp_path / "undisturbed", **slow)
    assert_same_tables(directory, tmp_path / "undisturbed")
    one, other = RunStore.open(directory), RunStore.open(tmp_path / "undisturbed")
    for cell_id in one.records():
        weights = (store.load_checkpoint(cell_id)[0] for store in (one, other))
        for values, expected in zip(*(found.items() for found in weights), strict=True):
            assert values[0] == expected[0] and np.array_equal(values[1], expected[1])
