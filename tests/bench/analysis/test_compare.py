"""Comparison of two runs: marks, gates, exit codes; false alarms and power by simulation."""

from __future__ import annotations

import json

import numpy as np
import pytest
from runs import written
from synthetic import FakeCell, FakeSpec, make_run, measurement, record

from bench.analysis.changes import Change, judge, measure
from bench.analysis.compare import Comparison, compare
from bench.analysis.fail_rules import judge_gates, parse_gates
from bench.analysis.scales import Scale
from bench.analysis.speeds import Speed
from bench.analysis.stats import detectable_effect, paired_p
from bench.cli import main
from bench.errors import UsageError
from bench.reports.views.compare_markdown import comparison_markdown
from bench.store.records import encode
from bench.store.run_store import RunStore

VARIANTS = ("ae", "vae")
SCALE = Scale("linear", 0.05)
ENVIRONMENT = {"cpu": "Some CPU", "cpu_count": 2, "accelerator": None}


def make(path, values, direction=False, environment=ENVIRONMENT, **changes):
    """A run whose cells have the metric m: {variant: values by seed}."""
    with RunStore.create(path, FakeSpec()) as store:
        store.save_environment(environment, "e1")
    lines = []
    for variant, numbers in values.items():
        for seed, value in enumerate(numbers):
            entry = {"m": measurement(value, direction, reason="" if value is not None else "why not")}
            lines.append(encode(record(FakeCell(variant, "digits", seed), entry) | changes))
    store.cells_path.write_bytes(b"".join(lines))  # one write: these tests need no durability
    return path


def marks(comparison):
    return {(change.variant, change.metric): change.mark for change in comparison.changes}


@pytest.fixture
def seeds():
    return 1 + 0.01 * np.random.default_rng(0).normal(size=10)


@pytest.mark.parametrize(
    ("factor", "noise", "direction", "mark"),
    [
        (1.05, 0.005, False, "-"),
        (1.05, 0.005, True, "+"),
        (0.95, 0.005, False, "+"),
        (1.0, 0.0, False, "~"),  # identical
        (1.0, 0.001, False, "~"),  # the interval is within the margin
        (1.001, 0.0001, False, "~"),  # a real difference, smaller than the margin
        (1.0, 0.05, False, "?"),
    ],
)
def test_marks(tmp_path, seeds, factor, noise, direction, mark):
    rng = np.random.default_rng(1)
    base = make(tmp_path / "base", {"ae": seeds}, direction)
    new = make(tmp_path / "new", {"ae": seeds * factor + noise * rng.normal(size=10)}, direction)
    (change,) = compare(base, new).changes
    assert change.mark == mark
    assert change.n == 10


def test_differences_are_those_of_scipy_on_the_scale_of_the_metric(tmp_path, seeds):
    from scipy import stats as scipy_stats

    other = seeds + 0.02 * np.random.default_rng(2).normal(size=10) + 0.03
    (change,) = compare(make(tmp_path / "b", {"ae": seeds}), make(tmp_path / "n", {"ae": other})).changes
    assert change.p == pytest.approx(scipy_stats.ttest_rel(np.log(other), np.log(seeds)).pvalue)
    low, high = scipy_stats.ttest_rel(other, seeds).confidence_interval()
    assert (change.difference - change.half, change.difference + change.half) == pytest.approx((low, high))
    assert change.relative == pytest.approx(np.exp(np.log(other / seeds).mean()) - 1)
    one_sided = scipy_stats.ttest_rel(np.log(other), np.log(seeds)).confidence_interval(0.9)
    assert change.worse_most == pytest.approx(np.expm1(one_sided.high))


