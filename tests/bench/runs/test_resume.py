"""Resuming at scale: one pass over the records, little memory, and the right verdict on each of thousands of cells."""

import json
import time
import tracemalloc

import numpy as np
import pytest
from runs import execute, written

import bench.store.records
from bench.reports.stamp import made_from, write_stamp
from bench.runs.fingerprints import Fingerprints
from bench.runs.plan import plan_tasks
from bench.runs.resume import History, Verdict, judge
from bench.spec.config import build_run
from bench.spec.registry import Registry
from bench.store.run_store import RunStore

REGISTRY = Registry.discover()
VALUE = {"value": 1.5, "unit": "", "higher_is_better": True, "status": "ok", "reason": None, "error": None}
METRICS = {f"metric_{number}": VALUE for number in range(50)}


def fill(directory, n_stacks, n_seeds):
    """A run whose cells all have results: (cells, store, fingerprints)."""
    betas = ",".join(str(beta) for beta in range(1, n_stacks + 1))
    spec, _ = build_run({"variant": [f"vae[beta=[{betas}]]"], "seeds": n_seeds, "output": directory})
    spec = spec.validate(REGISTRY)
    cells = spec.cells(REGISTRY)
    fingerprints = Fingerprints(REGISTRY, spec.metrics, "auto")
    with RunStore.create(directory, spec, plan=cells) as store, open(store.cells_path, "w") as file:
        for cell in cells:
            record = {
                "schema": 1, "cell_id": cell.cell_id, "stack_id": cell.stack_id, "variant": "vae", "dataset": "digits",
                "seed": cell.seed, "status": "ok", "metrics": METRICS, "code_hash": fingerprints.code_hash(cell),
                "metrics_hash": fingerprints.metrics_hash, "stack_seeds": list(range(n_seeds)),
            }  # fmt: skip
            file.write(written(record))
    return cells, RunStore.open(directory), fingerprints


def test_each_verdict_on_thousands_of_cells(tmp_path):
    cells, store, fingerprints = fill(tmp_path / "run", 20, 100)
    lines = store.cells_path.read_text().splitlines()
    changes = {
        3: {"code_hash": "other"}, 400: {"status": "killed"}, 777: {"status": "diverged", "metrics_hash": "other"},
        1000: {"metrics_hash": "other"}, 1500: {"metrics_hash": "other"},
    }  # fmt: skip
    for number, change in changes.items():
        lines.append(written(json.loads(lines[number]) | change).strip())
    store.cells_path.write_text("\n".join([*lines[:1999], *lines[2000:]]) + "\n")
    store.checkpoint_path(cells[1000].cell_id).touch()
    history = History.read(store)
    verdicts = judge(cells, history, store, fingerprints)
    found = [verdicts[cell.cell_id] for cell in cells]
    expected = {
        3: Verdict.CHANGED, 400: Verdict.RETRY, 1000: Verdict.EVALUATE, 1500: Verdict.DAMAGED, 1999: Verdict.TRAIN,
    }  # fmt: skip
    assert {number: verdict for number, verdict in enumerate(found) if verdict is not Verdict.DONE} == expected
    tasks = plan_tasks(cells, verdicts, history.groups, store, fingerprints)
    assert [tuple(cell.seed for cell in task.cells) for task in tasks] == [(3,), (0,), (0,), (0,), (99,)]
    assert all(task.together == tuple(range(100)) for task in tasks)
    assert [list(task.weights) for task in tasks] == [[], [], [cells[1000].cell_id], [], []]


def test_the_records_are_read_once_and_only_what_decides_is_kept(tmp_path, monkeypatch):
    cells, store, _ = fill(tmp_path / "run", 10, 100)
    count = []
    decode = bench.store.records.decode
    monkeypatch.setattr(bench.store.records, "decode", lambda line: count.append(1) or decode(line))
    tracemalloc.start()
    history = History.read(store)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert History.read(store, history) is history
    assert len(count) == len(cells) == 1000
    assert kept < 0.5 * store.cells_path.stat().st_size
    with open(store.cells_path, "a") as file:
        file.write(store.cells_path.read_text().splitlines()[0] + "\n")
    assert History.read(store, history) is not history


