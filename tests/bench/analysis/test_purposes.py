"""Answers by purpose against planted results: who is named, how sure that is, and what it costs."""

import numpy as np
import pandas as pd
import pytest

from bench.analysis.purposes import PURPOSES, Purpose, answers, grouped
from bench.reports.model import load_report
from bench.reports.of_table import known_metrics
from bench.store.frames import run_data
from bench.store.run_store import RunStore

NAMES = ("test_mse", "energy_fit", "interp_excess")
#: `sharp` reconstructs best, `smooth` samples best at exactly 1.5 times the error, `dull` is worst in everything.
LEVELS = {"sharp": (1.0, 0.4, 0.5), "smooth": (1.5, 0.2, 0.5), "dull": (3.0, 0.9, 0.9)}


def frame(levels=LEVELS, seeds=8, noise=0.01, names=NAMES, datasets=("d",), collapsed=()):
    """Values that differ from their level by a common factor of the seed, and by `noise`."""
    rng = np.random.default_rng(0)
    rows = []
    for data in datasets:
        for seed in range(seeds):
            common = 1 + 0.1 * rng.normal()
            for variant, numbers in levels.items():
                entry = {"variant": variant.partition("[")[0], "variant_label": variant, "dataset": data, "seed": seed}
                for name, level in zip(names, numbers, strict=False):
                    rows.append({**entry, "metric": name, "value": level * common * (1 + noise * rng.normal())})
                if variant in collapsed:
                    rows.append({**entry, "metric": "collapsed", "value": 1.0})
    return pd.DataFrame(rows)


def report_of(table, tmp_path, **spec):
    return load_report(RunStore.holding(tmp_path, {"name": "t", **spec}, run_data(table, known_metrics())))


@pytest.fixture
def said(tmp_path):
    def of(**how):
        (section,) = report_of(frame(**how), tmp_path).sections
        return {one.purpose: one for one in answers(section)}

    return of


def test_each_purpose_names_who_is_best_for_it_how_sure_and_at_what_cost(said):
    found = said(noise=0.0)
    assert [*found] == ["reconstruction", "sampling", "interpolation"]
    assert {name: (one.take, one.level) for name, one in found.items()} == {
        "reconstruction": ("sharp", "sure"),
        "sampling": ("smooth", "sure"),
        "interpolation": ("sharp and smooth", "shared"),
    }
    assert "33 % ahead of smooth; sure: ahead of all others" in found["reconstruction"].sentence
    assert found["reconstruction"].sentence.startswith("For reconstruction take sharp: test_mse ")
    assert found["sampling"].remarks == ("it costs +50 % [+50 %, +50 %] in test_mse against sharp",)
    assert found["interpolation"].remarks == ("it costs nothing in test_mse, whose best mean it has too",)


def test_a_cost_within_noise_is_none(said):
    near = {"sharp": (1.0, 0.4), "smooth": (1.001, 0.2)}
    (remark,) = said(levels=near, names=NAMES[:2], noise=0.05)["sampling"].remarks
    assert remark.startswith("no cost is shown: ") and remark.endswith(" in test_mse against sharp")
    assert (
        said(levels={**near, "smooth": (1.5, 0.2)}, names=NAMES[:2], noise=0.05)["sampling"]
        .remarks[0]
        .startswith("it costs +")
    )


def test_one_seed_decides_nothing_and_its_cost_has_no_interval(said):
    found = said(seeds=1, noise=0.0)
    assert {one.level for one in found.values()} == {"open"}
    assert "nothing is decided, ahead is sharp" in found["reconstruction"].sentence
    assert "one seed in common names no winner; run at least 3" in found["sampling"].sentence
    assert found["sampling"].remarks == ("it costs +50 % (on one seed) in test_mse against sharp",)


def test_a_collapsed_field_has_nobody_to_be_named_and_says_why(said):
    for one in said(collapsed=tuple(LEVELS)).values():
        assert (one.take, one.level) == ("", "open")
        assert one.sentence.startswith(f"For {one.purpose} nobody can be named: sharp, smooth and dull: collapsed")
    best = said(collapsed=("sharp",))
    assert best["reconstruction"].take == "smooth" and "sharp" not in best["sampling"].sentence


def test_the_setting_that_validation_chooses_is_the_one_to_take(said):
    levels = {"v[w=1]": (1.0, 0.2, 0.1, 2.0), "v[w=2]": (2.0, 0.3, 0.2, 1.0), "ae": (3.0, 0.9, 0.9)}
    found = said(levels=levels, names=(*NAMES, "val_mse"))
    assert {one.take for one in found.values()} == {"v[w=2]"}
    assert all("validation data chose this setting" in one.sentence for one in found.values())


def test_a_purpose_rests_on_its_first_metric_that_somebody_competes_in(said, tmp_path):
    assert said(names=("test_mse", "energy_prior", "interp_unevenness"))["sampling"].metric == "energy_prior"
    assert [*said(names=("test_mse",))] == ["reconstruction"] and said(names=("mine",)) == {}
    (section,) = report_of(frame(), tmp_path).sections
    own = Purpose("finding anomalies", ("auroc", "energy_fit"))
    assert answers(section, [*PURPOSES, own])[-1].sentence.startswith("For finding anomalies take smooth: energy_fit")


def test_over_data_sets_without_a_common_score_each_is_named(tmp_path):
    report = report_of(frame(datasets=("a", "b"), noise=0.0), tmp_path / "same")
    (heading, over), *rest = grouped(report.sections, report.across)
    assert heading == "Over 2 data sets" and [label for label, _ in rest] == ["a", "b"]
    assert over[0].sentence == "For reconstruction take sharp: sure: on each of 2 data sets, tested one by one."
    other = frame(datasets=("b",), levels={"sharp": (9.0,), "smooth": (1.5,), "dull": (12.0,)}, noise=0.0)
    report = report_of(pd.concat([frame(noise=0.0), other]), tmp_path / "other")
    answer = grouped(report.sections, report.across)[0][1][0]
    assert answer.take == "" and answer.sentence.endswith("no common score; sharp on d; smooth on b.")
