"""Declared hypotheses against scipy's paired test and Holm's procedure done by hand; who is not judged, and why."""

import html
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import FakeCell, FakeSpec, measurement, record

from bench.analysis.design import Design
from bench.analysis.hypotheses import tested as outcomes
from bench.reports import write_report
from bench.reports.model import load_report
from bench.store.hypotheses import declare
from bench.store.run_store import RunStore

SEEDS = 8


def run_of(path, tables, texts, n_declared=0, **entries):
    """A run whose variants have the values `tables`[variant][metric] (S,), and its report."""
    cells = [FakeCell(variant, "digits", seed) for variant in tables for seed in range(SEEDS)]
    spec = FakeSpec({"name": "h", "variant": list(tables), "dataset": ["digits"], "seeds": list(range(SEEDS)),
                     "baseline": next(iter(tables)), "hypothesis": list(texts)})  # fmt: skip
    with RunStore.create(path, spec, plan=cells) as store:
        declare(path, texts, n_declared)
        store.save_metrics(DECLARED)
        for cell in cells:
            metrics = {
                name: measurement(float(values[cell.seed]), DECLARED[name]["higher_is_better"])
                for name, values in tables[cell.variant_label].items()
                if np.isfinite(values[cell.seed])
            }
            store.append(record(cell, metrics, **entries.get(cell.variant_label, {})))
    return load_report(path)


def said(direction, **more):
    texts = dict.fromkeys(("summary", "unit", "range", "formula"), "")
    switches = dict.fromkeys(("core", "vector", "primary"), True)
    return {**texts, **switches, "vector": False, "family": "reconstruction", "gauge": "invariant", "needs": [],
            "higher_is_better": direction, "scale": "linear", "smallest_effect": 0.0, **more}  # fmt: skip


DECLARED = {
    "error": said(False),
    "score": said(True),
    "ratio": said(False, scale="log"),
    "bound": said(False, needs=["likelihood"]),
    "collapsed": said(None),
}
RNG = np.random.default_rng(3)
NOISE = RNG.normal(size=(6, SEEDS))


def two(**changes):
    base = {"error": 1 + 0.1 * NOISE[0], "score": 2 + 0.1 * NOISE[1], "ratio": np.exp(0.1 * NOISE[2])}
    mine = {
        "error": 0.9 + 0.1 * NOISE[0] + 0.02 * NOISE[3],
        "score": 2.02 + 0.1 * NOISE[1] + 0.05 * NOISE[4],
        "ratio": np.exp(0.1 * NOISE[2] + 0.3 + 0.05 * NOISE[5]),
    }
    return {"ae": base, "mine": {**mine, **changes}, "other": {name: 1.0 * values for name, values in base.items()}}


def test_raw_and_corrected_p_effect_and_interval_are_those_of_independent_sums(tmp_path):
    tables = two()
    report = run_of(tmp_path / "run", tables, ["mine > ae on error, score", "mine > ae on ratio"])
    raw = [
        stats.ttest_rel(tables["mine"]["error"], tables["ae"]["error"]).pvalue,
        stats.ttest_rel(tables["mine"]["score"], tables["ae"]["score"]).pvalue,
        stats.ttest_rel(np.log(tables["mine"]["ratio"]), np.log(tables["ae"]["ratio"])).pvalue,
    ]
    found = report.hypotheses
    np.testing.assert_allclose([one.p for one in found], raw, rtol=1e-9)
    order = np.argsort(raw)
    holm = np.maximum.accumulate(np.array([3, 2, 1]) * np.array(raw)[order]).clip(max=1)
    np.testing.assert_allclose([found[place].adjusted for place in order], holm, rtol=1e-9)
    d = tables["mine"]["error"] - tables["ae"]["error"]
    half = stats.t.ppf(0.975, SEEDS - 1) * d.std(ddof=1) / SEEDS**0.5
    one = found[0]
    np.testing.assert_allclose(
        [one.difference.mean, one.difference.low, one.difference.high], [d.mean(), d.mean() - half, d.mean() + half]
    )
    assert one.relative == pytest.approx(d.mean() / tables["ae"]["error"].mean())
    assert [one.verdict for one in found] == ["shown", "not shown", "opposite"]
    assert [one.family for one in found] == [3, 3, 3]


def test_the_family_is_what_was_declared_however_many_variants_and_metrics_the_run_has(tmp_path):
    report = run_of(tmp_path / "run", two(), ["mine > ae on error"])
    (one,) = report.hypotheses
    assert one.family == 1 and one.p == one.adjusted
    (section,) = report.sections
    (other,) = [d for d in section.differences[1] if d.metric == "error"]
    assert other.raw_p == pytest.approx(one.p) and other.p > other.raw_p and section.tests > 3


def test_a_difference_below_the_smallest_effect_is_none(tmp_path):
    tables = two(error=1 + 0.1 * NOISE[0] - 0.001 + 1e-5 * NOISE[3])
    DECLARED["error"]["smallest_effect"] = 0.01
    try:
        (one,) = run_of(tmp_path / "run", tables, ["mine > ae on error"]).hypotheses
    finally:
        DECLARED["error"]["smallest_effect"] = 0.0
    assert one.adjusted < 0.001 and one.verdict == "same"


def test_nobody_is_better_than_a_collapsed_model_or_as_one(tmp_path):
    fallen = {**two()["ae"], "collapsed": np.ones(SEEDS)}
    tables = {"ae": fallen, "mine": two()["mine"]}
    for text in ("mine > ae on error", "ae > mine on score"):
        (one,) = run_of(tmp_path / text[:2], tables, [text]).hypotheses
        assert one.verdict == "not judged" and one.why.startswith("ae: collapsed") and not np.isfinite(one.p)


