"""Learning-rate schedules against their definition, step by step."""

import itertools
import math

import pytest
import torch

from bench.settings import OPTIMIZERS, SCHEDULES, TrainSettings
from bench.train.optim import make_optimizer, rate


def test_stages_are_those_of_the_importance_weighted_autoencoder():
    """Stage i = 1 … 8 takes 3^(i-1) of 3,280 epochs at 10^(-(i-1)/7) of the first rate (Burda et al., section 5)."""
    schedule = TrainSettings(
        schedule="stages[lengths=[1,3,9,27,81,243,729,2187],factor=0.7196856730011519]", epochs=3280
    ).schedule
    per_epoch, epoch = 10, 0
    for stage in range(1, 9):
        for _ in range(3 ** (stage - 1)):
            for step in (epoch * per_epoch, (epoch + 1) * per_epoch - 1):
                expected = 10 ** (-(stage - 1) / 7)
                assert rate(schedule.name, schedule.params, step, 3280 * per_epoch) == pytest.approx(expected, rel=1e-9)
            epoch += 1
    assert epoch == 3280


def test_stages_whose_ends_fall_between_steps_change_at_the_next_step():
    found = [rate("stages", {"lengths": [1, 1, 0.5], "factor": 0.1}, step, 10) for step in range(10)]
    assert found == pytest.approx([1] * 4 + [0.1] * 4 + [0.01] * 2)
    found = [rate("stages", {"lengths": [1, 2], "factor": 0.1}, step, 10) for step in range(10)]
    assert found == pytest.approx([1] * 4 + [0.1] * 6)


def test_constant_and_cosine():
    assert [rate("constant", {}, step, 4) for step in range(4)] == [1.0] * 4
    found = [rate("cosine", {}, step, 4) for step in range(4)]
    assert found == pytest.approx([1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2])


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_that_is_offered_is_computed(name):
    params = {"lengths": [1, 2], "factor": 0.5} if name == "stages" else {}
    rates = [rate(name, params, step, 6) for step in range(6)]
    assert rates[0] == 1.0
    assert all(0 < later <= earlier for earlier, later in itertools.pairwise(rates))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_that_is_offered_takes_its_parameters(name):
    weight = torch.ones(3, requires_grad=True)
    params = {key: parameter.default for key, parameter in OPTIMIZERS[name].items()}
    optimizer = make_optimizer(name, params, [weight])
    weight.grad = torch.ones(3)
    optimizer.step()
    assert bool((weight < 1).all())
    assert {key: optimizer.param_groups[0][key] for key in params} == params