def test_planning_a_resumed_run_takes_little_longer_than_reading_its_file(tmp_path):
    cells, store, fingerprints = fill(tmp_path / "run", 20, 100)

    def plain():
        for line in store.cells_path.read_bytes().splitlines():
            json.loads(line)

    def planning():
        history = History.read(store)
        plan_tasks(cells, judge(cells, history, store, fingerprints), history.groups, store, fingerprints)

    assert _best(planning) < 12 * _best(plain)  # measured: 3 to 4 times


def _best(function, rounds=3):
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return np.min(times)


@pytest.mark.parametrize("change", ["variant", "dataset"])
def test_only_the_cells_of_a_changed_plugin_have_another_code_hash(tmp_path, change):
    source = "from bench.contracts.variant import Variant\n\n\nclass {}(Variant):\n    def loss(self, b, d): ...\n"
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(source.format(name.capitalize()))
    data = "from bench.contracts.dataset import Split\n\n\ndef load(n: int = 3) -> Split: ...\n"
    (tmp_path / "data.py").write_text(data)

    def hashes():
        settings = {"variant": ["one", "two"], "dataset": ["digits", "data"], "seeds": 1, "plugins": [tmp_path]}
        spec, _ = build_run(settings)
        registry = Registry.discover(spec.plugins)
        fingerprints = Fingerprints(registry, "core", "auto")
        cells = spec.validate(registry).cells(registry)
        return {(cell.variant.name, cell.dataset.name): fingerprints.code_hash(cell) for cell in cells}

    before = hashes()
    changed = tmp_path / ("two.py" if change == "variant" else "data.py")
    changed.write_text(changed.read_text() + "ANOTHER = 1\n")
    after = hashes()
    differ = {key for key in before if before[key] != after[key]}
    expected = {"variant": {("two", "digits"), ("two", "data")}, "dataset": {("one", "data"), ("two", "data")}}
    assert differ == expected[change]


def test_other_rows_of_likelihoods_are_another_evaluation_of_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.runs.runner.report_run", lambda store: [])
    monkeypatch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
    hashes = [Fingerprints(REGISTRY, "core", rows).metrics_hash for rows in ("auto", "all", 5)]
    assert len(set(hashes)) == 3
    settings = {"variant": ["vae"], "seeds": 1, "steps": 5, "metrics": "likelihood_rows", "n_jobs": 1}
    found = []
    for rows in ("auto", 5):
        outcome = execute(tmp_path / "run", **settings, likelihood_rows=rows)
        (record,) = outcome.store.records().values()
        found.append((record["metrics"]["likelihood_rows"]["value"], record["t_train"]))
    assert [value for value, _ in found] == [60, 5]
    assert found[0][1] == found[1][1]  # trained once


def test_a_call_that_does_nothing_draws_nothing_and_one_that_does_something_draws_again(tmp_path, monkeypatch):
    drawn = []

    def report(store):
        directory = store.directory
        sources = made_from(directory)
        (directory / "report.md").write_text(f"report {len(drawn)}")
        write_stamp(directory, sources, [directory / "report.md"], [f"finding {len(drawn)}"])
        drawn.append(directory)
        return [f"finding {len(drawn) - 1}"]

    monkeypatch.setattr("bench.runs.runner.report_run", report)
    settings = {"variant": ["ae"], "seeds": 1}
    for _ in range(2):
        outcome = execute(tmp_path / "run", **settings)
        assert (len(drawn), outcome.findings) == (1, ("finding 0",))
    csv = (tmp_path / "run" / "results.csv").stat().st_mtime_ns
    assert execute(tmp_path / "run", **settings).n_run == 0
    assert (tmp_path / "run" / "results.csv").stat().st_mtime_ns == csv
    assert execute(tmp_path / "run", **settings | {"seeds": 2}).findings == ("finding 1",)
    execute(tmp_path / "run", **settings)  # another plan: what it leaves out is left out of the report
    (tmp_path / "run" / "report.md").unlink()
    assert execute(tmp_path / "run", **settings).findings == ("finding 3",)