def test_a_setting_that_validation_did_not_choose_is_judged_all_the_same(tmp_path):
    grid = {f"vae[beta={b}]": {**two()["mine"], "bound": np.full(SEEDS, b) + NOISE[5]} for b in (1.0, 2.0)}
    found = run_of(tmp_path / "run", {"ae": two()["ae"], **grid}, [f"{name} > ae on error" for name in grid]).hypotheses
    assert [one.verdict for one in found] == ["shown", "shown"]


def test_likelihoods_under_different_decoder_variances_are_not_compared(tmp_path):
    tables = two(bound=NOISE[0])
    tables["ae"]["bound"] = NOISE[1]
    report = run_of(tmp_path / "run", tables, ["mine > ae on bound"], mine={"decoder_variance": 0.5})
    (one,) = report.hypotheses
    assert one.verdict == "not judged" and "different decoder variances" in one.why


def test_too_few_common_seeds_and_missing_names_are_said(tmp_path):
    few = two()["mine"]["error"].copy()
    few[2:] = np.nan
    texts = ["mine > ae on error", "gone > ae on error", "mine > ae on never", "nonsense"]
    report = run_of(tmp_path / "run", two(error=few), texts)
    assert [one.why for one in report.hypotheses] == [
        "both have numbers for 2 seeds in common, and a test needs 3",
        "there is no result of gone",
        "no cell has a number",
    ]
    assert {one.verdict for one in report.hypotheses} == {"not judged"}
    assert any("'nonsense' cannot be read" in note for note in report.notes)


def test_when_it_was_declared_is_said(tmp_path):
    (one,) = run_of(tmp_path / "a", two(), ["mine > ae on error"]).hypotheses
    assert one.declared.startswith("declared before any result (20")
    (one,) = run_of(tmp_path / "b", two(), ["mine > ae on error"], n_declared=16).hypotheses
    assert one.declared.startswith("declared when 16 cells had their results already")
    (tmp_path / "b" / "hypotheses.json").unlink()
    (one,) = load_report(tmp_path / "b").hypotheses
    assert one.declared == "when it was declared is not recorded"


def test_a_hypothesis_that_is_withdrawn_is_still_named(tmp_path):
    run_of(tmp_path / "run", two(), ["mine > ae on error"])
    report = run_of(tmp_path / "run", two(), ["mine > ae on score"], n_declared=24)
    assert [one.metric for one in report.hypotheses] == ["score"]
    assert any("mine > ae on error was declared on" in note and "no longer tested" in note for note in report.notes)


def test_report_and_tables_hold_the_sentence_the_tests_and_the_marks(tmp_path):
    report = run_of(tmp_path / "run", two(), ["mine > ae on error"])
    write_report(tmp_path / "run")
    (one,) = report.hypotheses
    sentence = one.sentence
    assert sentence.startswith("mine > ae on error (digits): shown: difference -0.096 [-0.111, -0.081], -10 %; ")
    assert "Holm p < 0.0001 over the 1 declared test; declared before any result" in sentence
    text = (tmp_path / "run" / "report.md").read_text()
    assert text.index("## Hypotheses") < text.index("who wins what") and "the 1 declared test;" in text
    assert html.escape(sentence) in (tmp_path / "run" / "report.html").read_text()
    frame = pd.read_csv(tmp_path / "run" / "differences.csv")
    declared = frame[frame.family == "declared hypotheses"]
    assert declared[["variant", "against", "metric", "verdict", "family_tests"]].values.tolist() == [
        ["mine", "ae", "error", "shown", 1]
    ]
    rest = frame[frame.family == "short table of digits"]
    assert set(zip(rest.variant, rest.metric, strict=True)) == {
        (v, m) for v in ("mine", "other") for m in ("error", "score", "ratio")
    }
    (section,) = report.sections
    judged = rest[rest.p.notna()]  # "other" is equal to "ae", which is no test
    assert set(judged.variant) == {"mine"} and (judged.p_holm >= judged.p).all()
    assert (rest.family_tests == section.tests).all()
    row = rest[(rest.variant == "mine") & (rest.metric == "error")].iloc[0]
    assert row[["difference", "low", "high"]].tolist() == pytest.approx(
        [one.difference.mean, one.difference.low, one.difference.high]
    )
    summary = pd.read_csv(tmp_path / "run" / "summary.csv").set_index(["variant_label", "metric"])
    marks = {(section.rows[row].label, name): cell.mark for (row, name), cell in section.cells.items()}
    assert {key: mark for key, mark in summary["mark"].fillna("").items()} == marks and "best" in marks.values()


def test_over_splits_of_the_data_seeds_of_one_split_are_no_further_evidence(tmp_path):
    """Eight columns as two seeds on four splits: the test of `bench.analysis.design`, whose p is larger."""
    tables = two()
    report = run_of(tmp_path / "run", tables, [])
    design = Design(np.tile(np.arange(2), 4), np.repeat(np.arange(4), 2), 0.25)
    section = replace(report.sections[0], design=design)
    (one,), _ = outcomes({"hypothesis": ["mine > ae on error"]}, {}, [section])
    naive = stats.ttest_rel(tables["mine"]["error"], tables["ae"]["error"]).pvalue
    assert one.p == pytest.approx(design.paired_p(tables["mine"]["error"] - tables["ae"]["error"], 0.0))
    assert one.p > 2 * naive and "over 4 splits" in one.sentence and one.difference.n == 4
    wide = replace(report.sections[0], design=Design(np.tile(np.arange(4), 2), np.repeat(np.arange(2), 4), 0.25))
    (few,), _ = outcomes({"hypothesis": ["mine > ae on error"]}, {}, [wide])
    assert few.verdict == "not judged" and "2 splits" in few.why
