"""What a second evaluation keeps of a training, and what it must not keep."""

from dataclasses import replace

import pytest
from runs import execute

import bench.runs.runner
from bench.runs.fingerprints import PLACE, Fingerprints
from bench.runs.plan import plan_tasks
from bench.store.run_store import RunStore

HERE = {"env_hash": "a", "device": "cpu", "num_threads": 1, "workers": 2}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("now", [True, False])
@pytest.mark.parametrize("elsewhere", [None, *PLACE])
def test_timings_of_two_places_are_not_valid_in_one_record(before, now, elsewhere):
    earlier = HERE | {"t_train": 3.0, "stack_seeds": [0, 1], "timing_valid": before, "status": "ok"}
    record = HERE | {"t_eval": 1.0, "timing_valid": now} | ({elsewhere: "other"} if elsewhere else {})
    found = Fingerprints.carry_over(earlier, record)
    assert found == record | {
        "t_train": 3.0, "stack_seeds": [0, 1], "timing_valid": before and now and elsewhere is None
    }  # fmt: skip


def test_a_worker_that_does_not_see_the_weights_trains_and_says_how_long_that_took(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.runs.runner.report_run", lambda run: [])
    monkeypatch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
    one = {"variant": ["ae"], "seeds": 1, "steps": 40}

    def blind(*arguments, **settings):
        tasks = plan_tasks(*arguments, **settings)
        return [replace(task, weights=dict.fromkeys(task.weights, str(tmp_path / "nowhere"))) for task in tasks]

    execute(tmp_path / "run", **one)
    monkeypatch.setattr(bench.runs.runner, "plan_tasks", blind)
    execute(tmp_path / "run", **one, metrics="test_mse,val_mse")
    first, second = RunStore.open(tmp_path / "run").iter_records()
    assert first["metrics_hash"] != second["metrics_hash"] and second["steps_run"] == 40
    assert second["metrics"]["test_mse"] == first["metrics"]["test_mse"]
    assert second["t_train"] != first["t_train"] and second["samples_per_second"] != first["samples_per_second"]
