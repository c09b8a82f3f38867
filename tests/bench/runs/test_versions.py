"""Versions of one's method: an edit keeps yesterday's results, a reverted line brings them back without training."""

import sys

import numpy as np
import pytest
from runs import SMALL, execute, records

import bench
from bench.analysis.compare import compare
from bench.errors import UsageError
from bench.reports import write_report
from bench.runs.cells.training import Trainer
from bench.runs.preview import preview
from bench.spec.request import resolve
from bench.store.run_store import RunStore
from bench.store.versions import keep_aside, version_of

pytestmark = pytest.mark.usefixtures("no_report")

MINE = """
from bench import Variant
class Mine(Variant):
    \"\"\"Mine.\"\"\"
    {name}
    def loss(self, batch, draw):
        return {{"loss": {factor} * self.reconstruction_cost(self.encode(batch.x), batch.x)}}
    def encode(self, x):
        return self.encoder(x)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    write(tmp_path, 1)
    return tmp_path


def write(folder, factor, name="", file="mine.py"):
    (folder / file).write_text(MINE.format(factor=factor, name=name))


def settings(folder, file="mine.py", **more):
    return {"variant": ["ae", "mine"], "plugins": [str(folder / file)], "steps": 3, "seeds": 2, **more}


def run(folder, **more):
    return execute(folder / "run", **settings(folder, **more))


def mse(path):
    return {key: entry["metrics"]["test_mse"]["value"] for key, entry in records(path).items()}


def test_an_edit_keeps_yesterdays_results_and_a_reverted_line_brings_them_back(here, capsys, monkeypatch):
    run(here)
    first, codes = mse(here / "run"), bench.load_model(here / "run", "mine", plugins=here / "mine.py").encode(np.eye(6))
    write(here, 100)
    capsys.readouterr()
    assert run(here, quiet=False).n_run == 2
    assert f"aebench compare {here / 'run'}@before {here / 'run'}" in capsys.readouterr().err
    second = mse(here / "run")
    assert second["ae", 0] == first["ae", 0] and second["mine", 0] != first["mine", 0]
    assert mse(f"{here / 'run'}@before") == first
    write(here, 1)
    monkeypatch.setattr(Trainer, "outcomes", None)  # nothing is trained from here on
    assert "2 of them come back without training" in " ".join(preview(resolve({**SMALL, "output": here / "run",
                                                                              **settings(here)})))  # fmt: skip
    assert run(here, quiet=False).n_run == 0
    assert "2 cells come back without training" in capsys.readouterr().err
    assert mse(here / "run") == first and mse(f"{here / 'run'}@before") == second
    store = RunStore.open(here / "run")
    assert all(store.checkpoint_path(cell).is_file() and store.load_history(cell) for cell in store.records())
    again = bench.load_model(here / "run", "mine", plugins=here / "mine.py").encode(np.eye(6))
    np.testing.assert_array_equal(again, codes)
    write(here, 100)
    assert run(here).n_run == 0 and mse(here / "run") == second


def test_compare_reads_the_version_before(here):
    run(here, seeds=3)
    write(here, 0)  # trains nothing
    run(here, seeds=3)
    found = compare(f"{here / 'run'}@before", here / "run", ["test_mse"])
    marks = {change.variant: change.mark for change in found.changes}
    assert marks == {"ae": "~", "mine": marks["mine"]} and marks["mine"] != "~"
    (change,) = (change for change in found.changes if change.variant == "mine")
    before = [value for (name, _), value in mse(f"{here / 'run'}@before").items() if name == "mine"]
    assert change.base == pytest.approx(np.mean(before))


def test_weights_of_an_earlier_version_are_those_of_its_record(here):
    run(here)
    before = bench.load_model(here / "run", "mine", plugins=here / "mine.py").encode(np.eye(6))
    write(here, 100)
    run(here)
    with pytest.raises(UsageError, match="trained with other code"):
        bench.load_model(f"{here / 'run'}@before", "mine", plugins=here / "mine.py")
    write(here, 1)
    found = bench.load_model(f"{here / 'run'}@before", "mine", plugins=here / "mine.py").encode(np.eye(6))
    np.testing.assert_array_equal(found, before)


def test_a_report_of_an_earlier_version_is_refused_because_it_would_replace_the_present_one(here):
    run(here)
    write(here, 100)
    run(here)
    with pytest.raises(UsageError, match="is an earlier version of a run"):
        write_report(f"{here / 'run'}@before")


def test_what_a_killed_run_left_aside_is_put_back(here):
    run(here)
    cell = records(here / "run")["mine", 0]
    store = RunStore.open(here / "run")
    path = store.checkpoint_path(cell["cell_id"])
    content = path.read_bytes()
    write(here, 100)
    keep_aside(store.directory, cell["cell_id"], version_of(cell))
    path.write_bytes(b"weights of a version that was never recorded")
    model = bench.load_model(here / "run", "mine", plugins=here / "mine.py", changed="allow")
    assert model.info["seed"] == 0
    write(here, 1)
    assert run(here).n_run == 0
    assert path.read_bytes() == content


def test_a_renamed_file_is_the_same_variant_where_the_class_states_its_name(here):
    write(here, 1, name='name = "My_Method"')
    first = run(here, variant=["ae", "my-method"])
    assert first.n_failed == 0
    (here / "mine.py").rename(here / "other.py")
    assert run(here, variant=["my-method"], file="other.py").n_run == 0
    write(here, 1, name='name = "no name!"')
    with pytest.raises(UsageError):
        run(here, variant=["no-name"])
