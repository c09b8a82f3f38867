"""A stack runs the code that its run was planned with, or says that it is another."""

import sys

import pytest
from runs import SMALL

from bench.runs.cells.stack_run import run_stack
from bench.runs.cells.worker_state import Workshop
from bench.runs.fingerprints import Fingerprints
from bench.runs.plan import plan_tasks
from bench.runs.resume import Verdict
from bench.spec.request import resolve

MINE = """from bench import Variant
from beside import factor


class Mine(Variant):
    def loss(self, batch, draw):
        return {"loss": factor() * self.reconstruction_cost(self.encode(batch.x), batch.x)}

    def encode(self, x):
        return self.encoder(x)
"""
METRIC = """from bench import Metric, Value


class Own(Metric):
    family = "objective"
    values = (Value(name="own", summary="one", higher_is_better=None),)

    def compute(self, view, rng):
        return {"own": 1.0}
"""


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """The folder of plugins, and what gives the records of a stack of theirs that was planned before."""
    for name, text in {"mine": MINE, "own": METRIC, "beside": "def factor():\n    return 1.0\n"}.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.delitem(sys.modules, "beside", raising=False)  # of the test before, whose folder is another
    monkeypatch.syspath_prepend(tmp_path)
    plugins = [tmp_path / "mine.py", tmp_path / "own.py"]
    settings = {"variant": ["mine"], "metrics": "test_mse,own", "plugins": plugins, "steps": 3, "seeds": 2}
    run = resolve({**SMALL, **settings, "output": tmp_path / "run"})
    verdicts = {cell.cell_id: Verdict.TRAIN for cell in run.cells}
    prints = Fingerprints(run.registry, run.spec.evaluated, run.spec.likelihood_rows)
    (task,) = plan_tasks(run.cells, verdicts, {}, None, prints, metrics=run.spec.evaluated)
    return tmp_path, lambda: [result.record for result in run_stack(task, Workshop(run.registry))]


@pytest.mark.parametrize(("file", "what"), [("mine", "its code"), ("beside", "its code"), ("own", "a metric")])
def test_code_that_changed_after_the_plan_was_made_is_not_run_under_the_old_hash(planned, file, what):
    folder, records = planned
    assert [record["status"] for record in records()] == ["ok", "ok"]
    path = folder / f"{file}.py"
    before = path.read_text()
    path.write_text(before + "\n# a comment\n")
    assert [record["status"] for record in records()] == ["ok", "ok"]
    path.write_text(before + "\nEDITED = 1\n")
    for record in records():
        assert record["status"] == "error" and record["metrics"] == {}
        assert record["reason"].startswith(f"{what} was changed after this run began")
    path.write_text(before)
    assert [record["status"] for record in records()] == ["ok", "ok"]
