"""Sweeps from end to end: cells of every setting, one run and its files, going on, models, report, choice."""

import numpy as np
import pandas as pd
import pytest
from runs import SMALL, execute, records

from bench.api import load
from bench.errors import UsageError
from bench.model_loading import load_model
from bench.reports.views import figure_list
from bench.runs.preview import preview
from bench.spec.request import resolve

SHORT = {"variant": ["ae"], "seeds": 2, "steps": 20, "n_jobs": 1, "metrics": "test_mse"}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """One run of L and the learning rate."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        patch.setattr("bench.reports.views.figure_files.DRAWERS", (figure_list._sweeps,))  # the others take seconds
        folder = tmp_path_factory.mktemp("swept") / "run"
        outcome = execute(folder, latent_dim="1,2,5", lr="1e-2,1e-4", **SHORT)
    assert (outcome.n_cells, outcome.n_failed) == (12, 0)
    return folder


def test_every_setting_is_trained_as_it_says_and_its_model_is_found_by_its_name(swept):
    shapes = {
        label: load_model(swept, label, seed=1).variant.latent_dim
        for label in {record["variant_label"] for record in records(swept).values()}
    }
    assert shapes == {f"ae{{L={L},lr={lr}}}": L for L in (1, 2, 5) for lr in ("0.01", "0.0001")}
    with pytest.raises(UsageError, match="means several cells"):
        load_model(swept, "ae", seed=1)


def test_the_frame_has_the_settings_and_their_choice(swept):
    frame = load(swept)
    one = frame[frame["metric"] == "val_mse"]
    assert sorted(one["latent_dim"].unique()) == [1, 2, 5] and sorted(one["lr"].unique()) == [1e-4, 1e-2]
    stored = pd.read_csv(swept / "results.csv")
    np.testing.assert_array_equal(stored["latent_dim"], frame["latent_dim"])
    means = one.groupby("variant_label")["value"].mean()
    grid = pd.read_csv(swept / "grids.csv").set_index("setting")
    assert grid.index[grid["chosen"]].tolist() == [means.idxmin()] and len(grid) == 6
    assert grid["value"].to_dict() == pytest.approx(means.to_dict())


def test_the_report_shows_the_choice_its_edge_and_a_curve_for_each_setting(swept):
    text = (swept / "report.md").read_text()
    assert "What latent\\_dim does" in text and "What lr does" in text and "validation data chose this setting" in text
    assert "latent\\_dim 5 lies at the grid's edge (1 to 5)" in text  # more code, less error
    drawn = {path.name for path in (swept / "figures").iterdir()}
    assert any("sweep-latent_dim" in name for name in drawn) and any("sweep-lr" in name for name in drawn)
    assert "sweep-latent_dim" in (swept / "report.html").read_text()


@pytest.mark.usefixtures("no_report")
def test_a_run_goes_on_with_more_settings_and_takes_over_what_one_setting_had(tmp_path):
    folder = tmp_path / "run"
    measured = "test_mse,val_mse,val_calibrated_neg_elbo"
    execute(folder, latent_dim=2, **{**SHORT, "metrics": measured})
    assert {record["variant_label"] for record in records(folder).values()} == {"ae"}
    given = {**SHORT, "metrics": measured, "latent_dim": [2, 3]}
    assert preview(resolve({**SMALL, **given, "output": folder}))[0] == "2 of 4 cells have results that hold"
    outcome = execute(folder, **given)
    assert outcome.n_run == 2 and not outcome.n_failed
    assert set(load(folder)["variant_label"]) == {"ae{L=2}", "ae{L=3}"}
    assert load_model(folder, "ae{L=2}").variant.latent_dim == 2
    assert execute(folder, force=True, **given).n_run == 4
    again = execute(folder, latent_dim=3, **{**SHORT, "metrics": measured})
    assert again.n_run == 0 and set(load(folder)["variant_label"]) == {"ae"}


@pytest.mark.usefixtures("no_report")
def test_a_setting_that_does_not_go_together_costs_its_own_cells(tmp_path):
    outcome = execute(tmp_path / "run", latent_dim=[2, 6], **{**SHORT, "variant": ["vae"], "seeds": 1})
    found = {record["variant_label"]: record["status"] for record in records(tmp_path / "run").values()}
    assert found == {"vae{L=2}": "ok", "vae{L=6}": "skipped"} and outcome.n_skipped == 1