def test_holm_is_over_everything_compared_but_what_is_identical(tmp_path, seeds):
    """Nine unchanged variants must not hide a drop; nine that were trained again count."""
    other = seeds + 0.02 * np.random.default_rng(2).normal(size=10) + 0.03
    alone = compare(make(tmp_path / "b", {"ae": seeds}), make(tmp_path / "n", {"ae": other})).changes[0].p
    same = {f"ae[k={k}]": seeds for k in range(9)}
    found = compare(make(tmp_path / "b2", {"ae": seeds, **same}), make(tmp_path / "n2", {"ae": other, **same})).changes
    assert found[0].p == pytest.approx(alone) and found[0].mark == "-"
    assert all(change.mark == "~" and np.isnan(change.p) for change in found[1:])
    rng = np.random.default_rng(3)
    again = {name: seeds + 0.01 * rng.normal(size=10) for name in same}
    found = compare(make(tmp_path / "b3", {"ae": seeds, **same}), make(tmp_path / "n3", {"ae": other, **again})).changes
    assert found[0].p == pytest.approx(min(1.0, 10 * alone))


@pytest.mark.parametrize(
    ("base", "new", "reason"),
    [
        ({"ae": [1.0, 2.0]}, {"ae": [1.0, 2.0], "vae": [1.0, 2.0]}, "only in NEW"),
        ({"ae": [1.0, 2.0], "vae": [1.0, 2.0]}, {"ae": [1.0, 2.0]}, "only in BASE"),
        ({"ae": [1.0, 2.0], "vae": [1.0]}, {"ae": [1.0, 2.0], "vae": [2.0]}, "one common seed"),
        ({"ae": [1.0, 2.0], "vae": [None, None]}, {"ae": [1.0, 2.0], "vae": [2.0, 3.0]}, "no value in BASE: why not"),
    ],
)
def test_what_cannot_be_compared_says_why(tmp_path, base, new, reason):
    found = compare(make(tmp_path / "b", base), make(tmp_path / "n", new)).changes
    change = next(change for change in found if change.variant == "vae")
    assert change.mark == "x" and reason in change.reason


def test_other_data_and_failed_cells_are_not_comparable(tmp_path, seeds):
    base = make(tmp_path / "b", {"ae": seeds})
    other = make(tmp_path / "n", {"ae": seeds}, split={"n_train": 1, "checksum": "another"})
    assert "data differ" in compare(base, other).changes[0].reason
    failed = make(tmp_path / "f", {"ae": seeds}, status="oom", reason="4 GB", metrics={})
    comparison = compare(base, failed)
    assert comparison.changes[0].reason == "no result in NEW: oom, 4 GB"
    assert len(comparison.lost) == 10
    assert sum("no result any more" in line for line in judge_gates(comparison, parse_gates(["quality"])).failed) == 10


def test_nothing_in_common_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="no cell in common"):
        compare(make(tmp_path / "b", {"ae": [1.0]}), make(tmp_path / "n", {"vae": [1.0]}))


def test_a_different_metric_code_is_said(tmp_path, seeds):
    base, new = make(tmp_path / "b", {"ae": seeds}), make(tmp_path / "n", {"ae": seeds}, metrics_hash="other")
    assert "code of the metrics differs" in compare(base, new).notes[0]


@pytest.mark.parametrize("rule", ["speed", "speed:margin", "quality:2", "test_mse", "test_mse:two%", "", "m:2"])
def test_a_rule_that_is_none_is_one_line(rule):
    with pytest.raises(UsageError, match="is no rule"):
        parse_gates([rule])


@pytest.mark.parametrize(
    ("rule", "worse", "fails"),
    [
        ("m:2%", 1.05, True),
        ("m:10%", 1.05, False),
        ("quality", 1.05, True),
        ("m:2%", 0.9, False),
        ("quality", 0.9, False),
    ],
)
def test_quality_gates_and_exit_codes(tmp_path, seeds, capsys, rule, worse, fails):
    noise = 0.002 * np.random.default_rng(1).normal(size=10)
    base, new = make(tmp_path / "b", {"ae": seeds}), make(tmp_path / "n", {"ae": seeds * worse + noise})
    with pytest.raises(SystemExit) as end:
        main(["compare", str(base), str(new), "--fail", rule])
    assert end.value.code == (1 if fails else 0)
    assert ("**Failed:**" in capsys.readouterr().out) == fails


