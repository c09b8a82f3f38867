"""Sequences in a run: windows of a file are trained on, measured, stored, drawn; metrics give numbers or say why."""

import numpy as np
import pytest
from runs import execute, records

from bench.reports.figures.tiles import plot_reconstructions
from bench.reports.views.figure_arrays import drawable


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("network", ["gru[hidden=4]", "conv1d[channels=[3],dense=4]"])
def test_windows_of_a_file_are_trained_measured_and_stored(tmp_path, network):
    time = np.arange(400) / 9
    noise = np.random.default_rng(0).normal(size=(400, 2))
    np.save(tmp_path / "waves.npy", np.stack([np.sin(time), np.cos(2 * time)], 1) + 0.1 * noise)
    data = [f"file[path={tmp_path}/waves.npy,window=8,stride=4,gap=8]"]
    outcome = execute(tmp_path / "run", dataset=data, network=network, variant=["vae"], seeds=1, steps=3, batch_size=16,
                      metrics="core", n_jobs=1)  # fmt: skip
    (record,) = records(tmp_path / "run").values()
    assert (record["status"], record["split"]["data_shape"]) == ("ok", [2, 8])
    found = record["metrics"]
    assert np.isfinite(found["test_mse"]["value"]) and found["test_mse"]["value"] > 0
    silent = [name for name, entry in found.items() if entry["value"] is None and not entry.get("reason")]
    assert found and not silent
    arrays = drawable(outcome.store.load_arrays(record["cell_id"]), (2, 8))
    assert arrays["reconstructions"].shape == arrays["originals"].shape and arrays["originals"].shape[1:] == (2, 8)


def test_every_series_of_a_sequence_is_a_curve_over_time():
    originals = np.random.default_rng(0).normal(size=(3, 2, 9))
    figure = plot_reconstructions(originals, [("mine", originals + 1)])
    axes = figure.axes[1]
    curves = [line.get_ydata() for line in axes.get_lines()]
    np.testing.assert_allclose(curves, [*originals[1], *(originals[1] + 1)], rtol=1e-6)
    assert "time step" in figure.get_supxlabel()
