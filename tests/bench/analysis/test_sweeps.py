"""Sweeps with planted numbers: what is chosen, competes and is drawn; the edge of a grid; settings over data sets."""

import itertools

import numpy as np
import pytest
from synthetic import FakeCell, FakeSpec, measurement, record

from bench.analysis.compare import compare
from bench.analysis.purposes import answers
from bench.analysis.sections import over_data_sets
from bench.analysis.sweeps import at_edge, line_through, swept
from bench.reports.csv_tables import results_frame
from bench.reports.figures.sweeps import plot_sweep
from bench.reports.model import load_report
from bench.store.run_store import RunStore

SEEDS = range(6)


def planted(path, errors, spec=None, plan=False, collapsed=(), datasets=("digits",)):
    """A run whose validation and test error are `errors`: label → (validation, test), or by data set and label."""
    cells, lines = [], []
    for dataset, (label, found) in itertools.product(datasets, errors.items()):
        validation, test = found[dataset] if isinstance(found, dict) else found
        for seed in SEEDS:
            cell = FakeCell(label, dataset, seed)
            noise = 1 + 0.01 * np.random.default_rng(seed).normal()
            metrics = {
                "test_mse": measurement(test * noise, False),
                "val_mse": measurement(validation * noise, False),
                "kl": measurement(50.0 * len(label), None, unit="nats"),
                "diversity_fit": measurement(0.01 if label in collapsed else 0.9, None),
            }
            changes = {
                "variant": label.partition("{")[0].partition("[")[0],
                "kl_weight": None,
                "decoder_variance": None,
            }
            lines.append(record(cell, metrics, **changes))
            cells.append(cell)
    said = {"name": "sweep", **(spec or {})}
    with RunStore.create(path, FakeSpec(said), plan=cells if plan else None) as store:
        for line in lines:
            store.append(line)
    return path


def section_of(path):
    (section,) = load_report(path).sections
    return section


#: On validation 4 is best for ae and 8 for other; on test 2 would have been for ae.
ERRORS = {
    "ae{L=2}": (3.0, 0.5), "ae{L=4}": (1.0, 1.0), "ae{L=8}": (2.0, 0.7),
    "other{L=2}": (3.0, 3.0), "other{L=4}": (2.0, 2.0), "other{L=8}": (1.5, 1.5),
}  # fmt: skip


def test_validation_chooses_per_variant_and_only_the_chosen_compete(tmp_path):
    section = section_of(planted(tmp_path / "run", ERRORS))
    chosen = [section.rows[row].label for row in sorted(section.chosen)]
    assert chosen == ["ae{L=4}", "other{L=8}"]
    marked = [
        section.rows[row].label for (row, name), cell in section.cells.items() if cell.mark and name == "test_mse"
    ]
    assert marked == ["ae{L=4}"]  # not ae{L=2}, which is best on the test split
    assert section.leads["kl"].leader is None


def test_a_choice_at_the_edge_of_an_ordered_setting_is_said_where_the_choice_is_said(tmp_path):
    section = section_of(planted(tmp_path / "run", ERRORS))
    inside, edge = section.grids
    assert inside.warnings == () and "edge" not in inside.sentence
    assert edge.warnings == ("latent_dim 8 lies at the grid's edge (2 to 8), and what is beyond was not tried",)
    assert "⚠ Latent_dim 8 lies" in edge.sentence
    alone = section_of(planted(tmp_path / "one", {k: v for k, v in ERRORS.items() if k.startswith("other")}))
    assert "⚠ latent_dim 8 lies at the grid's edge" in answers(alone)[0].sentence


@pytest.mark.parametrize(
    ("labels", "at", "warned"),
    [
        (["ae{lr=0.1}", "ae{lr=0.01}", "ae{lr=0.001}"], 0, True),
        (["ae{lr=0.1}", "ae{lr=0.001}", "ae{lr=0.01}"], 2, False),  # the middle one, whatever the order
        (["ae{lr=0.1}", "ae{lr=0.01}"], 0, False),  # two values have no inside
        (["ae{hidden=[64]}", "ae{hidden=[256]}", "ae{hidden=[16]}"], 1, True),
        (["ae{hidden=[64]}", "ae{hidden=[64,64]}", "ae{hidden=[16]}"], 2, False),  # not in one order
        (["ae{activation=relu}", "ae{activation=tanh}", "ae{activation=elu}"], 0, False),
        (["ae{L=2,lr=1}", "ae{L=4,lr=1}", "ae{L=8,lr=2}"], 0, False),  # three values, two on this line
        (["a[p=1]{L=2}", "a[p=1]{L=4}", "a[p=2]{L=8}"], 1, False),
    ],
)
def test_the_edge_is_that_of_the_line_through_the_choice(labels, at, warned):
    assert bool(at_edge(labels, at)) == warned


def test_every_setting_collapsed_is_said(tmp_path):
    errors = {label: found for label, found in ERRORS.items() if label.startswith("ae")}
    (grid,) = section_of(planted(tmp_path / "all", errors, collapsed=errors)).grids
    assert "every setting is collapsed" in grid.warnings
    (grid,) = section_of(planted(tmp_path / "two", errors, collapsed=[*errors][:2])).grids
    assert "every setting is collapsed" not in grid.warnings


