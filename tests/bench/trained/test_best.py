"""The model that is loaded is the one that the report's sentence names; what is not decided is refused in its words."""

import itertools
import json
import shutil

import numpy as np
import pytest
from runs import execute, written

from bench import best_model, load_model
from bench.analysis.purposes import PURPOSES, grouped
from bench.errors import UsageError
from bench.reports.model import load_report
from bench.trained import best

ROWS = np.random.default_rng(0).normal(size=(5, 6))
SEEDS = 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of three variants with one seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda run: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        directory, names = tmp_path_factory.mktemp("run") / "run", ["ae", "vae", "stochastic-ae"]
        return execute(directory, variant=names, seeds=1, steps=2, metrics="test_mse").directory


ONE, OTHER = "linear-gaussian[d=6,n=300]", "linear-gaussian[d=6,n=200]"


@pytest.fixture
def planted(trained, tmp_path):
    """`planted({"ae": 1.0, "vae": 2.0})` → a copy of the run with results of more seeds, and of another data set.

    Its metrics have these levels, with little noise; models are those of seed 0.
    """

    def planted(levels, noise=0.01, keep=lambda record: True, **others):
        rng, entries = np.random.default_rng(0), []
        for entry in map(json.loads, (trained / "cells.jsonl").read_text().splitlines()):
            for seed, data in itertools.product(range(SEEDS), (ONE, OTHER)):
                own = entry if (seed, data) == (0, ONE) else entry | {"files": {}, "cell_id": f"c{len(entries)}"}
                metrics = {}
                for name, of in {"test_mse": levels, **others}.items():
                    value = of.get(entry["variant_label"], 9.0) * (1 + noise * rng.normal())
                    metrics[name] = {**entry["metrics"]["test_mse"], "value": value}
                entries.append(own | {"seed": seed, "dataset_label": data, "metrics": metrics})
        folder = tmp_path / f"planted-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(trained, folder)
        (folder / "plan.json").unlink()
        (folder / "cells.jsonl").write_text(written(*filter(keep, entries)))
        return folder

    return planted


def page(run, dataset, purpose):
    """The sentence on the page."""
    report = load_report(run)
    (found,) = [own for heading, own in grouped(report.sections, report.across) if heading == dataset]
    return next(one.sentence for one in found if one.purpose == purpose)


@pytest.mark.parametrize(("levels", "wanted"), [({"ae": 1.0, "vae": 2.0}, "ae"), ({"ae": 2.0, "vae": 1.0}, "vae")])
def test_it_is_the_model_that_the_page_recommends(planted, levels, wanted):
    other = {name: 3 - level for name, level in levels.items()}  # the other one is best to draw samples from
    run = planted(levels, energy_fit=other)
    names = {purpose: best_model(run, purpose, ONE).info["variant_label"] for purpose in ("reconstruction", "sampling")}
    assert names == {"reconstruction": wanted, "sampling": ({"ae", "vae"} - {wanted}).pop()}
    for purpose, name in names.items():
        assert page(run, ONE, purpose).startswith(f"For {purpose} take {name}: ")
    model, same = best_model(run, dataset=ONE), load_model(run, wanted, 0, ONE)
    np.testing.assert_array_equal(model.encode(ROWS), same.encode(ROWS))


def test_of_a_shared_lead_it_is_the_best_mean(planted):
    run = planted({"ae": 1.001, "vae": 1.0}, noise=1e-5)
    text = page(run, ONE, "reconstruction")
    assert text.startswith("For reconstruction take vae and ae: ") and "shared lead" in text
    assert best_model(run, dataset=ONE).info["variant_label"] == "vae"


def test_the_first_seed_that_has_a_result_is_taken_unless_another_is_meant(planted, monkeypatch):
    taken = []
    monkeypatch.setattr(best, "load_model", lambda run, variant, seed, *_, **__: taken.append((variant, seed)))
    run = planted({"ae": 1.0, "vae": 2.0}, keep=lambda entry: entry["seed"] > 1)
    best_model(run, dataset=ONE)
    best_model(run, dataset=OTHER, seed=4)
    assert taken == [("ae", 2), ("ae", 4)]


def test_what_is_not_decided_is_refused_in_the_words_of_the_page(planted):
    run = planted({"ae": 1.0, "vae": 2.0}, keep=lambda entry: entry["seed"] < 2)
    with pytest.raises(UsageError) as raised:
        best_model(run, dataset=ONE)
    assert page(run, ONE, "reconstruction") in str(raised.value) and "run at least 3" in str(raised.value)
    assert "bench.load_model(RUN, VARIANT)" in str(raised.value) and "\n" not in str(raised.value)


def test_wrong_names_and_what_is_not_there_are_one_line(planted):
    run = planted({"ae": 1.0, "vae": 2.0})
    for purpose in ("reconstructing", "", None):
        with pytest.raises(UsageError, match="unknown purpose"):
            best_model(run, purpose)
    with pytest.raises(UsageError, match=r"several data sets, .*; give dataset=, one of 'linear-gaussian\[d=6"):
        best_model(run)
    with pytest.raises(UsageError, match="several data sets"):
        best_model(run, dataset="linear-gaussian")
    with pytest.raises(UsageError, match="unknown data set of this run 'digits'"):
        best_model(run, dataset="digits")
    with pytest.raises(UsageError, match=r"no answer for finding anomalies .* anomaly_auroc"):
        best_model(run, "finding anomalies", ONE)
    with pytest.raises(UsageError, match=r"recommends ae, which has no model here for split 1"):
        best_model(run, dataset=ONE, split=1)
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(UsageError, match="checkpoint") as raised:
        best_model(run, dataset=ONE)
    assert "\n" not in str(raised.value)


def test_what_is_no_autoencoder_has_no_model_and_the_others_are_named(trained):
    with pytest.raises(UsageError, match=r"control:real is no autoencoder .*; models here: ae, "):
        best.model_of(trained, "control:real")


def test_every_purpose_of_the_page_is_known():
    assert [best._purpose(purpose.name) for purpose in PURPOSES] == [*PURPOSES]
