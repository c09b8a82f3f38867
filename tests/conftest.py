"""Settings shared by all tests."""

import os
import signal
from pathlib import Path

# Before torch is loaded, so that the suite stands a busy machine: threads that wait for each other by spinning make it
# ten times as slow where something else has taken a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from hypothesis import settings

# However the suite was started (`nohup`, `&`): processes hand on which signals they ignore.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Property tests never fail for being slow, because machines differ, and try the same cases each time, so that a change
# is judged by itself; `--hypothesis-profile explore` tries new ones.
settings.register_profile("aebench", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=300)
settings.load_profile("aebench")


#: Files and folders below this one whose tests take seconds each, because they train, start processes or draw; with
#: `-m "not slow"` the others run, which look into every room all the same.
SLOW = (
    "bench/analysis/test_across.py",
    "bench/cli/test_check.py",
    "bench/estimator/test_checks.py",
    "bench/metrics/test_catalogue.py",
    "bench/metrics/test_controls.py",
    "bench/reports/reference",
    "bench/reports/test_csv_tables.py",
    "bench/reports/test_report.py",
    "bench/reports/views",
    "bench/runs/cells/test_cell_records.py",
    "bench/runs/cells/test_training_state.py",
    "bench/runs/engines",
    "bench/runs/test_faults.py",
    "bench/runs/test_faults_plugins.py",
    "bench/runs/test_out_of_memory.py",
    "bench/spec/test_trial.py",
    "bench/store/test_event_files.py",
    "bench/store/test_hostile_runs.py",
    "bench/test_api.py",
    "bench/test_example_package.py",
    "bench/test_foreign_code.py",
    "bench/test_imports.py",
    "bench/test_install.py",
    "bench/test_posix.py",
    "bench/throughput/test_measuring.py",
    "bench/train/test_larger_than_memory.py",
    "bench/train/test_linear_truths.py",
    "bench/train/test_precision.py",
    "bench/trained/test_export.py",
    "datasets/test_all.py",
    "datasets/test_fuzz.py",
    "performance",
    "samplers/test_all.py",
)


def pytest_collection_modifyitems(items):
    """Marks the tests below `SLOW`."""
    root = Path(__file__).parent
    for item in items:
        if any(item.path.is_relative_to(root / name) for name in SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def same_draws():
    """A test that draws without a seed of its own sees the same numbers whenever and wherever it runs."""
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(autouse=True)
def no_core_figures(request, monkeypatch):
    """Runs inside the test process do not end with timing the core, but where a test is marked `core_figures`."""
    if request.node.get_closest_marker("core_figures") is None:
        monkeypatch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)


@pytest.fixture(autouse=True)
def no_duration(request, monkeypatch):
    """Dry runs inside the test process time nothing, but where a test is marked `durations`: it takes seconds."""
    if request.node.get_closest_marker("durations") is None:
        monkeypatch.setattr("bench.runs.preview.duration", lambda *arguments: [])


@pytest.fixture
def no_report(monkeypatch):
    """Runs inside the test process write no report, whose figures take seconds."""
    monkeypatch.setattr("bench.runs.runner.report_run", lambda directory: [])


@pytest.fixture
def one_thread():
    """torch computes with one thread, as the children of a run do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
