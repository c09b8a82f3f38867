"""Optimisers against torch's own, bit for bit, and learning-rate schedules against their definition, step by step."""

import functools
import itertools
import math

import pytest
import torch

from bench.spec.training import OPTIMIZERS, SCHEDULES, TrainSettings
from bench.train.optim import Updater, rate


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


KINDS = {
    "adam": functools.partial(torch.optim.Adam, fused=True),
    "adamw": functools.partial(torch.optim.AdamW, fused=True),
    "sgd": functools.partial(torch.optim.SGD, fused=True),
    "rmsprop": torch.optim.RMSprop,
}


def weights():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(size, generator=generator).requires_grad_() for size in ((3, 5, 4), (3, 5), ())]


def gradients(step):
    generator = torch.Generator().manual_seed(1 + step)
    return [torch.randn(weight.shape, generator=generator) for weight in weights()]


def parameters_of(name):
    defaults = {key: parameter.default for key, parameter in OPTIMIZERS[name].items()}
    return {**defaults, "lr": 0.03, "weight_decay": 0.1}


def torchs_own(name, steps, missing=lambda step: False):
    """Weights after `steps` steps of torch's optimiser, whose rate is halved in every step."""
    own = weights()
    optimizer = KINDS[name](own, **parameters_of(name))
    for step in range(steps):
        for weight, gradient in zip(own, gradients(step), strict=True):
            weight.grad = gradient
        if missing(step):
            own[1].grad = None
        optimizer.param_groups[0]["lr"] = 0.03 * 0.5**step
        optimizer.step()
    return own


def stepped(updater, steps):
    """The updater after some of the steps that `torchs_own` takes."""
    for step in steps:
        updater.step(gradients(step), 0.5**step)
    return updater


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_updater_steps_as_torchs_optimiser_does(name):
    own = weights()
    stepped(Updater(name, parameters_of(name), own), range(8))
    assert equal(own, torchs_own(name, 8))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_tensor_without_a_gradient_stays_where_it_is(name):
    own = weights()
    updater = Updater(name, parameters_of(name), own)
    for step in range(6):
        before = own[1].detach().clone()
        given = gradients(step)
        if step % 2:
            given[1] = None
        updater.step(given, 0.5**step)
        assert torch.equal(own[1], before) == bool(step % 2)
    assert equal(own, torchs_own(name, 6, lambda step: step % 2))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_updater_goes_on_from_its_state(name):
    own = weights()
    first = stepped(Updater(name, parameters_of(name), own), range(4))
    state = {key: value.clone() for key, value in first.state().items()}
    first.step(gradients(7), 1.0)  # what the first does from here on must not reach the state that was taken
    copies = [weight.detach().clone().requires_grad_() for weight in torchs_own(name, 4)]
    second = Updater(name, parameters_of(name), copies)
    second.load(state)
    stepped(second, range(4, 8))
    assert equal(copies, torchs_own(name, 8))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_that_is_offered_takes_its_parameters(name):
    params = {key: parameter.default for key, parameter in OPTIMIZERS[name].items()}
    own = weights()
    before = [weight.detach().clone() for weight in own]
    Updater(name, params, own).step([torch.ones_like(weight) for weight in own], 1.0)
    assert all(bool((weight < old).all()) for weight, old in zip(own, before, strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_tensors_step_at_their_own_share_of_the_rate(name):
    """As torch's optimiser with a parameter group for each rate, also after going on from a state."""
    factors, groups = [1.0, 0.25, 1.0], weights()
    given = parameters_of(name)
    optimizer = KINDS[name]([{"params": [weight], "lr": factor * given["lr"]} for weight, factor in
                             zip(groups, factors, strict=True)], **given)  # fmt: skip
    own = weights()
    first = stepped(Updater(name, given, own, factors), range(3))
    second = Updater(name, given, own, factors)
    second.load({key: value.clone() for key, value in first.state().items()})
    stepped(second, range(3, 6))
    for step in range(6):
        for group, gradient, factor in zip(optimizer.param_groups, gradients(step), factors, strict=True):
            group["lr"] = 0.5**step * (factor * given["lr"])
            group["params"][0].grad = gradient
        optimizer.step()
    assert equal(own, groups)
