"""The document of judged claims: every claim has its place, with the verdict that the run's report gives."""

import numpy as np

import bench
from bench.reports.model import load_report
from bench.reports.reference.claims_document import main
from bench.reports.studies import CLAIMS


def test_every_claim_stands_in_the_document_with_the_reports_verdict_or_a_reason(tmp_path, capsys):
    rng = np.random.default_rng(0)
    data = (rng.normal(size=(200, 3)) @ rng.normal(size=(3, 8)) + 0.1 * rng.normal(size=(200, 8))).astype(np.float32)
    bench.run(data=data, variants=["ae", "stochastic-ae", "vae"], seeds=3, steps=100, latent_dim=2, batch_size=32,
              output=tmp_path / "run", quiet=True)  # fmt: skip
    assert main([str(tmp_path / "run")]) == 0
    text = capsys.readouterr().out
    report = load_report(tmp_path / "run")
    assert report.claims and report.untested
    assert all(why.startswith(f"{CLAIMS[number - 1].text}: ") for number, why in report.untested.items())
    for claim in CLAIMS:
        part = text.partition(f"\n## {claim.number}. ")[2].partition("\n## ")[0]
        judged = [entry for entry in report.claims if entry.claim is claim]
        for entry in judged:
            assert f"**{entry.outcome.verdict}**" in part
        assert bool(judged) != ("Not tested: " in part)


def test_no_run_is_one_line(tmp_path, capsys):
    assert main([]) == 2 and main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 2
