"""The document of all metrics over all controls."""

import json

from runs import written

import bench
from bench.reports.reference.control_table import document, judge, main


def test_a_run_with_controls_becomes_a_document_and_a_wrong_score_stands_out(tmp_path, capsys):
    names = "test_fvu,collapsed,blurred,diversity_fit,recall_fit,interp_unevenness,interp_degenerate,cycle_error_fit"
    bench.run(
        variants=["ae"], seeds=1, steps=1, controls=True, metrics=names, output=tmp_path / "run", quiet=True
    )  # fmt: skip
    frame, judged = judge(tmp_path / "run")
    assert set(frame["control"]) == {"constant", "pca", "lookup", "random-encoder", "real", "cross-fade"}
    asked = [entry for entry in judged if entry.score.metric in names.split(",")]
    assert len(asked) > 12 and all(entry.met is True for entry in asked)
    assert all(entry.met is None for entry in judged if entry not in asked)
    assert main([str(tmp_path / "run")]) == 0
    assert "| constant | `test_fvu` | 1 ± 0.05 | 1.000 | ✓ |" in capsys.readouterr().out

    path = tmp_path / "run" / "cells.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for record in records:
        if record["variant_label"] == "control:constant":
            record["metrics"]["diversity_fit"]["value"] = 0.5
    path.write_text(written(*records), encoding="utf-8")
    assert [entry.score.metric for entry in judge(tmp_path / "run")[1] if entry.met is False] == ["diversity_fit"]
    assert "0.5000 ✗" in document([tmp_path / "run"])
    assert ", 1 missed." in document([tmp_path / "run"])


def test_what_is_no_run_or_has_no_controls_is_one_line(tmp_path, capsys):
    assert main([]) == 2 and main([str(tmp_path)]) == 2
    bench.run(variants=["ae"], seeds=1, steps=1, metrics="test_mse", output=tmp_path / "plain", quiet=True)
    assert main([str(tmp_path / "plain")]) == 2
    assert "holds no control; run it with --controls" in capsys.readouterr().err
