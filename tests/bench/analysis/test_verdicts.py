"""The top of a report in words: each kind of lead says what the tests say, and no winner is ahead of itself."""

import numpy as np
import pytest
from synthetic import FakeCell, FakeSpec, measurement, record

from bench.analysis.verdicts import against_baselines, excluded, verdicts
from bench.contracts.metric import NEEDS
from bench.reports.model import load_report
from bench.reports.rows import difference_rows
from bench.store.run_store import RunStore

NOISE = np.random.default_rng(0).normal(0, 0.01, (3, 10))


@pytest.fixture
def said(tmp_path):
    """Of test_mse (less is better) with the given means of a, b and c over ten seeds: its verdict."""

    def verdict(*means):
        (line,) = verdicts(section_of(tmp_path, means))
        return line

    return verdict


def section_of(tmp_path, means):
    with RunStore.create(tmp_path / "run", FakeSpec({"name": "planted", "seeds": list(range(10))})) as store:
        for label, mean, noise in zip("abc", means, NOISE, strict=False):
            for seed in range(10):
                metrics = {"test_mse": measurement(mean + noise[seed], False)}
                store.append(record(FakeCell(label, "data", seed), metrics))
    return load_report(tmp_path / "run").sections[0]


def test_a_shared_lead_names_the_best_mean_and_who_cannot_be_told_apart_from_it(said):
    line = said(1.0, 1.001, 2.0)
    best, other = ("a", "b") if NOISE[0].mean() < NOISE[1].mean() + 0.001 else ("b", "a")
    assert (line.level, line.winner, line.margin) == ("shared", f"{best} and {other}", "")
    assert line.certainty.startswith(f"{best} has the best mean, {other} cannot be told apart from it; ")
    assert "a fresh run of about" in line.certainty and f"would tell it apart from {other}" in line.certainty
    assert "adding seeds until a mark appears makes false marks" in line.certainty


def test_a_sure_lead_names_its_margin_over_the_next(said):
    line = said(1.0, 2.0, 3.0)
    assert (line.level, line.winner) == ("sure", "a")
    assert line.margin.endswith(" ahead of b") and line.certainty.startswith("ahead of all others")


def test_an_open_lead_has_no_winner_but_a_margin(said):
    line = said(1.0, 1.001, 1.002)
    assert (line.level, line.winner) == ("open", "no clear winner")
    assert " ahead of " in line.margin and "not beyond seed noise" in line.certainty


def test_a_single_variant_wins_nothing(tmp_path):
    section = section_of(tmp_path, [1.0])
    (line,) = verdicts(section)
    assert (line.level, line.winner, line.margin) == ("open", "no clear winner", "–")
    assert line.certainty == "there is nothing to compare a with"


def test_one_seed_or_two_name_no_winner(tmp_path):
    for n, said in ((1, "one seed in common names no winner"), (2, "2 seeds in common name no winner")):
        (line,) = verdicts(planted(tmp_path / str(n), {"a": [1.0] * n, "b": [2.0] * n}))
        assert (line.level, line.winner) == ("open", "no clear winner") and line.certainty.startswith(said)


def planted(path, values, metric="test_mse", direction=False, extra=None, weights=None, seconds=None):
    """A section of the given seeds by variant; `extra`: more metrics by variant, (value, status, reason) by name.

    `seconds`: of training, by variant; 1.2 where it is not named.
    """
    seeds = max(map(len, values.values()))
    with RunStore.create(path, FakeSpec({"name": "planted", "seeds": list(range(seeds))})) as store:
        for label, numbers in values.items():
            for seed, value in enumerate(numbers):
                entry = {} if value is None else {metric: measurement(value, direction)}
                for name, (number, status, reason) in (extra or {}).get(label, {}).items():
                    entry[name] = measurement(number, None, status, reason)
                store.append(record(FakeCell(label, "data", seed), entry, kl_weight=(weights or {}).get(label),
                                    decoder_variance=(weights or {}).get(label),
                                    t_train=(seconds or {}).get(label, 1.2)))  # fmt: skip
    return load_report(path).sections[0]


def spread(mean, sd=0.01, seed=0, n=10):
    return list(mean + sd * np.random.default_rng(seed).normal(size=n))


def test_a_worse_mean_that_only_noise_keeps_from_being_told_apart_is_called_noisy(tmp_path):
    """A noisy variant beside a precise one that is better than it and told apart from the leader."""
    noise = np.random.default_rng(3).normal(size=10)
    noise = (noise - noise.mean()) / noise.std()
    values = {"a": spread(1.0, 0.001), "b": spread(1.2, 0.001, 1), "noisy": list(1.25 * np.exp(0.4 * noise))}
    section = planted(tmp_path / "run", values)
    (line,) = verdicts(section)
    assert (line.level, line.winner) == ("shared", "a")
    assert "noisy is too noisy to judge (its mean is worse than one that is told apart)" in line.certainty
    assert section.leads["test_mse"].marks == {0: "shared"}
    assert section.cells[2, "test_mse"].barred.startswith("too noisy to judge")


