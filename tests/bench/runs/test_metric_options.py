"""Options of metrics reach the run: they decide the number, are named, and a change of them is evaluated again."""

import pytest
from runs import execute, records

from bench.runs.cells.training import Trainer

pytestmark = pytest.mark.usefixtures("no_report")

SPECTRAL = """
from bench import Metric, Value
class Spectral(Metric):
    \"\"\"A metric with options.\"\"\"
    family = "collapse"
    values = (Value("spectral_top", "A number.", None),)
    def __init__(self, floor: float = 0.5):
        self.floor = floor
    def compute(self, view, rng):
        return {"spectral_top": self.floor}
"""


def test_options_decide_the_number_and_a_change_evaluates_again(tmp_path, monkeypatch):
    (tmp_path / "spectral.py").write_text(SPECTRAL)

    def measured(metrics):
        outcome = execute(tmp_path / "run", variant=["ae"], seeds=1, steps=2, metrics=metrics,
                          plugins=[tmp_path / "spectral.py"])  # fmt: skip
        (record,) = records(tmp_path / "run").values()
        said = outcome.store.load_metrics()["spectral_top"]["summary"]
        return record["metrics"]["spectral_top"]["value"], outcome.n_run, said

    assert measured("spectral") == (0.5, 1, "A number.")
    monkeypatch.setattr(Trainer, "outcomes", None)  # weights are there: nothing is trained again
    assert measured("test_mse,spectral[floor=0.25]") == (0.25, 1, "A number. Options: floor=0.25.")
    assert measured("test_mse,spectral[floor=0.25]")[1] == 0
    assert measured("test_mse,spectral[floor=1]") == (1.0, 1, "A number. Options: floor=1.")
