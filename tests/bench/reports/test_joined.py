"""Runs put together: the report of the one run that they are, and refusals of what contradicts itself."""

import json

import pandas as pd
import pytest
from synthetic import FakeCell, FakeSpec, make_run, measurement, record

from bench.errors import UsageError
from bench.reports.joined import report_joined
from bench.store.run_store import RunStore


def small(path, variant, value=1.0, checksum="c0", seeds=range(3), metrics=None, **spec):
    """A run of one variant in test_mse, whose data have a checksum."""
    with RunStore.create(path, FakeSpec({"name": "small", "seeds": list(seeds), **spec})) as store:
        for seed in seeds:
            split = {"n_train": 9, "n_validation": 3, "n_test": 3, "checksum": checksum}
            metric = {"test_mse": measurement(value + 0.01 * seed, False)}
            store.append(record(FakeCell(variant, "d", seed), metric, split=split))
    if metrics is not None:
        (path / "metrics.json").write_text(json.dumps({"metrics": metrics}))
    return path


def declared(**changes):
    texts = dict.fromkeys(("family", "summary", "unit", "gauge"), "") | {"range": "[0, inf)", "formula": "e"}
    switches = dict.fromkeys(("core", "vector", "primary"), False)
    return {"test_mse": {**texts, **switches, "higher_is_better": False, "needs": [], **changes}}


def test_joined_runs_are_reported_as_the_one_run_that_they_are(tmp_path):
    whole = make_run(tmp_path / "whole", variants=("ae", "vae"), seeds=range(3), with_arrays=False)
    parts = [make_run(tmp_path / name, variants=(name,), seeds=range(3), with_arrays=False) for name in ("ae", "vae")]
    report_joined([*parts, whole], tmp_path / "out", ["csv"])  # what `whole` holds is there already
    from bench.reports import write_report

    write_report(whole, ["csv"])
    for name in ("summary.csv", "differences.csv"):
        pd.testing.assert_frame_equal(*(pd.read_csv(at / name) for at in (tmp_path / "out", whole)), rtol=1e-12)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"variant": "a", "value": 2.0}, r"a on d with seed 0 is in .*second and in a run before it with other res"),
        ({"variant": "b", "checksum": "c1"}, r"d is other data in .*second .* \(checksum c1, not c0\)"),
        ({"variant": "b", "metrics": declared(formula="f")}, "test_mse is defined differently.*formula is e and f"),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_is_written(tmp_path, second, message):
    first = small(tmp_path / "first", "a", metrics=declared())
    with pytest.raises(UsageError, match=message):
        report_joined([first, small(tmp_path / "second", **second)], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_settings_are_said(tmp_path):
    runs = [small(tmp_path / name, name, steps=steps) for name, steps in (("a", 100), ("b", 200))]
    report_joined(runs, tmp_path / "out", ["md"])
    text = (tmp_path / "out" / "report.md").read_text()
    assert "cells of 2 runs put together" in text and "b was trained with steps 200, a with 100" in text