def outcome(base, new, rule, **more):
    return judge_gates(compare(base, new, **more), parse_gates([rule]))


def test_lack_of_evidence_passes_the_plain_rule_and_no_margin(tmp_path):
    base = make(tmp_path / "base", {"ae": [1.0, 2.0, 1.5, 0.5]})
    new = make(tmp_path / "new", {"ae": [3.0, 1.5, 1.0, 2.5]})
    assert compare(base, new).changes[0].mark == "?"
    assert outcome(base, new, "quality").failed == []
    for rule in ("m:2%", "quality:2%", "quality:margin"):
        (line,) = outcome(base, new, rule).failed
        assert "is not shown to be worse by at most" in line and "4 seeds" in line


def test_no_mean_difference_is_no_evidence_of_none(tmp_path):
    """NEW is no worse on the mean, but with these seeds it may be worse by far: a margin does not let that pass."""
    noise = np.array([0.3, -0.3, 0.25, -0.25])
    base = make(tmp_path / "base", {"ae": [1.0, 1.0, 1.0, 1.0]})
    new = make(tmp_path / "new", {"ae": 1 + noise - 0.05})
    assert compare(base, new).changes[0].worse_by < 0
    for rule in ("m:20%", "quality:20%", "quality:margin"):
        assert len(outcome(base, new, rule).failed) == 1
    assert outcome(base, new, "quality:200%").failed == []


@pytest.mark.parametrize(("rule", "fails"), [("m:2%", True), ("m:10%", False), ("quality:margin", True)])
def test_a_drop_of_what_should_be_high_is_worse(tmp_path, seeds, rule, fails):
    noise = 0.001 * np.random.default_rng(1).normal(size=10)
    base, new = make(tmp_path / "b", {"ae": seeds}, True), make(tmp_path / "n", {"ae": 0.95 * seeds + noise}, True)
    assert bool(outcome(base, new, rule).failed) == fails
    assert outcome(new, base, rule).failed == []  # the other way round it is a gain


def test_a_rule_looks_at_its_own_metric_alone(tmp_path, seeds):
    def both(path, m, k):
        with RunStore.create(path, FakeSpec()) as store:
            for seed in range(10):
                entry = {"m": measurement(m[seed], False), "k": measurement(k[seed], False)}
                store.append(record(FakeCell("ae", "digits", seed), entry))
        return path

    noise = 0.001 * np.random.default_rng(1).normal(size=10)
    base = both(tmp_path / "base", seeds, seeds)
    new = both(tmp_path / "new", seeds + noise, 1.1 * seeds + noise)
    assert outcome(base, new, "m:5%").failed == []
    (line,) = outcome(base, new, "k:5%").failed
    assert line.startswith("k of ae on digits is worse by 10 %")
    assert len(outcome(base, new, "quality").failed) == len(outcome(base, new, "quality:5%").failed) == 1


def test_each_metric_has_its_own_margin(tmp_path):
    """A change that a wide margin lets pass fails where the metric's smallest effect is small."""
    changes = []
    for smallest in (0.02, 0.2):
        change = Change("ae", "digits", f"m{smallest}")
        pairs = np.stack([np.ones(10), 1.05 + 0.001 * np.random.default_rng(0).normal(size=10)], 1)
        tested = measure(change, pairs, False, Scale("log", smallest))
        changes.append((change, tested))
    judge(changes, {change.metric: False for change, _ in changes})
    found = judge_gates(Comparison("b", "n", [c for c, _ in changes], [], None, []), parse_gates(["quality:margin"]))
    assert len(found.failed) == 1 and found.failed[0].startswith("m0.02 of ae")


def test_one_seed_shows_no_margin(tmp_path):
    base, new = make(tmp_path / "base", {"ae": [1.0], "vae": [1.0, 2.0]}), tmp_path / "new"
    make(new, {"ae": [1.01], "vae": [1.0, 2.0]})
    (line,) = outcome(base, new, "m:5%").failed
    assert "one common seed gives no interval, so that no margin can be shown" in line


