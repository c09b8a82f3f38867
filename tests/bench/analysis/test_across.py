"""Scores over data sets against planted numbers; what is not known is said and never invented."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from synthetic import FakeCell, FakeSpec, measurement, record

from bench.analysis import across, stats
from bench.analysis.catalogue import Metric
from bench.analysis.control_scale import NEEDS_CONTROLS
from bench.contracts.metric import Value
from bench.reports import write_report
from bench.reports.model import load_report
from bench.store.run_store import RunStore

SEEDS = 10
#: PCA and real data in test_mse (0 by definition) and in coverage, by data set: scales that nobody could average.
ANCHORS = {"a": {"test_mse": 0.02, "coverage": (0.5, 0.9)}, "b": {"test_mse": 4.0, "coverage": (0.2, 0.4)}}
#: Planted anchored scores, the same on every data set.
SCORES = {"ae": {"test_mse": 0.5, "coverage_fit": 0.0}, "vae": {"test_mse": 0.4, "coverage_fit": 0.7},
          "late": {"test_mse": 0.1, "coverage_fit": 0.2}}  # fmt: skip
#: What the planted run says of its metrics: both stand in the short table, whatever today's code declares.
DECLARED = {
    item.name: {"family": "coverage", **asdict(item)}
    for item in (
        Value("test_mse", "", False, range="[0, inf)", primary=True),
        Value("coverage_fit", "", True, range="[0, 1]", primary=True),
        Value("collapsed", "", None),
    )
}


def value(dataset: str, metric: str, score: float) -> float:
    """The raw metric that an anchored score stands for."""
    if metric == "test_mse":
        return ANCHORS[dataset]["test_mse"] * (1 - score)
    low, high = ANCHORS[dataset]["coverage"]
    return low + score * (high - low)


def planted(path, controls=True, datasets=("a", "b"), noise=0.02, collapsed=(), failed=(), anchors=None, scores=None):
    """A finished run with planted scores; `collapsed` and `failed` name (variant, data set) pairs."""
    rng = np.random.default_rng(0)
    entries = []
    for dataset in datasets:
        for variant, planted_scores in (scores or SCORES).items():
            for seed in range(SEEDS):
                cell = FakeCell(variant, dataset, seed)
                if (variant, dataset) in failed:
                    entries.append(record(cell, status="error", reason="no luck"))
                    continue
                metrics = {
                    name: measurement(value(dataset, name, score + noise * rng.normal()), name != "test_mse")
                    for name, score in planted_scores.items()
                }
                metrics["collapsed"] = measurement(float((variant, dataset) in collapsed), None)
                entries.append(record(cell, metrics))
        for seed in range(SEEDS if controls is True or controls == dataset else 0):
            low, high = (anchors or {}).get(dataset, ANCHORS[dataset]["coverage"])
            pca = {"test_mse": measurement(ANCHORS[dataset]["test_mse"], False), "coverage_fit": measurement(low, True)}
            real = {"coverage_prior": measurement(high, True)}
            entries.append(record(FakeCell("control:pca", dataset, seed), pca))
            entries.append(record(FakeCell("control:real", dataset, seed), real))
    with RunStore.create(path, FakeSpec({"name": "planted", "baseline": "ae"})) as store:
        store.save_metrics(DECLARED)
        for entry in entries:
            store.append(entry)
    return path


def standing(report, variant, metric):
    return report.across.standings[variant, metric]


def test_scores_are_the_planted_ones_whatever_the_scale_of_the_data_set(tmp_path):
    report = load_report(planted(tmp_path / "run"))
    for variant, scores in SCORES.items():
        for metric, score in scores.items():
            found = standing(report, variant, metric)
            assert found.score.mean == pytest.approx(score, abs=0.02)
            assert found.score.low < found.score.mean < found.score.high
            assert (found.on, found.score.n) == (2, 2 * SEEDS)
    assert standing(report, "vae", "coverage_fit").mark == "best"
    assert standing(report, "ae", "test_mse").mark == "best"
    assert standing(report, "ae", "coverage_fit").improvement.n == 0  # the baseline is not compared with itself


def test_a_score_is_the_interquartile_mean_of_every_seed_of_every_data_set(tmp_path):
    run = planted(tmp_path / "run", noise=0.3)
    report = load_report(run)
    frame = report.data.frame()
    for metric in ("test_mse", "coverage_fit"):
        own = frame[(frame["metric"] == metric) & (frame["variant"] == "vae")]
        zero = own["dataset"].map(lambda name, m=metric: value(name, m, 0.0))
        one = own["dataset"].map(lambda name, m=metric: value(name, m, 1.0))
        scores = np.sort((own["value"] - zero) / (one - zero))
        assert standing(report, "vae", metric).score.mean == pytest.approx(scores[5:15].mean())


def test_improvement_is_the_share_of_pairs_of_seeds_that_win(tmp_path):
    report = load_report(planted(tmp_path / "run", noise=0.3, controls=False))
    frame = report.data.frame()
    for metric, sign in (("test_mse", -1), ("coverage_fit", 1)):
        shares = []
        for dataset in ("a", "b"):
            own = frame[(frame["metric"] == metric) & (frame["dataset"] == dataset)]
            new, base = (sign * own[own["variant"] == name]["value"].to_numpy() for name in ("vae", "ae"))
            shares.append(np.mean([n > b for n in new for b in base]))
        found = standing(report, "vae", metric).improvement
        assert found.mean == pytest.approx(np.mean(shares)) and found.low <= found.mean <= found.high


def test_without_controls_there_is_no_score_and_the_report_says_what_is_needed(tmp_path):
    run = planted(tmp_path / "run", controls=False)
    write_report(run)
    report = load_report(run)
    assert report.across.anchored == [] and [m.name for m in report.across.compared] == ["test_mse", "coverage_fit"]
    for name in ("report.md", "report.html"):
        text = (run / name).read_text()
        assert NEEDS_CONTROLS in text and "critical-difference diagram" in text
    table = pd.read_csv(run / "across.csv")
    assert table["score"].isna().all() and table["mark"].isna().all() and (table["improvement"].notna().sum() == 4)


def test_controls_that_have_run_on_one_data_set_only_are_not_asked_for_again(tmp_path):
    report = load_report(planted(tmp_path / "run", controls="a"))
    assert report.across.anchored == [] and "the controls have no result on b yet" in report.across.left_out[0]
    assert NEEDS_CONTROLS not in " ".join([*report.across.left_out, across.headline(report.across)])


def test_a_collapsed_variant_and_one_with_missing_results_get_no_mark(tmp_path):
    report = load_report(planted(tmp_path / "run", collapsed=[("vae", "b")]))
    assert standing(report, "vae", "coverage_fit").score.mean > 0.6
    assert standing(report, "vae", "coverage_fit").mark == ""
    assert standing(report, "late", "coverage_fit").mark == "best"
    assert report.across.collapsed["vae"] == ["b"]
    report = load_report(planted(tmp_path / "other", failed=[("vae", "b")]))
    assert standing(report, "vae", "coverage_fit").on == 1 and standing(report, "vae", "coverage_fit").mark == ""
    assert "vae" not in report.across.variants or not standing(report, "vae", "coverage_fit").may_win


def test_nobody_has_a_score_by_the_data_sets_that_it_survived(tmp_path):
    """vae fails on the data set on which it would do worst; what is left of it must not stand as its mean."""
    run = planted(tmp_path / "run", failed=[("vae", "b")])
    report = load_report(run)
    for found in (standing(report, "vae", name) for name in ("coverage_fit", "test_mse")):
        assert np.isnan(found.score.mean) and np.isnan(found.improvement.mean)
        assert (found.score_text, found.improvement_text) == ("on 1 of 2", "on 1 of 2")
    assert np.isfinite(standing(report, "late", "coverage_fit").score.mean)
    said = next(text for text in across.notes(report.across) if "would reward failing" in text)
    assert said.endswith(": vae.")


def test_no_mark_without_a_test_that_tells_them_apart(tmp_path):
    close = {"ae": {"coverage_fit": 0.5, "test_mse": 0.2}, "vae": {"coverage_fit": 0.505, "test_mse": 0.2},
             "late": {"coverage_fit": 0.1, "test_mse": 0.2}}  # fmt: skip
    report = load_report(planted(tmp_path / "run", scores=close, noise=0.05))
    marks = {v: standing(report, v, "coverage_fit").mark for v in close}
    assert marks == {"ae": "shared", "vae": "shared", "late": ""}
    assert {standing(report, v, "test_mse").mark for v in close} == {""}


def test_a_data_set_on_which_real_data_are_not_better_than_pca_is_left_out_and_named(tmp_path):
    ANCHORS["c"] = {"test_mse": 1.0, "coverage": (0.5, 0.9)}
    try:
        run = planted(tmp_path / "run", datasets=("a", "b", "c"), anchors={"c": (0.9, 0.9)})
        report = load_report(run)
    finally:
        del ANCHORS["c"]
    assert standing(report, "vae", "coverage_fit").on == 2 and standing(report, "vae", "test_mse").on == 3
    assert any("coverage_fit" in text and "on c" in text for text in report.across.left_out)
    assert standing(report, "vae", "coverage_fit").mark == "best"


def test_markdown_page_and_csv_agree(tmp_path):
    run = planted(tmp_path / "run", collapsed=[("late", "a")])
    write_report(run)
    markdown, page = (run / "report.md").read_text(), (run / "report.html").read_text()
    table = pd.read_csv(run / "across.csv").set_index(["variant", "metric"])
    own = page.split('<section id="across"')[1].split("</section>")[0]
    assert markdown.index("## Across data sets") < markdown.index("## a: who wins what")
    for (variant, metric), row in table.iterrows():
        texts = [f"{row['score']:.3f} [{row['score_low']:.3f}, {row['score_high']:.3f}]"]
        if variant != "ae":
            low, high = row["improvement_low"], row["improvement_high"]
            texts.append(f"{row['improvement']:.2f} [{low:.2f}, {high:.2f}]")
        for text in texts:
            assert text in markdown and text in own, (variant, metric, text)
    assert "late ⚠" in markdown and "late gets no marks: it is collapsed on a" in markdown and "⚠ collapsed" in own
    assert own.count(">★</span>") == 2
    before = {name: (run / name).read_bytes() for name in ("report.md", "report.html", "across.csv")}
    write_report(run)
    assert {name: (run / name).read_bytes() for name in before} == before


def test_one_data_set_has_no_such_section(tmp_path):
    run = planted(tmp_path / "run", datasets=("a",))
    write_report(run)
    assert "Across data sets" not in (run / "report.md").read_text() and not (run / "across.csv").exists()
    assert 'id="across"' not in (run / "report.html").read_text()


def test_marks_over_data_sets_are_rare_where_nothing_differs():
    """Four equal variants on three data sets: at most 5 % of columns may show a mark; 150 columns, 3 sigma."""
    rng = np.random.default_rng(0)
    metric, variants, marked = Metric("m", "", True, "other"), list("wxyz"), 0
    for _ in range(150):
        out = across.Across(["a", "b", "c"], variants, {variant: [] for variant in variants}, "w")
        strata = {v: [centre + rng.normal(size=SEEDS) for centre in (0.0, 5.0, -3.0)] for v in variants}
        for variant, rows in strata.items():
            mean = stats.interquartile_mean(np.concatenate(rows))
            out.of(variant, metric).score = stats.Interval(mean, np.nan, np.nan, np.nan, 3 * SEEDS)
            out.of(variant, metric).may_win = True
        across._mark(out, metric, strata)
        marked += any(out.of(variant, metric).mark for variant in variants)
    assert marked / 150 <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5
