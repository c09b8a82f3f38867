"""The `>>>` examples in docstrings say what happens."""

import doctest
import importlib
import pkgutil

import pytest

import bench.metrics.functional

MODULES = (
    "bench.analysis.stats",
    "bench.contracts.variant",
    "bench.contracts.view",
    "bench.data.scaling",
    "bench.data.splitting",
    "bench.estimator.autoencoder",
    "bench.losses.costs",
    "bench.spec.call",
    "bench.spec.path_given",
    "bench.text",
    *(f"bench.metrics.functional.{name}" for _, name, _ in pkgutil.iter_modules(bench.metrics.functional.__path__)),
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_the_most_used_functions_have_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {test.name for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples}
    assert len(found) >= 40
    assert {"bench.losses.costs.gaussian_kl", "bench.spec.call.parse_call", "bench.analysis.stats.holm"} <= found