@pytest.mark.parametrize(("margin", "passes"), [("2%", True), ("0.01%", False), ("margin", True)])
def test_a_margin_passes_what_is_shown_to_be_within_it(tmp_path, seeds, margin, passes):
    noise = 0.001 * np.random.default_rng(1).normal(size=10)
    base, new = make(tmp_path / "base", {"ae": seeds}), make(tmp_path / "new", {"ae": seeds + noise})
    assert (outcome(base, new, f"quality:{margin}").failed == []) == passes


def test_a_margin_rarely_passes_a_regression_of_its_own_size_whatever_the_seeds():
    """At three seeds a plain rule misses a regression of five seed-sd nearly always; a margin does not pass it."""
    rng = np.random.default_rng(0)
    passed, plain = 0, 0
    for _ in range(80):
        changes = []
        for k in range(40):
            pairs = 10 + rng.normal(size=(3, 2))
            pairs[:, 1] += 5.0 if k == 0 else 0.0
            change = Change(f"ae[k={k}]", "digits", "m")
            changes.append((change, measure(change, pairs, False, SCALE)))
        judge(changes, {"m": False})
        passed += changes[0][0].worse_most <= 0.5  # its regression is 5 of 10
        plain += changes[0][0].mark == "-"
    assert plain / 80 < 0.3 and passed / 80 <= 0.05 + 3 * (0.05 * 0.95 / 80) ** 0.5


def run_of(path, values, seeds=range(4), metric="m", **changes):
    with RunStore.create(path, FakeSpec({"seeds": list(seeds), **changes.pop("spec", {})})) as store:
        for variant, numbers in values.items():
            for seed in seeds:
                reason = "" if numbers[seed] is not None else "why not"
                entry = {metric: measurement(numbers[seed], False, reason=reason)}
                store.append(record(FakeCell(variant, "digits", seed), entry, **changes))
    return path


ONE = [1.0, 1.1, 1.2, 1.3]


def exit_code(*words):
    with pytest.raises(SystemExit) as end:
        main(["compare", *map(str, words)])
    return end.value.code


@pytest.mark.parametrize("rule", ["quality", "quality:5%", "m:5%"])
def test_a_gate_fails_where_a_result_of_base_is_gone(tmp_path, capsys, rule):
    base = run_of(tmp_path / "base", {"ae": ONE, "vae": ONE})
    gone = run_of(tmp_path / "gone", {"ae": ONE})
    assert exit_code(base, gone, "--fail", rule) == 1
    assert "vae on digits, seed 0: gone" in capsys.readouterr().out
    fewer = run_of(tmp_path / "fewer", {"ae": ONE, "vae": ONE}, seeds=range(1, 4))
    assert exit_code(base, fewer, "--fail", rule) == 1
    unmeasured = run_of(tmp_path / "un", {"ae": ONE, "vae": [1.0, None, None, 1.3]})
    assert exit_code(base, unmeasured, "--fail", rule) == 1
    assert "2 of 4 values are gone" in capsys.readouterr().out
    assert exit_code(base, base, "--fail", rule) == 0


def test_a_gate_that_compared_nothing_is_undecided_with_the_reason(tmp_path, capsys):
    base = run_of(tmp_path / "base", {"ae": ONE})
    data = run_of(tmp_path / "data", {"ae": ONE}, split={"n_train": 1, "checksum": "another"})
    assert exit_code(base, data, "--fail", "quality") == 2
    assert "compared nothing: the data differ" in capsys.readouterr().err
    other = run_of(tmp_path / "other", {"ae": ONE}, metric="k")
    assert exit_code(base, other, "--fail", "m:5%") == 2
    assert "compared nothing: no value in NEW" in capsys.readouterr().err


