"""The page of anomalies from a run: numbers as they are stored, and no page without any."""

import bench
from bench.reports.reference.anomalies_document import document, main
from bench.spec.config import build_run
from bench.spec.presets import read_preset
from bench.spec.registry import Registry


def test_a_run_with_detectors_becomes_a_page_with_its_numbers(tmp_path):
    """From the run itself: variants and detectors on one data set with test anomalies, what they cost beside them."""
    names = ["control:mahalanobis", "control:isolation-forest"]
    found = bench.run(variants=["ae", *names], datasets="wine[anomaly=1]", seeds=2, steps=2, batch_size=8,
                      metrics="anomalies", output=tmp_path / "run", quiet=True)  # fmt: skip
    own = found[found["metric"] == "anomaly_auroc"].set_index(["variant_label", "seed"])["value"]
    assert len(own) == 5 and own.between(0.4, 1).all()
    baselines = found[found["variant_label"].str.startswith("control:")]
    assert (baselines["t_train"] > 0).all()
    encoder = baselines[baselines["metric"] == "anomaly_auroc_mahalanobis"]
    assert set(encoder["reason"]) == {"the variant has no encoder"}
    text = document([tmp_path / "run"])
    assert "To find anomalies take" in text and f"{own['control:mahalanobis', 0]:.3f}" in text
    median = baselines[baselines["variant_label"] == names[1]].groupby("seed")["t_train"].first().median()
    (last,) = [line for line in text.splitlines() if line.startswith("| control:isolation-forest")]
    assert last.split("|")[-2].strip() == f"{median:.3f}"


def test_a_run_without_anomalies_is_refused_in_one_line(tmp_path, capsys):
    bench.run(variants=["ae"], seeds=1, steps=1, metrics="test_mse", output=tmp_path / "plain", quiet=True)
    assert main([str(tmp_path / "plain")]) == 2
    found = capsys.readouterr().err
    assert "no anomaly_auroc in these runs" in found and found.count("\n") == 1


def test_the_preset_asks_for_the_metrics_and_detectors_of_the_page():
    spec = build_run(read_preset("anomalies"))[0].validate(registry := Registry.discover())
    labels = [registry.label("variant", call) for call in spec.variants]
    assert {f"control:{name}" for name in registry.baselines} < set(labels) and len(spec.datasets) == 14
    assert len(spec.cells(registry)) == 14 * (5 * 5 + 5)