def test_a_curve_holds_the_other_settings_where_validation_chose_them(tmp_path):
    errors = {f"ae{{L={L},lr={rate:g}}}": (abs(L - 4) + 10 * rate, 1.0 * L) for L in (8, 2, 4) for rate in (0.1, 0.2)}
    section = section_of(planted(tmp_path / "run", errors))
    latent, rate = swept(section.grids)
    assert (latent.name, latent.ordered, rate.name) == ("latent_dim", True, "lr")
    (curve,) = latent.curves
    assert [section.rows[row].label for row in curve.rows] == ["ae{L=2,lr=0.1}", "ae{L=4,lr=0.1}", "ae{L=8,lr=0.1}"]
    assert section.rows[curve.chosen].label == "ae{L=4,lr=0.1}" and curve.values == (2, 4, 8)
    assert [section.rows[row].label for row in rate.curves[0].rows] == ["ae{L=4,lr=0.1}", "ae{L=4,lr=0.2}"]
    figure, data = plot_sweep(section, latent, [section.metrics["test_mse"]])
    for row, L in zip(data.itertuples(), (2, 4, 8), strict=True):
        values = section.values["test_mse"][curve.rows[(2, 4, 8).index(L)]]
        assert row.mean == pytest.approx(values.mean()) and row.low < row.mean < row.high and row.n == len(SEEDS)
        assert (row.value, row.chosen) == (str(L), L == 4)
    assert figure.axes[0].get_xscale() == "log" and figure.axes[0].get_xlabel() == "latent_dim"


def test_words_stand_side_by_side_in_their_own_order():
    labels = ["ae{optimizer=sgd}", "ae{optimizer=adam}", "ae[p=1]{optimizer=adam}"]
    assert line_through(labels, 1, "optimizer") == [0, 1]


def test_the_baseline_of_a_sweep_is_the_chosen_setting_of_its_variant(tmp_path):
    for spec, label in (({}, "ae{L=4}"), ({"baseline": "other"}, "other{L=8}"), ({"baseline": "ae{L=2}"}, "ae{L=2}")):
        section = section_of(planted(tmp_path / label, ERRORS, spec))
        assert section.rows[section.baseline].label == label


def test_a_hypothesis_about_variants_is_tested_on_their_chosen_settings(tmp_path):
    spec = {"hypothesis": ["other > ae on test_mse"]}
    (one,) = load_report(planted(tmp_path / "run", ERRORS, spec)).hypotheses
    assert (one.better, one.worse, one.verdict) == ("other{L=8}", "ae{L=4}", "opposite")


def test_over_data_sets_a_variant_is_what_validation_chose_on_each(tmp_path):
    errors = {
        "ae{L=2}": {"a": (1.0, 1.0), "b": (2.0, 2.0)}, "ae{L=4}": {"a": (2.0, 2.0), "b": (1.0, 1.0)},
        "other{L=2}": {"a": (3.0, 3.0), "b": (4.0, 4.0)}, "other{L=4}": {"a": (4.0, 4.0), "b": (3.0, 3.0)},
    }  # fmt: skip
    report = load_report(planted(tmp_path / "run", errors, datasets=("a", "b")))
    assert report.across.variants == ["ae", "other"] and report.across.baseline == "ae"
    rows = [[row.label for row in over_data_sets(section).rows] for section in report.sections]
    assert rows == [["ae", "ae{L=4}", "other", "other{L=4}"], ["ae{L=2}", "ae", "other{L=2}", "other"]]
    (metric,) = [metric for metric in report.across.compared if metric.name == "test_mse"]
    assert report.across.of("other", metric).improvement.mean == 0.0


def test_results_have_a_column_for_each_swept_setting(tmp_path):
    errors = {"ae{L=2,hidden=[8,4]}": (1.0, 1.0), "ae{L=4,hidden=[8,4]}": (2.0, 2.0), "plain": (3.0, 3.0)}
    run = planted(tmp_path / "run", errors)
    frame = results_frame(RunStore.open(run).data())
    found = frame.drop_duplicates("variant_label").set_index("variant_label")
    assert found["latent_dim"].tolist()[:2] == [2, 4] and np.isnan(found["latent_dim"]["plain"])
    assert found["hidden"]["ae{L=2,hidden=[8,4]}"] == "[8,4]"
    assert "latent_dim" not in results_frame(RunStore.open(planted(tmp_path / "one", {"ae": (1.0, 1.0)})).data())


def test_a_sweep_is_compared_with_a_run_of_one_setting(tmp_path):
    plain = planted(tmp_path / "plain", {"ae": (1.0, 1.0)})
    sweep = planted(tmp_path / "sweep", {"ae{L=2}": (1.0, 2.0), "ae{L=4}": (2.0, 1.0)})
    comparison = compare(plain, sweep, ["test_mse"], across_settings=True)
    assert [(change.variant, change.mark) for change in comparison.changes if change.mark != "x"] == [("ae", "-")]
    assert "NEW: ae on digits is ae{L=2}, which validation chose" in comparison.notes
    same = compare(sweep, sweep, ["test_mse"], across_settings=True)
    assert {change.mark for change in same.changes} == {"~"} and len(same.changes) == 2


def test_cells_that_two_runs_share_have_one_name(tmp_path):
    run, sweep = planted(tmp_path / "plain", {"ae": (1.0, 1.0)}), tmp_path / "sweep"
    text = (run / "cells.jsonl").read_text()
    assert '"variant_label":"ae"' in text
    other = planted(sweep, {"ae{L=2}": (1.0, 1.0), "ae{L=4}": (2.0, 1.0)})
    ids = {FakeCell("ae{L=2}", "digits", seed).cell_id: FakeCell("ae", "digits", seed).cell_id for seed in SEEDS}
    with RunStore.create(tmp_path / "again", FakeSpec()) as store:
        for record_ in RunStore.open(other).iter_records():
            store.append({**record_, "cell_id": ids.get(record_["cell_id"], record_["cell_id"])})
    comparison = compare(run, tmp_path / "again", ["test_mse"])
    assert [(change.variant, change.mark) for change in comparison.changes] == [("ae{L=2}", "~"), ("ae{L=4}", "x")]
