"""Reasons of failed cells say what a user can do."""

import pytest
from runs import execute, records

from bench.reports import report_run
from bench.reports.model import load_report
from bench.store.run_store import RunStore

NETWORK = """
from torch import nn


def factory(data_shape, head_width, latent_dim):
    d = data_shape[0]
    encoder = nn.Sequential(nn.Linear(d, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, head_width))
    return encoder, nn.Linear(latent_dim, d)
"""


def test_a_batch_of_one_under_batch_norm_is_explained(tmp_path, monkeypatch, no_report):
    (tmp_path / "normed_networks.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = {
        "variant": ["ae"],
        "seeds": 1,
        "network": "normed_networks:factory",
        "dataset": ["linear-gaussian[d=6,n=300]"],
    }
    rows = 192  # 64 % of 300
    for size, where in (
        (rows - 1, f"the last batch of an epoch has one at --batch-size {rows - 1}"),
        (1, "--batch-size is 1"),
    ):
        execute(tmp_path / str(size), batch_size=size, **settings)
        record = records(tmp_path / str(size))["ae", 0]
        assert record["status"] == "error"
        assert record["reason"].startswith("BatchNorm1d(16, ")
        assert (
            f"needs more than one example in a batch, and {where}; give a batch size that leaves no single"
            in record["reason"]
        )


@pytest.mark.parametrize(("large", "said"), [(1e7, True), (3.0, False)])
def test_large_values_are_answered_with_a_hint(tmp_path, monkeypatch, large, said):
    (tmp_path / "raw.py").write_text(
        "import numpy as np\nfrom bench.contracts.dataset import Split\n\n\ndef load() -> Split:\n"
        f"    x = np.random.default_rng(0).uniform(0, {large}, (300, 6)).astype(np.float32)\n"
        "    return Split(x[:200], x[200:250], x[250:])\n"
    )
    with monkeypatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda directory: [])
        execute(tmp_path / "run", variant=["ae"], seeds=1, dataset=["raw"], plugins=[tmp_path / "raw.py"])
    hint = "raw has values up to 1e+07, with which networks train badly; scale=standard helps"
    assert (hint in load_report(tmp_path / "run").notes) == said
    if said:
        monkeypatch.setattr("bench.reports.written", lambda *arguments: [])
        assert hint in report_run(RunStore.open(tmp_path / "run"))
