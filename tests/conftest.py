"""Settings shared by all tests."""

import pytest
from hypothesis import settings

# Property tests never fail for being slow, because machines differ.
settings.register_profile("aebench", deadline=None)
settings.load_profile("aebench")


@pytest.fixture(autouse=True)
def no_core_figures(request, monkeypatch):
    """Runs inside the test process do not end with timing the core, but where a test is marked `core_figures`."""
    if request.node.get_closest_marker("core_figures") is None:
        monkeypatch.setattr("bench.runner.measure_core", lambda *arguments: None)