def test_worse_in_every_seed_does_not_share_the_lead(tmp_path):
    outlier = np.array([0.01] * 9 + [2.0])
    values = {"a": spread(1.0, 0.001), "noisy": list(1.0 + outlier), "c": spread(9.0, 0.001, 1)}
    (line,) = verdicts(planted(tmp_path / "run", values))
    assert line.winner == "a" and "worse in all of 10 seeds" in line.certainty


def test_a_difference_below_the_smallest_effect_of_interest_is_said_to_be_one(tmp_path):
    (line,) = verdicts(planted(tmp_path / "run", {"a": spread(1.0, 1e-5), "b": spread(1.001, 1e-5, 1)}))
    assert line.level == "open" and "by less than the smallest effect of interest" in line.certainty


def test_unevenness_leads_by_its_excess_over_one(tmp_path):
    """1.0023 against 1.0042: .19 % of U, but 83 % more excess; both places say the same."""
    values = {"a": spread(1.0023, 1e-5), "b": spread(1.0042, 1e-5, 1)}
    section = planted(tmp_path / "run", values, "interp_unevenness")
    (line,) = verdicts(section)
    assert line.level == "sure" and line.margin == "45 % of the excess over 1 ahead of b"
    (found,) = section.differences[1]
    assert found.verdict == "worse" and found.relative == pytest.approx(19 / 23, rel=0.01)
    assert found.p == pytest.approx(section.leads["interp_unevenness"].p)  # one family, one answer


def test_a_variant_with_one_surviving_seed_neither_wins_nor_shares(tmp_path):
    for n in (1, 4):  # fewer than half of the others' seeds
        values = {"a": spread(1.0), "b": spread(2.0), "c": [0.1] * n + [None] * (10 - n)}
        section = planted(tmp_path / str(n), values)
        assert section.leads["test_mse"].marks == {0: "best"}
        assert excluded(section) == ["No mark for c: too few seeds in common with the others."]


def test_means_are_over_the_seeds_that_all_have(tmp_path):
    """b is best over its own seeds only because it lacks the hard ones."""
    hard = np.array([0.0] * 6 + [5.0] * 4)
    a, b = 1.0 + hard + spread(0, 0.01), 1.1 + hard + spread(0, 0.01, 1)
    section = planted(tmp_path / "run", {"a": list(a), "b": [*b[:6], None, None, None, None]})
    assert np.nanmean(section.values["test_mse"][1]) < np.nanmean(section.values["test_mse"][0])
    assert section.leads["test_mse"].leader == 0 and section.leads["test_mse"].seeds == 6


FLAG = {"collapsed": (1.0, "flagged", "collapsed: 0 active units")}


def test_a_collapsed_field_has_no_winner_by_the_flag_alone(tmp_path):
    section = planted(tmp_path / "run", {"a": spread(1.0), "b": spread(2.0)}, extra={"a": FLAG, "b": FLAG})
    assert verdicts(section) == [] and section.leads["test_mse"].marks == {}
    assert excluded(section) == ["No mark for a and b: collapsed: 0 active units."]


def test_a_collapsed_baseline_makes_nobody_better(tmp_path):
    section = planted(tmp_path / "run", {"a": spread(2.0), "b": spread(1.0)}, extra={"a": FLAG})
    assert [row.verdict for row in difference_rows(section)] == ["baseline collapsed"]


def test_the_prior_bars_from_metrics_of_the_prior_alone(tmp_path):
    narrow = {"diversity_prior": (0.2, "ok", ""), "test_fvu": (0.1, "ok", "")}
    for metric, marks in (("test_mse", {0: "best"}), ("coverage_prior", {})):
        run = tmp_path / metric
        section = planted(run, {"a": spread(1.0), "b": spread(2.0)}, metric, False, {"a": narrow, "b": narrow})
        assert section.leads[metric].marks == marks


def test_likelihoods_under_other_variances_are_not_ranked_and_say_so(tmp_path):
    values = {"a": spread(-5.0), "b": spread(-6.0)}
    same = planted(tmp_path / "same", values, "iwae_100", True, weights={"a": 0.1, "b": 0.1})
    assert same.leads["iwae_100"].marks == {0: "best"}
    section = planted(tmp_path / "run", values, "iwae_100", True, weights={"a": 0.1, "b": 0.2})
    assert section.leads["iwae_100"].leader is None
    assert "decoder variances" in section.cells[0, "iwae_100"].barred


def test_gauge_dependent_values_need_a_declared_prior(tmp_path):
    """knn_accuracy moves with the basis of the code."""
    prior = {"kl_total": (1.0, "ok", "")}
    none = {"kl_total": (None, "n/a", NEEDS["prior"])}
    values = {"a": spread(0.9), "b": spread(0.8), "c": spread(0.95)}
    section = planted(tmp_path / "run", values, "knn_accuracy", True, {"a": prior, "b": prior, "c": none})
    assert section.metrics["knn_accuracy"].gauge_word == "gauge-dependent"
    assert section.leads["knn_accuracy"].marks == {0: "best"}
    assert "gauge-dependent" in section.cells[2, "knn_accuracy"].barred


