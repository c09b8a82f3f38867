"""Settings shared by all tests."""

import os

# Before torch is loaded, so that the suite stands a busy machine: threads that wait for each other by spinning make it
# ten times as slow where something else has taken a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings

# Property tests never fail for being slow, because machines differ, and try the same cases each time, so that a change
# is judged by itself; `--hypothesis-profile explore` tries new ones.
settings.register_profile("aebench", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=300)
settings.load_profile("aebench")


@pytest.fixture(autouse=True)
def no_core_figures(request, monkeypatch):
    """Runs inside the test process do not end with timing the core, but where a test is marked `core_figures`."""
    if request.node.get_closest_marker("core_figures") is None:
        monkeypatch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)


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