def test_across_settings_compares_by_name_and_says_what_differs(tmp_path, capsys):
    long = {"latent-dim": 8, "optimizer": "adam[lr=1e-3]"}
    base = run_of(tmp_path / "base", {"ae": ONE}, spec=long)
    new = run_of(tmp_path / "new", {"ae": [2.0, 2.2, 2.4]}, seeds=range(3), spec=long | {"latent-dim": 16})
    path = new / "cells.jsonl"  # other settings are other cells
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text(written(*({**entry, "cell_id": "f" + entry["cell_id"]} for entry in entries)))
    assert exit_code(base, new) == 2 and "--across-settings" in capsys.readouterr().err
    comparison = compare(base, new, across_settings=True)
    assert comparison.changes[0].mark == "-" and comparison.changes[0].n == 3 and comparison.lost == []
    (note,) = comparison.notes
    assert "latent-dim 8 → 16" in note and "seeds 0, 1, 2, 3 → 0, 1, 2" in note and "optimizer" not in note


def test_likelihoods_of_other_decoder_variances_are_not_compared(tmp_path):
    values = {"ae": [-1.0, -1.1, -1.2, -1.3]}
    base, new = (run_of(tmp_path / str(v), values, metric="iwae_100", decoder_variance=v) for v in (0.1, 0.2))
    assert "decoder variances" in compare(base, new, ["iwae_100"]).changes[0].reason
    assert compare(base, base, ["iwae_100"]).changes[0].mark == "~"


def test_the_power_of_the_seeds_is_said_and_nothing_changed_never_is(tmp_path):
    rng = np.random.default_rng(0)
    base = make(tmp_path / "base", {"ae": 1 + 0.1 * rng.normal(size=5)})
    new = make(tmp_path / "new", {"ae": 1 + 0.1 * rng.normal(size=5)})
    comparison = compare(base, new)
    text = comparison_markdown(comparison, only_changed=True)
    assert "Nothing changed" not in text and "No row is better or worse, none is lost: 1 inconclusive (`?`)" in text
    assert "with 5 common seeds and 1 tests" in text
    planted = np.log1p(comparison.changes[0].detectable)
    sd = planted / detectable_effect(5)
    found = [paired_p(planted + sd * rng.normal(size=5)) < 0.05 for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)


def speed_run(path, factor, **kwargs):
    with RunStore.create(path, FakeSpec()) as store:
        store.save_environment(kwargs.pop("environment", ENVIRONMENT), "e1")
        for place, variant in enumerate(("ae", "vae", "stochastic-ae", "decoder-only")):
            for seed in range(2):
                changes = {"t_train": (1 + place) * factor * (1 + 0.01 * place), **kwargs}
                metrics = {"m": measurement(1.0 + seed, False)}
                store.append(record(FakeCell(variant, "digits", seed), metrics, **changes))
    return path


@pytest.mark.parametrize(("factor", "fails"), [(1.3, True), (1.05, False), (0.5, False)])
def test_the_speed_gate(tmp_path, factor, fails):
    comparison = compare(speed_run(tmp_path / "b", 1.0), speed_run(tmp_path / "n", factor))
    ratio, low, high = comparison.speed_ratio()
    assert ratio == pytest.approx(factor) and low <= factor <= high * (1 + 1e-9)
    assert bool(judge_gates(comparison, parse_gates(["speed:10%"])).failed) == fails
    assert set(marks(comparison).values()) == {"~"}  # speed does not touch quality


