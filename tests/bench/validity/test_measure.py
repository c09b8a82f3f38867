"""The sweeps on digits: headline metrics put real data first and keep their claims; what must fail is seen to fail."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.validity_sweeps import kind_of, measured_as
from bench.contracts.metric import Estimate, Metric, Value
from bench.errors import UsageError
from bench.evaluate.neighbours import nearest
from bench.metrics.coverage import Coverage
from bench.metrics.downstream import Downstream
from bench.metrics.energy import Energy
from bench.metrics.interpolation import Interpolation
from bench.metrics.reconstruction import Reconstruction
from bench.validity.document import failures, frame, markdown
from bench.validity.judge import SEES, WON, judged
from bench.validity.measure import entries, sweep_all

ROOT = Path(__file__).resolve().parents[3]
HEADLINE = {
    "energy_prior", "energy_prior_classifier", "coverage_recall_prior", "coverage_prior", "recall_prior",
    "interp_excess", "interp_excess_classifier", "interp_realism", "test_mse", "knn_accuracy",
}  # fmt: skip


class Nearness(Metric):
    """Planted: how near samples are to held-out data, which averages are most of all."""

    family = "generation"
    values = (
        Value("nearness_prior", "Distance to the nearest datum.", False, formula="E d(y)", needs=("decode", "prior"),
              sees=("blur",)),
    )  # fmt: skip

    def compute(self, view, rng):
        distances = nearest(view.decoded("prior"), view.test.flat)[0]
        return {"nearness_prior": Estimate(float(distances.mean()), float(distances.std()) / len(distances) ** 0.5)}


@pytest.fixture(scope="module")
def digits():
    spec = importlib.util.spec_from_file_location("digits_of_sweeps", ROOT / "datasets" / "digits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load()


@pytest.fixture(scope="module")
def curves(digits):
    metrics = [Energy(), Coverage(), Interpolation(), Reconstruction(), Downstream(), Nearness()]
    return sweep_all(digits, metrics, {*HEADLINE, "nearness_prior"})


def of(curves, name, kind=None):
    return next(entry for entry in judged(curves) if entry.name == name and entry.kind == (kind or entry.kind))


@pytest.mark.parametrize(
    "name", ["energy_prior", "energy_prior_classifier", "coverage_recall_prior", "interp_excess",
             "interp_excess_classifier", "test_mse", "knn_accuracy"],
)  # fmt: skip
def test_what_ranks_puts_real_data_first_and_keeps_its_claims(curves, name):
    found = of(curves, name)
    assert found.ranks and found.passes, (found.broken, found.verdicts)
    assert [sweep for sweep, verdict in found.verdicts.items() if verdict == SEES]


def test_what_fails_is_descriptive(curves):
    recall, ratio = of(curves, "recall_prior"), of(curves, "interp_realism")
    assert recall.verdicts["noise"] == WON and ratio.verdicts["averaging"] == WON
    assert not recall.ranks and not ratio.ranks


def test_a_planted_bad_metric_fails(curves):
    bad = of(curves, "nearness_prior")
    assert bad.verdicts["averaging"] == WON and not bad.passes
    assert failures(curves) == [line for line in failures(curves) if line.startswith("nearness_prior: ")] != []


def test_the_energy_distance_grows_in_every_claimed_sweep(curves):
    for name in ("energy_prior", "coverage_recall_prior"):
        entry = of(curves, name)
        assert {sweep: entry.verdicts[sweep] for sweep in entry.claims} == dict.fromkeys(entry.claims, SEES)
        assert entry.verdicts["memorised"] == "blind"  # training rows are real rows


def test_codes_do_not_change_what_is_invariant(curves):
    gauge = [entry for entry in judged(curves) if entry.kind == "gauge"]
    assert {"test_mse", "interp_excess"} <= {entry.name for entry in gauge}
    assert all(entry.passes for entry in gauge), [entry.broken for entry in gauge]


def test_documents_hold_every_level_and_verdict(curves):
    levels, text = frame(curves), markdown(curves, "digits, 360 held-out rows")
    assert len(levels) == sum(len(curve.values) for curve in curves)
    assert np.allclose(levels.groupby(["metric", "kind", "sweep"], sort=False)["value"].first(),
                       [curve.values[0] for curve in curves], equal_nan=True)  # fmt: skip
    assert "| `nearness_prior` |" in text and "won by averaging" in text and "✗" in text


def test_every_ranking_value_of_samples_paths_and_reconstructions_has_sweeps():
    metrics = [Energy(), Coverage(), Interpolation(), Reconstruction()]
    ranking = {value.name for metric in metrics for value in metric.values if value.higher_is_better is not None}
    swept = {measured_as(entry.value.name) for entry in entries(metrics)}
    left = {name for name in ranking if measured_as(name) not in swept}
    assert all(name.startswith("interp_unevenness") for name in left), left


def test_sources_stand_for_one_another():
    values = {value.name: value for metric in (Energy(), Coverage()) for value in metric.values}
    for name in ("energy_fit", "energy_mixture", "coverage_recall_fit", "energy_prior"):
        assert kind_of(values[name], "coverage") == "samples"
        assert measured_as(name).endswith("_prior")
    assert measured_as("energy_fit_classifier") == "energy_prior_classifier"


def test_too_few_rows_and_metrics_without_sweeps_are_said(digits):
    import dataclasses

    few = dataclasses.replace(digits, test=digits.test[:50], test_labels=digits.test_labels[:50])
    with pytest.raises(UsageError, match="100 test rows"):
        sweep_all(few, [Energy()])
    with pytest.raises(UsageError, match="sweeps speak about"):
        sweep_all(digits, [Energy()], {"energy_real"})
