"""Comparison of two runs: marks, gates, exit codes; false alarms and power by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import FakeCell, FakeSpec, make_run, measurement, record

from bench.analysis.compare import Change, compare, judge, measure
from bench.analysis.fail_rules import parse_gates, violations
from bench.cli import main
from bench.errors import UsageError
from bench.reports.views.compare_markdown import comparison_markdown
from bench.store.records import encode
from bench.store.run_store import RunStore

VARIANTS = ("ae", "vae")
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


def test_differences_are_those_of_scipy(tmp_path, seeds):
    from scipy import stats as scipy_stats

    other = seeds + 0.02 * np.random.default_rng(2).normal(size=10) + 0.01
    (change,) = compare(make(tmp_path / "b", {"ae": seeds}), make(tmp_path / "n", {"ae": other})).changes
    expected = scipy_stats.ttest_rel(other, seeds)
    assert change.p == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval()
    assert (change.difference - change.half, change.difference + change.half) == pytest.approx((low, high))


def test_holm_is_over_everything_compared(tmp_path, seeds):
    other = seeds + 0.02 * np.random.default_rng(2).normal(size=10) + 0.01
    alone = compare(make(tmp_path / "b", {"ae": seeds}), make(tmp_path / "n", {"ae": other})).changes[0].p
    many = {f"ae[k={k}]": seeds for k in range(9)}
    base, new = make(tmp_path / "b2", {"ae": seeds, **many}), make(tmp_path / "n2", {"ae": other, **many})
    assert compare(base, new).changes[0].p == pytest.approx(min(1.0, 10 * alone))


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
    assert len(violations(comparison, parse_gates(["quality"]))) == 10


def test_nothing_in_common_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="no cell in common"):
        compare(make(tmp_path / "b", {"ae": [1.0]}), make(tmp_path / "n", {"vae": [1.0]}))


def test_a_different_metric_code_is_said(tmp_path, seeds):
    base, new = make(tmp_path / "b", {"ae": seeds}), make(tmp_path / "n", {"ae": seeds}, metrics_hash="other")
    assert "code of the metrics differs" in compare(base, new).notes[0]


@pytest.mark.parametrize("rule", ["speed", "quality:2%", "test_mse", "test_mse:two%", "", "m:2"])
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


def test_noise_beyond_the_limit_without_evidence_does_not_fail(tmp_path):
    base = make(tmp_path / "b", {"ae": [1.0, 2.0, 1.5, 0.5]})
    new = make(tmp_path / "n", {"ae": [3.0, 1.5, 1.0, 2.5]})
    comparison = compare(base, new)
    assert comparison.changes[0].worse_by > 0.1
    assert comparison.changes[0].mark == "?"
    assert violations(comparison, parse_gates(["m:2%", "quality"])) == []


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
    assert bool(violations(comparison, parse_gates(["speed:10%"]))) == fails
    assert set(marks(comparison).values()) == {"~"}  # speed does not touch quality


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
    assert {change.metric for change in compare(base, new).changes} == {
        "test_mse", "coverage_fit", "recall_fit", "interp_unevenness", "interp_realism",
    }  # fmt: skip
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
        changes.append((change, measure(change, pairs, False)))
    judge(changes, {"m": False})
    return [change.mark for change, _ in changes]


def test_the_same_code_twice_raises_few_alarms():
    """Holm keeps the family-wise rate at 5 %: over 2,000 comparisons of 5 stacks, 5 % ± 1.5 % (3 sigma) at most."""
    rng = np.random.default_rng(0)
    alarms = np.mean([bool(set(simulated(rng, 0.0)) & {"+", "-"}) for _ in range(2000)])
    assert alarms <= 0.065


@pytest.mark.parametrize(("shift", "least", "most"), [(0.3, 0.0, 0.2), (1.5, 0.8, 1.0), (3.0, 0.999, 1.0)])
def test_planted_differences_are_found(shift, least, most):
    rng = np.random.default_rng(1)
    marks = [mark for _ in range(300) for mark in simulated(rng, shift)]
    assert least <= np.mean([mark == "-" for mark in marks]) <= most
    assert np.mean([mark == "+" for mark in marks]) < 0.01