def test_a_slowness_that_may_be_noise_does_not_fail(tmp_path):
    """Twice as slow in one stack of two: 41 % in the mean, and the interval reaches far below 1."""
    speeds = [Speed("ae", "digits", "training", 1.0, 2.0), Speed("vae", "digits", "training", 1.0, 1.0)]
    noisy, sure = (Comparison("b", "n", [], found, None, []) for found in (speeds, speeds[:1]))
    assert judge_gates(noisy, parse_gates(["speed:10%"])).failed == []
    assert judge_gates(sure, parse_gates(["speed:10%"])).failed == ["training takes 100 % longer, more than 10 %"]
    assert judge_gates(sure, parse_gates(["speed:150%"])).failed == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"environment": {**ENVIRONMENT, "cpu": "Another CPU"}}, "different machines"),
        ({"num_threads": 8}, "threads or workers"),
        ({"workers": 2}, "threads or workers"),
        ({"timing_valid": False}, "not valid"),
    ],
)
def test_speeds_of_different_machines_are_not_compared(tmp_path, change, reason, capsys):
    base, new = speed_run(tmp_path / "b", 1.0), speed_run(tmp_path / "n", 1.3, **change)
    comparison = compare(base, new)
    assert reason in comparison.speed_reason and comparison.speeds == []
    with pytest.raises(SystemExit) as end:
        main(["compare", str(base), str(new), "--fail", "speed:10%"])
    assert end.value.code == 2
    assert reason in capsys.readouterr().err
    told = compare(base, new, across_machines=True)
    assert bool(told.speeds) == ("timing_valid" not in change)


def test_markdown_shows_rows_reasons_and_only_what_changed(tmp_path, seeds):
    noise = 0.002 * np.random.default_rng(1).normal(size=10)
    base = make(tmp_path / "b", {"ae": seeds, "vae": seeds, "<script>|x": seeds})
    new = make(tmp_path / "n", {"ae": seeds * 1.1 + noise, "vae": seeds, "<script>|x": seeds})
    text = comparison_markdown(compare(base, new))
    assert "1 worse (`-`), 2 same (`~`)" in text
    assert "<script>" not in text and "&lt;script&gt;\\|x" in text
    short = comparison_markdown(compare(base, new), only_changed=True)
    assert "| `-` | ae |" in short and "| `~` |" not in short


def test_chosen_metrics(tmp_path):
    base = make_run(tmp_path / "b", VARIANTS, seeds=range(3), with_arrays=False)
    new = make_run(tmp_path / "n", VARIANTS, seeds=range(3), with_arrays=False)
    assert {change.metric for change in compare(base, new).changes} == {"test_mse", "interp_unevenness"}  # primary
    assert {change.metric for change in compare(base, new, ["val_mse"], extra=["test_fvu"]).changes} == {
        "val_mse",
        "test_fvu",
    }
    with pytest.raises(UsageError, match="did you mean test_mse"):
        compare(base, new, ["test_msee"])
    with pytest.raises(UsageError, match="no direction"):
        compare(base, new, ["active_units"])


def simulated(rng, shift, n_variants=5, n=10):
    """Marks of n_variants stacks: seeds share an effect, NEW is moved by `shift` standard deviations of a seed."""
    changes = []
    for k in range(n_variants):
        common = rng.normal(size=n)
        pairs = 10 + (common[:, None] + rng.normal(size=(n, 2))) / 2**0.5
        pairs[:, 1] += shift
        change = Change(f"ae[k={k}]", "digits", "m")
        changes.append((change, measure(change, pairs, False, SCALE)))
    judge(changes, {"m": False})
    return [change.mark for change, _ in changes]


def test_the_same_code_twice_raises_few_alarms():
    """Holm keeps the family-wise rate at 5 %: over 600 comparisons of 5 stacks, 5 % + 2.7 % (3 sigma) at most."""
    rng = np.random.default_rng(0)
    alarms = np.mean([bool(set(simulated(rng, 0.0)) & {"+", "-"}) for _ in range(600)])
    assert alarms <= 0.077


@pytest.mark.parametrize(("shift", "least", "most"), [(0.3, 0.0, 0.2), (1.5, 0.8, 1.0), (3.0, 0.999, 1.0)])
def test_planted_differences_are_found(shift, least, most):
    rng = np.random.default_rng(1)
    marks = [mark for _ in range(100) for mark in simulated(rng, shift)]
    assert least <= np.mean([mark == "-" for mark in marks]) <= most
    assert np.mean([mark == "+" for mark in marks]) < 0.01
