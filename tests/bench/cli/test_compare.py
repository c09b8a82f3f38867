"""`aebench compare`: refusals of its own; what it compares is tested in `tests/bench/analysis`."""

import pytest


@pytest.mark.parametrize("metrics", ["", " , "])
def test_an_empty_list_of_metrics_is_not_taken_for_the_default(call, metrics):
    code, out, err = call("compare", "base", "new", "--metrics", metrics)
    assert (code, out) == (2, "") and "--metrics names no metric" in err
