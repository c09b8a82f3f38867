"""Plotting functions for notebooks: a real frame in, axes out, and on them the frame's own numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from runs import SMALL, execute

import bench
from bench.analysis.design import design_of
from bench.analysis.stats import mean_interval
from bench.errors import UsageError
from bench.reports.figures.points import interval_of, values_of


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    directory = tmp_path_factory.mktemp("notebook") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda directory: [])
        execute(
            directory,
            variant=["ae", "vae", "vae[beta=3]"],
            seeds=3,
            dataset=[*SMALL["dataset"], "linear-gaussian[d=6,n=301]"],
        )
    return bench.load(directory)


@pytest.fixture
def one(frame):
    return frame[frame.dataset_label == frame.dataset_label.iloc[0]]


def table(frame, metric):
    return frame[frame.metric == metric].pivot(index="seed", columns="variant_label", values="value")


def dots(ax):
    return [np.asarray(points.get_offsets())[:, 0] for points in ax.collections if len(points.get_offsets())]


def ticks(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def test_differences_are_paired_by_seed(one):
    shuffled = one.sample(frac=1, random_state=0)
    order = ["ae", "vae", "vae[beta=3]"]
    ax = bench.figures.plot_differences(shuffled, "test_mse", "ae", order=order)
    values = table(one, "test_mse")
    assert isinstance(ax, Axes) and ticks(ax) == ["vae", "vae[beta=3]"]
    means = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "|"]
    spans = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 1.3]
    for label, found, mean, span in zip(order[1:], dots(ax), means, spans, strict=True):
        expected = (values[label] - values["ae"]).to_numpy()
        assert sorted(found) == pytest.approx(sorted(expected))
        interval = mean_interval(expected)
        assert [mean, *span] == pytest.approx([interval.mean, interval.low, interval.high])
    assert ax.get_xlabel() == "less ae at the same seed  (less is better)"


def test_what_cannot_be_paired_is_said_to_be_missing(one):
    ax = bench.figures.plot_differences(one, "kl[0]", "vae")
    assert ticks(ax) == ["ae", "vae[beta=3]"] and "n/a" in [text.get_text() for text in ax.texts]
    assert len(dots(ax)) == 1
    apart = one[((one.variant_label == "vae") & (one.seed == 0)) | ((one.variant_label == "ae") & (one.seed > 0))]
    assert dots(bench.figures.plot_differences(apart, "test_mse", "vae")) == []


@pytest.mark.parametrize(
    ("metric", "baseline", "expected"),
    [
        ("test_mes", "ae", "did you mean test_mse"),
        ("test_mse", "eae", "did you mean ae"),
        ("kl", "ae", "unknown baseline 'ae'"),
    ],
)
def test_unknown_names_are_answered_with_known_ones(one, metric, baseline, expected):
    with pytest.raises(UsageError) as raised:
        bench.figures.plot_differences(one, metric, baseline)
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    "plot",
    [
        lambda frame, **ax: bench.figures.plot_dots(frame, "test_mse", **ax),
        lambda frame, **ax: bench.figures.plot_differences(frame, "test_mse", "ae", **ax),
        lambda frame, **ax: bench.figures.plot_tradeoff(frame, "test_mse", "val_mse", better=(False, False), **ax),
    ],
    ids=["dots", "differences", "tradeoff"],
)
def test_functions_of_the_frame_draw_where_they_are_told_and_refuse_mixed_data(frame, one, plot):
    figure, ax = plt.subplots()
    try:
        assert plot(one, ax=ax) is ax
        assert dots(ax)
    finally:
        plt.close(figure)
    new = plot(one)
    assert isinstance(new, Axes) and new is not ax and plt.get_fignums() == []
    with pytest.raises(UsageError, match=r"2 data sets .* give one, e.g. frame\[frame.dataset_label == "):
        plot(frame)


def test_dots_are_the_seeds(one):
    values = table(one, "test_mse")
    ax = bench.figures.plot_dots(one, "test_mse")
    assert ticks(ax) == ["ae", "vae", "vae[beta=3]"]
    for label, found in zip(ticks(ax), dots(ax), strict=True):
        assert sorted(found) == pytest.approx(sorted(values[label]))


def test_tradeoff_shows_pairs_and_means(one):
    ax = bench.figures.plot_tradeoff(one, "test_mse", "val_mse", better=(False, False))
    x, y = table(one, "test_mse"), table(one, "val_mse")
    points = {container.get_label(): container.lines[0].get_xydata()[0] for container in ax.containers}
    for label in ("ae", "vae", "vae[beta=3]"):
        assert points[label] == pytest.approx([x[label].mean(), y[label].mean()])


def test_over_several_splits_dots_are_pairs_and_bars_rest_on_splits(one):
    """The same frame on three splits whose values lie far apart."""
    parts = [one.assign(split_number=k, value=one["value"] * (1 + k)) for k in range(3)]
    frame = pd.concat(parts, ignore_index=True)
    values = values_of(frame, "test_mse")["ae"]
    assert values.index.names == ["split_number", "seed"] and len(values) == 9
    interval, means = interval_of(frame, values), values.groupby(level=0).mean()
    assert interval.mean == pytest.approx(means.mean()) and interval.n == 3
    overlap = design_of(frame).overlap
    assert overlap > 0
    assert interval.sd == pytest.approx(means.std() * (1 + 3 * overlap) ** 0.5, rel=0.05)
    ax = bench.figures.plot_differences(frame, "test_mse", "ae")
    assert ax.get_xlabel().startswith("less ae at the same split and seed")
    assert [len(points) for points in dots(ax)] == [9, 9]
    assert sum(map(len, dots(bench.figures.plot_dots(frame, "test_mse")))) == 27
