"""The contract test over every discovered metric: gauge, controls, broken models, poor data, declarations."""

import dataclasses

import numpy as np
import pytest
import torch
from accounting import accounted

from bench.contracts.dataset import Split
from bench.contracts.metric import NEEDS
from bench.evaluate.control_models import CONTROLS
from bench.losses import ReconstructionCost

SQUARED = ReconstructionCost("squared")
#: Estimates whose error does not count local optima of the mixture's EM or of a trained classifier: relative slack.
SLACK = {"mixture": 0.05, "c2st": 0.03}


def test_declarations_are_complete_and_unique(every_metric):
    names = [value.name for metric in every_metric for value in metric.values]
    assert len(names) == len(set(names))
    for metric in every_metric:
        assert metric.family and metric.values
        for value in metric.values:
            assert value.summary.endswith(".") and set(value.needs) <= set(NEEDS), value.name
            assert value.formula and value.gauge in ("invariant", "dependent"), value.name


@pytest.fixture(scope="module")
def trained(toolbox, every_metric, digits_vae, digits_split, digits_shared):
    return toolbox.evaluate(digits_vae, digits_split, *every_metric, shared=digits_shared)


@pytest.fixture(scope="module")
def regauged(toolbox, every_metric, digits_vae, digits_split, digits_shared):
    invariant = [metric for metric in every_metric if any(v.gauge == "invariant" for v in metric.values)]
    metrics = [*invariant, *(metric for metric in every_metric if type(metric).__name__ == "Collapse")]
    return toolbox.evaluate(toolbox.gauge(digits_vae), digits_split, *dict.fromkeys(metrics), shared=digits_shared)


def test_a_trained_model_is_accounted_for(trained):
    accounted(trained)


def test_invariant_values_survive_a_change_of_gauge(every_metric, trained, regauged):
    checked = 0
    for metric in every_metric:
        for value in (value for value in metric.values if value.gauge == "invariant" and not value.vector):
            before, after = trained[value.name], regauged[value.name]
            assert before.status == after.status, (value.name, before, after)
            if before.value is None:
                continue
            slack = max([share for part, share in SLACK.items() if part in value.name], default=2e-3)
            noise = 4 * ((before.error or 0) ** 2 + (after.error or 0) ** 2) ** 0.5
            assert after.value == pytest.approx(before.value, abs=noise + slack * abs(before.value) + 1e-6), value.name
            checked += 1
    assert checked > 20


def test_some_dependent_values_do_change(trained, regauged):
    assert abs(trained["log_rms_mu"].value - regauged["log_rms_mu"].value) > 0.05


def test_monte_carlo_errors_are_small(trained):
    """Below half a percent, or small against any difference that matters (an absolute .012 of a share)."""
    for name in ("coverage_fit", "recall_fit", "coverage_recall_fit", "energy_fit", "energy_fit_classifier"):
        assert trained[name].error < 0.012, name
    for name in ("test_mse_sampled", "diversity_fit", "interp_unevenness", "interp_realism"):
        assert trained[name].error < 0.01 * abs(trained[name].value), name


def test_a_nan_model_gets_no_number(toolbox, every_metric, digits_vae, digits_split, digits_shared):
    broken = dataclasses.replace(digits_vae, encode=lambda x: digits_vae.encode(x) * torch.nan)
    values = toolbox.evaluate(broken, digits_split, *every_metric, shared=digits_shared)
    accounted(values)
    for name, measured in values.items():
        assert (measured.value is None and "finite" in measured.reason) or measured.status == "n/a", name


def test_a_model_that_raises_gets_reasons(toolbox, every_metric, digits_vae, digits_split, digits_shared):
    def fail(x):
        raise RuntimeError("no such\nlayer")

    values = toolbox.evaluate(
        dataclasses.replace(digits_vae, encode=fail), digits_split, *every_metric, shared=digits_shared
    )
    accounted(values)
    assert "no such layer" in values["test_mse"].reason


def tiny(n_test: int, constant: bool = False) -> Split:
    rng = np.random.default_rng(0)
    parts = [rng.random((n, 6), dtype=np.float32) for n in (40, 5, n_test)]
    if constant:
        parts = [np.full_like(part, 0.5) for part in parts]
    labels = [np.arange(len(part)) % 2 for part in parts]
    return Split(*parts, *labels)


@pytest.mark.parametrize("n_test", [0, 1, 2, 7])
def test_too_few_rows(n_test, toolbox, every_metric):
    split = tiny(n_test)
    values = toolbox.evaluate(CONTROLS["pca"](split, 2, SQUARED, 0), split, *every_metric)
    accounted(values)
    assert values["coverage_fit"].value is None
    if n_test:
        assert values["coverage_fit"].status == "too_few"


def test_constant_data(toolbox, every_metric):
    split = tiny(60, constant=True)
    values = toolbox.evaluate(CONTROLS["pca"](split, 2, SQUARED, 0), split, *every_metric)
    accounted(values)
    for name in ("test_fvu", "coverage_fit", "diversity_fit", "interp_realism", "hole_fraction_fit"):
        assert values[name].value is None, name


def test_duplicated_data_are_flagged(toolbox, every_metric):
    rows = np.random.default_rng(0).random((75, 6), dtype=np.float32)
    rows = np.concatenate([np.repeat(rows[:5], 8, axis=0), rows])
    split = Split(rows, rows[:8], rows)
    values = toolbox.evaluate(CONTROLS["pca"](split, 2, SQUARED, 0), split, *every_metric)
    accounted(values)
    assert values["coverage_fit"].status == "flagged" and "duplicates" in values["coverage_fit"].reason


def test_nothing_is_left_in_the_global_generator(toolbox, every_metric, digits_vae, digits_split, digits_shared):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    cheap = [metric for metric in every_metric if any(value.core for value in metric.values)]
    first = toolbox.evaluate(digits_vae, digits_split, *cheap, shared=digits_shared)
    assert torch.equal(torch.rand(2), expected)
    assert first == toolbox.evaluate(digits_vae, digits_split, *cheap, shared=digits_shared)


def test_what_the_short_table_ranks_says_from_where_a_difference_counts(every_metric):
    """A default knows nothing of the metric, so that no mark of the headline rests on one."""
    ranked = [v for metric in every_metric for v in metric.values if v.primary and v.higher_is_better is not None]
    assert len(ranked) >= 9
    assert {v.name: v.smallest_effect for v in ranked if not v.smallest_effect} == {}
