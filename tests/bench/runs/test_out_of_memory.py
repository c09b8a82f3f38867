"""Training that runs out of memory is tried again with fewer seeds at a time; what still fails takes only its cells."""

import weakref

import pytest
import torch
from runs import SMALL, execute, records, table

import bench.runs.runner
from bench import memory
from bench.runs.cells import model_memory, training
from bench.runs.preview import preview
from bench.spec.call import parse_call
from bench.spec.request import resolve
from bench.spec.training import TrainSettings
from bench.train.device import out_of_memory

pytestmark = pytest.mark.usefixtures("no_report")


def allocator_error():
    """What torch raises where the CPU's memory does not suffice."""
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 55)
    return raised.value


ERRORS = {
    "cuda": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "python": MemoryError,
    "cpu": allocator_error,
}


@pytest.mark.parametrize("kind", ERRORS)
def test_errors_that_mean_no_memory_are_known(kind):
    assert out_of_memory(ERRORS[kind]())
    assert not out_of_memory(RuntimeError("shapes cannot be multiplied"))


@pytest.mark.parametrize("kind", ERRORS)
def test_a_smaller_stack_is_tried_until_it_fits(tmp_path, monkeypatch, kind):
    plain, tried, kept = training.train, [], []

    def limited(models, seeds, *arguments):
        assert not any(model() for model in kept), "the stack that failed is still in memory"
        tried.append(tuple(seeds))
        if len(seeds) > 2:
            kept[:] = [weakref.ref(model) for model in models]
            raise ERRORS[kind]()
        return plain(models, seeds, *arguments)

    monkeypatch.setattr(training, "train", limited)
    outcome = execute(tmp_path / "run", variant=["vae"], seeds=5)
    assert outcome.n_failed == 0
    assert tried == [(0, 1, 2, 3, 4), (0, 1), (2, 3), (4,)]
    assert [record["stack_seeds"] for record in records(tmp_path / "run").values()] == [[0, 1]] * 2 + [[2, 3]] * 2 + [
        [4]
    ]


def test_a_seed_that_never_fits_fails_alone_with_a_clear_reason(tmp_path, monkeypatch):
    plain = training.train

    def limited(models, seeds, *arguments):
        if 2 in seeds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return plain(models, seeds, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "train", limited)
        outcome = execute(tmp_path / "run", variant=["vae", "ae"], seeds=[0, 1, 2, 3])
    assert outcome.n_failed == 2
    for (label, seed), record in records(tmp_path / "run").items():
        assert (label, seed, record["status"]) == (label, seed, "oom" if seed == 2 else "ok")
        assert seed != 2 or "CUDA out of memory" in record["reason"]
    again = execute(tmp_path / "run", variant=["vae", "ae"], seeds=[0, 1, 2, 3])
    assert (again.n_run, again.n_failed) == (2, 0)
    assert set(table(tmp_path / "run").status) == {"ok"}


@pytest.mark.parametrize("copies", [0.5, 2])
def test_a_network_that_memory_cannot_hold_is_refused_before_it_is_built(tmp_path, monkeypatch, copies):
    """Not even the weights fit, or these but not what training them takes; a plan meets the first, too."""
    weights = 4 * ((6 * 1000 + 1000) + (1000 * 2 + 2) + (2 * 1000 + 1000) + (1000 * 6 + 6))
    monkeypatch.setattr(memory, "available_memory", lambda: int(copies * weights))
    settings = {**SMALL, "variant": ["ae"], "network": "mlp[hidden=[1000]]", "output": tmp_path / "run"}
    (line, *_) = [*preview(resolve(settings)), ""]
    assert ("building mlp[hidden=[1000]," in line) == (copies < 1)
    bench.runs.runner.execute(resolve(settings))
    for record in records(tmp_path / "run").values():
        assert record["status"] == "oom" and record["reason"].endswith("GiB are free; take a smaller network")
        assert "training mlp[hidden=[1000]," in record["reason"]


def test_what_training_takes_is_four_times_the_weights(monkeypatch):
    asked = []
    monkeypatch.setattr(model_memory, "refuse_more_than_there_is", lambda size, *words: asked.append(size))
    settings = TrainSettings(latent_dim=3, network=parse_call("mlp[hidden=[10]]"))
    model_memory.refuse_too_large(settings, (7,), model_memory.TRAINING)
    model_memory.refuse_too_large(settings, (7,))
    model_memory.refuse_too_large(TrainSettings(network=parse_call("mine:make")), (7,))
    weights = (7 * 10 + 10) + (10 * 3 + 3) + (3 * 10 + 10) + (10 * 7 + 7)
    assert asked == [4 * 4 * weights, 4 * weights]
