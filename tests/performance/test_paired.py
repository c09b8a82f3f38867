"""The timing gates themselves: a planted slowdown is caught, equal code never raises an alarm, noise is admitted."""

import random

import pytest
import torch
from paired import compare, judge, median_interval, repeated

LIMIT = 1.15


def work():
    """About a millisecond of matrix products."""
    a = torch.ones(160, 160)
    return repeated(lambda: a @ a, 20)


def simulated(slowdown, noise, seed):
    """A clock without a machine: log-normal noise, spells of load that hit whole rounds, a subject so much slower."""
    draw = random.Random(seed)
    state = {"calls": 0, "load": 1.0}

    def clock(function):
        if state["calls"] % 3 == 2:  # two warm-up calls, then three per round
            state["load"] = draw.choice([1.0, 1.0, 1.0, 2.5])
        state["calls"] += 1
        base = 1.0 + slowdown if function is planted else 1.0
        return base * state["load"] * draw.lognormvariate(0.0, noise)

    def planted():
        raise AssertionError("not called")

    return clock, planted


def outcomes(slowdown, noise, trials=200):
    results = []
    for seed in range(trials):
        clock, subject = simulated(slowdown, noise, seed)
        results.append(compare(subject, lambda: None, LIMIT, clock=clock).outcome)
    return results


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.1])
def test_a_slowdown_of_30_percent_is_caught(noise):
    assert outcomes(0.30, noise).count("slower") >= 190


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.1, 0.3, 1.0])
def test_equal_code_raises_no_alarm(noise):
    found = outcomes(0.0, noise)
    assert found.count("slower") == 0
    assert noise > 0.1 or found.count("ok") >= 190


def test_a_machine_too_noisy_says_so():
    found = outcomes(0.30, 2.0)
    assert found.count("inconclusive") >= 190
    assert "inconclusive: " in str(judge([0.5, 2.0] * 11, [1.0] * 22, LIMIT))


def test_a_planted_slowdown_on_this_machine():
    """Real time: 20 products against 26. Noise may leave it open, but it must never pass as equal."""
    a = torch.ones(160, 160)
    verdict = compare(repeated(lambda: a @ a, 26), repeated(lambda: a @ a, 20), LIMIT)
    assert verdict.outcome != "ok", str(verdict)
    if verdict.outcome == "inconclusive":
        pytest.skip(f"this machine is too noisy to tell: {verdict}")


def test_the_same_code_on_this_machine():
    same = work()
    verdict = compare(same, same, LIMIT)
    assert verdict.outcome != "slower", str(verdict)


def test_a_noisy_control_withholds_the_alarm():
    quiet, noisy = [1.0] * 21, [0.7, 1.4] * 11
    assert judge([1.3] * 21, quiet, LIMIT).outcome == "slower"
    assert judge([1.3] * 22, noisy, LIMIT).outcome == "inconclusive"


def test_median_interval_covers_the_median():
    """Binomial: of 21 values the 5th to the 17th miss the median with probability 0.0072, the 6th to 16th 0.027."""
    values = [float(number) for number in range(1, 22)]
    assert median_interval(values) == (11.0, 5.0, 17.0)
    assert median_interval([2.0, 1.0]) == (1.5, 1.0, 2.0)


@pytest.mark.parametrize("limit", [0.45, 0.7, 0.9, 1.0, 1.85])
def test_a_gate_can_fail_whatever_its_limit(limit):
    """Also where the subject has to be faster than the reference: the control is about 1, not about the limit."""
    assert judge([1.3 * limit] * 21, [0.99, 1.0, 1.01] * 7, limit).outcome == "slower"
    assert judge([0.9 * limit] * 21, [0.99, 1.0, 1.01] * 7, limit).outcome == "ok"
    assert judge([1.3 * limit] * 21, [0.7, 1.0, 1.4] * 7, limit).outcome == "inconclusive"


def disturbed_machine(share, seed=0):
    """A clock and a meter: in a `share` of the rounds another process takes the core while the subject runs."""
    draw = random.Random(seed)
    state = {"wall": 0.0, "processor": 0.0, "disturbed": False}

    def subject():
        raise AssertionError("not called")

    def meter():
        state["disturbed"] = draw.random() < share
        return state["wall"], state["processor"]

    def clock(function):
        waited = 0.6 if state["disturbed"] and function is subject else 0.0
        state["wall"] += 1.0 + waited
        state["processor"] += 1.0
        return 1.0 + waited

    return subject, clock, meter


@pytest.mark.parametrize(("share", "outcome"), [(0.0, "ok"), (0.5, "ok"), (1.0, "inconclusive")])
def test_disturbed_rounds_are_repeated(share, outcome):
    """Equal code: what another process took does not count against the subject; a machine always busy tells nothing."""
    subject, clock, meter = disturbed_machine(share)
    verdict = compare(subject, lambda: None, LIMIT, clock=clock, meter=meter)
    assert verdict.outcome == outcome, str(verdict)


def test_too_few_rounds_tell_nothing():
    assert judge([2.0] * 10, [1.0] * 10, LIMIT).outcome == "inconclusive"
    assert judge([2.0] * 11, [1.0] * 11, LIMIT).outcome == "slower"
