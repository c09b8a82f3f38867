"""`evaluate` accounts for every value: needs, failures, defects of a metric, NaN, vectors, flags, wanted names."""

import numpy as np
import pytest
import torch

from bench.contracts.dataset import Split
from bench.contracts.metric import Estimate, Flagged, Metric, Missing, Value
from bench.contracts.model import Model
from bench.evaluate.evaluate import evaluate
from bench.losses import ReconstructionCost

RNG = np.random.default_rng(0)
SPLIT = Split(*(RNG.random((n, 4), dtype=np.float32) for n in (50, 20, 40)))
MODEL = Model(
    "identity",
    4,
    (4,),
    ReconstructionCost("squared"),
    encode=lambda x: x,
    decode=lambda z: z,
    decode_params=lambda z: z,
)


def metric_of(outcomes, **declared) -> Metric:
    class Given(Metric):
        family = "reconstruction"
        values = tuple(Value(name, "A value.", None, **declared) for name in outcomes)

        def compute(self, view, rng):
            return {name: outcome for name, outcome in outcomes.items() if outcome is not None}

    return Given()


def measure(*metrics, **options):
    return evaluate(MODEL, SPLIT, metrics, **options).values


def test_numbers_estimates_flags_and_reasons():
    values = measure(
        metric_of(
            {
                "plain": np.float32(2.0),
                "spread": Estimate(1.0, 0.1),
                "odd": Flagged(3.0, "careful"),
                "none": Missing("no reason at all", "too_few"),
            }
        )
    )
    assert (values["plain"].value, values["plain"].status, values["plain"].error) == (2.0, "ok", None)
    assert (values["spread"].value, values["spread"].error) == (1.0, 0.1)
    assert (values["odd"].status, values["odd"].reason) == ("flagged", "careful")
    assert (values["none"].value, values["none"].status) == (None, "too_few")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, torch.tensor(torch.nan)])
def test_no_nan_or_infinity_passes(number):
    measured = measure(metric_of({"bad": number}))["bad"]
    assert measured.value is None and measured.status == "n/a" and "finite" in measured.reason


def test_vectors_are_spread_out_by_index():
    values = measure(metric_of({"kl": np.array([1.0, np.nan])}, vector=True))
    assert values["kl[0]"].value == 1.0 and values["kl[1]"].value is None


def test_a_value_that_is_not_returned_is_a_stated_defect():
    assert "defect" in measure(metric_of({"forgotten": None}))["forgotten"].reason


def test_a_vector_where_a_number_is_declared_is_a_stated_defect():
    assert "defect" in measure(metric_of({"wrong": np.zeros(3)}))["wrong"].reason


@pytest.mark.parametrize(("outcome", "what"), [("many", "a str, no number"), ({"a": 1}, "a dict, no number")])
def test_what_is_no_number_is_a_stated_defect(outcome, what):
    assert what in measure(metric_of({"wrong": outcome}))["wrong"].reason


def test_a_metric_that_returns_no_dictionary_has_failed():
    class Lists(Metric):
        family = "coverage"
        values = (Value("listed", "A value.", None),)

        def compute(self, view, rng):
            return [1.0]

    assert measure(Lists())["listed"].reason == "the metric failed (compute returned a list)"


def test_unmet_needs_give_the_reason_and_skip_the_computation():
    values = measure(metric_of({"needy": 1.0}, needs=("prior",)))
    assert values["needy"].reason == "the variant declares no prior"


def test_one_failing_metric_leaves_the_others():
    class Fails(Metric):
        family = "coverage"
        values = (Value("broken", "A value.", None),)

        def compute(self, view, rng):
            raise ZeroDivisionError("at\nline two")

    values = measure(Fails(), metric_of({"fine": 1.0}))
    assert values["broken"].reason == "the metric failed (ZeroDivisionError: at line two)"
    assert values["fine"].value == 1.0


def test_a_function_is_called_only_for_a_value_that_is_asked_for_and_fails_alone():
    called = []

    def lazy(name):
        def value():
            called.append((name, torch.is_grad_enabled()))
            return Estimate(2.0, 0.5) if name == "fine" else 1 / 0

        return value

    metric = metric_of({name: lazy(name) for name in ("fine", "broken", "unasked")})
    values = measure(metric, wanted={"fine", "broken"})
    assert (values["fine"].value, values["fine"].error) == (2.0, 0.5)
    assert values["broken"].reason == "the metric failed (ZeroDivisionError: division by zero)"
    assert called == [("fine", False), ("broken", False)]


def test_only_wanted_values_are_reported():
    assert set(measure(metric_of({"a": 1.0, "b": 2.0}), wanted={"b"})) == {"b"}


def test_seconds_are_kept_by_family():
    seconds = evaluate(MODEL, SPLIT, [metric_of({"a": 1.0})]).seconds
    assert set(seconds) == {"view", "reconstruction"} and all(value >= 0 for value in seconds.values())


def test_metrics_draw_from_a_stream_that_depends_on_seed_and_metric_alone():
    class Draws(Metric):
        family = "coverage"
        values = (Value("drawn", "A value.", None),)

        def compute(self, view, rng):
            return {"drawn": rng.random()}

    first, again, other = (measure(Draws(), seed=seed)["drawn"].value for seed in (0, 0, 1))
    assert first == again != other
