"""What a cell measures: what was asked for, and the facts that marks depend on."""

import pytest

from bench.errors import UsageError
from bench.runs.cells.worker_state import FACTS, Workshop


def test_what_marks_depend_on_is_recorded_whatever_is_asked_for():
    instances, wanted = Workshop().metrics("test_mse")
    assert wanted == {"test_mse", *FACTS} == {"test_mse", "collapsed", "blurred"}
    assert {type(metric).__name__ for metric in instances} == {"Reconstruction", "Collapse"}
    assert Workshop().metrics("core")[1] > {*FACTS, "test_mse"}


def test_unknown_metrics_are_still_refused():
    with pytest.raises(UsageError, match="test_mes"):
        Workshop().metrics("test_mes")