def test_only_the_setting_that_validation_chooses_competes_on_test_data(tmp_path):
    """The setting with the best test error is not the one that validation chooses."""
    val = {"vae[beta=1]": 5.0, "vae[beta=2]": 4.0}
    test = {"vae[beta=1]": spread(0.5), "vae[beta=2]": spread(1.0), "ae": spread(2.0)}
    path = tmp_path / "run"
    with RunStore.create(path, FakeSpec({"name": "planted", "seeds": list(range(10))})) as store:
        for label, numbers in test.items():
            for seed, value in enumerate(numbers):
                entry = {"test_mse": measurement(value, False)}
                if label in val:
                    entry["val_calibrated_neg_elbo"] = measurement(val[label] + 0.01 * value, False)
                store.append(record(FakeCell(label, "data", seed), entry))
    section = load_report(path).sections[0]
    chosen = [section.rows[row].label for row in section.chosen]
    assert chosen == ["vae[beta=2]"]
    lead = section.leads["test_mse"]
    assert section.rows[lead.leader].label == "vae[beta=2]" and lead.marks == {lead.leader: "best"}
    assert excluded(section) == ["No mark for vae[beta=1]: validation data choose vae[beta=2]."]


@pytest.mark.parametrize(
    "baseline, words",
    [
        (2.0, "; it beats the best that is no autoencoder, control:pca (2"),
        (0.5, "; a plain control:pca (0.5000), which is no autoencoder, is better"),
        (1.0, "which is no autoencoder, does as well as far as can be told"),
    ],
)
def test_a_winner_is_held_against_the_best_that_is_no_autoencoder(tmp_path, baseline, words):
    """Less is better; the lookup is a control whose score is known and no baseline, and wins nothing here."""
    values = {"a": spread(1.0), "b": spread(3.0, seed=1), "control:pca": [baseline], "control:ppca": [9.0],
              "control:lookup": [0.0]}  # fmt: skip
    (line,) = verdicts(planted(tmp_path / "run", values))
    assert line.winner == "a" and words in line.certainty


@pytest.mark.parametrize(
    "seconds, level, words",
    [
        (0.01, 0.5, "is better, at 1/120 of the training time"),
        (0.01, 1.0, "does as well as far as can be told, at 1/120 of the training time"),
        (0.11, 1.0, "1/11 of the training time"),
        (0.2, 1.0, "as far as can be told"),
        (None, 1.0, "as far as can be told"),
        (0.01, 2.0, "it beats the best that is no autoencoder, control:pca (2"),
    ],
)
def test_what_a_plain_model_saves_is_said_where_it_does_as_well_and_saves_much(tmp_path, seconds, level, words):
    """Each training of a and b takes 1.2 s."""
    section = planted(tmp_path / "run", {"a": spread(1.0), "b": spread(3.0, seed=1), "control:pca": [level]},
                      seconds={"control:pca": seconds})  # fmt: skip
    (line,) = verdicts(section)
    assert words in line.certainty
    assert ("training time" in line.certainty) == ("training time" in words)
    told = [against_baselines(section, "test_mse", row) for row in (0, 1)]
    assert told[0] in line.certainty and "is better" in told[1]  # b, at 3, is beaten by each of them


def test_a_search_costs_what_it_takes_to_search(tmp_path):
    """Evaluation takes .6 s of each row here."""
    values = {"a": spread(1.0), "b": spread(3.0, seed=1), "control:nearest-neighbours": [0.5]}
    seconds = {"a": 12.02, "b": 12.02, "control:nearest-neighbours": 0.001}
    (line,) = verdicts(planted(tmp_path / "run", values, seconds=seconds))
    assert line.certainty.endswith("which is no autoencoder, is better, at 1/20 of the training time")


def test_a_baseline_without_codes_is_held_against_a_winner_by_its_own_draws(tmp_path):
    values = {"a": spread(0.2), "b": spread(0.4, seed=1), "control:gaussian-mixture": [None]}
    extra = {"control:gaussian-mixture": {"energy_prior": (0.1, "ok", "")}}
    (line,) = verdicts(planted(tmp_path / "run", values, "energy_fit", extra=extra))
    assert "; a plain control:gaussian-mixture (energy_prior 0.1000), which is no autoencoder, is" in line.certainty


def test_a_single_seed_beats_no_baseline(tmp_path):
    (line,) = verdicts(planted(tmp_path / "run", {"a": [1.0], "b": [3.0], "control:pca": [2.0]}))
    assert "; the best that is no autoencoder is control:pca (2" in line.certainty and "beats" not in line.certainty


def test_without_a_baseline_nothing_is_said_of_one(said):
    assert "no autoencoder" not in said(1.0, 2.0, 3.0).certainty
