"""What a user can have wrong with a variant or a sampler: one line each, and what diverges marks its own seed."""

import math

import numpy as np
import pytest
import torch
from runs import execute, records

from bench.errors import UsageError
from bench.networks.build import build_model
from bench.spec.registry import Registry
from bench.spec.signature import REQUIRED
from bench.spec.training import TrainSettings
from bench.train.batches import Rows
from bench.train.loop import TrainPlan, train

REGISTRY = Registry.discover()
#: Nothing that a number of a model can be.
IMPOSSIBLE = (-1, math.nan, math.inf, -math.inf)
#: Numbers that mean something below 0, too.
SIGNED = {"curvature"}


def numbers():
    """(kind, plugin, parameter, whether it is a whole number) of all that have a number as default."""
    for kind in ("variant", "sampler"):
        for name in REGISTRY.names(kind):
            for key, parameter in REGISTRY.info(kind, name).parameters.items():
                default = parameter.default
                if (default is not REQUIRED and type(default) in (int, float)) or default == "auto":
                    yield pytest.param(kind, name, key, type(default) is int, id=f"{name}-{key}")


@pytest.mark.parametrize(("kind", "name", "key", "whole"), list(numbers()))
def test_numbers_out_of_range_are_one_line_that_names_them(kind, name, key, whole):
    if name == "maf":
        pytest.importorskip("zuko")
    make = REGISTRY.load(kind, name)
    for value in (-1, 1.5) if whole else IMPOSSIBLE:
        with pytest.raises(UsageError) as refused:
            make(**{key: value})
        assert key in str(refused.value) and "\n" not in str(refused.value)


def test_a_variant_that_needs_labels_is_skipped_with_the_reason_on_data_without(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.runs.runner.report_run", lambda run: [])
    monkeypatch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
    outcome = execute(tmp_path / "run", variant=["ae", "conditional-prior"], seeds=1, steps=5, metrics="test_mse")
    found = records(tmp_path / "run")
    assert (found["ae", 0]["status"], found["conditional-prior", 0]["status"]) == ("ok", "skipped")
    assert "labels" in found["conditional-prior", 0]["reason"] and outcome.n_skipped == 1


@pytest.mark.parametrize("name", ["adversarial-ae", "factor-vae", "acai"])
def test_a_critic_that_diverges_marks_its_own_seed(name):
    settings = TrainSettings(latent_dim=2)
    models = [
        build_model(REGISTRY.load("variant", name), settings, data_shape=(6,), n_train=64, n_classes=None, seed=seed,
                    auto_kl_weight=lambda: 0.1)
        for seed in range(3)
    ]  # fmt: skip
    critic = next(parameter for key, parameter in models[1].named_parameters() if key.startswith("critic"))
    critic.data.fill_(torch.inf)
    rows = Rows(np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32), None, torch.device("cpu"))
    plan = TrainPlan(steps=6, batch_size=16, optimizer_params={"lr": 1e-3})
    trained, _ = train(models, range(3), rows, rows, plan, torch.device("cpu"))
    assert [seed.diverged_step is None for seed in trained] == [True, False, True]
