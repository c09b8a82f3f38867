"""The sentence on anomalies: who is named, how sure it is, and what has to be there."""

import pandas as pd

from bench.analysis.anomaly_answer import anomaly_answer, anomaly_table, training_seconds


def frame(values, seconds=None):
    """{(variant, data set): AUROC of seeds} as a tidy frame."""
    rows = [
        {"variant_label": variant, "dataset_label": dataset, "seed": seed, "metric": "anomaly_auroc", "value": value,
         "t_train": (seconds or {}).get(variant), "t_eval": 0.05}
        for (variant, dataset), own in values.items() for seed, value in enumerate(own)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_detector_that_is_surely_ahead_is_named_with_what_it_saves():
    values = {("ae", f"d{i}"): [0.90 + i / 100, 0.902 + i / 100] for i in range(5)}
    values |= {("control:lof", f"d{i}"): [0.95 + i / 100 + i % 2 / 1000] for i in range(5)}
    text = anomaly_answer(frame(values, {"ae": 2.0, "control:lof": 0.02}))
    assert text.startswith("To find anomalies take control:lof: AUROC 0.970 over 5 data sets")
    assert "the best autoencoder, ae, is 0.049 behind (95 % interval +0.0" in text and "not sure" not in text
    assert "control:lof takes 1/100 of the other's training time" in text


def test_a_lead_that_another_data_set_may_turn_is_not_sure():
    values = {("ae", "a"): [0.99], ("ae", "b"): [0.80], ("control:lof", "a"): [0.90], ("control:lof", "b"): [0.88]}
    text = anomaly_answer(frame(values))
    assert "take ae" in text and "not sure: a plain control:lof does as well as far as can be told" in text


def test_one_data_set_is_judged_over_seeds_and_one_value_says_nothing():
    values = {("ae", "a"): [0.95, 0.951, 0.952], ("control:lof", "a"): [0.9]}
    assert "is 0.051 behind (95 % interval +0.049 to +0.053)" in anomaly_answer(frame(values))
    assert "does not say how sure" in anomaly_answer(frame({key: own[:1] for key, own in values.items()}))


def test_only_data_sets_that_all_have_count_and_without_anomalies_there_is_no_sentence():
    values = {("ae", "a"): [0.9, 0.9], ("control:lof", "a"): [0.8], ("ae", "b"): [0.1]}
    assert "AUROC 0.900 on one data set" in anomaly_answer(frame(values))
    assert "no detector that is no autoencoder was measured" in anomaly_answer(frame({("ae", "a"): [0.9]}))
    other = frame({("ae", "a"): [0.9]}).assign(metric="test_mse")
    assert anomaly_answer(other) is None and anomaly_table(other).empty


def test_one_that_learns_nothing_and_searches_when_it_scores_pays_for_scoring():
    names = ("ae", "control:lof", "control:nearest-neighbours")
    found = training_seconds(frame({(name, "a"): [0.9, 0.8] for name in names}, dict.fromkeys(names, 0.5)))
    assert found == {"ae": 0.5, "control:lof": 0.5, "control:nearest-neighbours": 0.55}
    assert training_seconds(frame({("ae", "a"): [0.9]})) == {}
    assert training_seconds(frame({("ae", "a"): [0.9]}).drop(columns=["t_train", "t_eval"])) == {}
