"""The page that authors of metrics read names what the evaluated view has, and nothing that the built-ins lack."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

import bench.metrics
from bench.contracts import view as page
from bench.contracts.dataset import Split
from bench.evaluate.control_models import CONTROLS
from bench.evaluate.model_view import View
from bench.evaluate.reference_data import SharedData
from bench.losses import ReconstructionCost


def _names(protocol: type) -> set[str]:
    """Attributes, properties and methods that a Protocol names."""
    methods = {name for name, value in vars(protocol).items() if callable(value) or isinstance(value, property)}
    return {name for name in {*protocol.__annotations__, *methods} if not name.startswith("_")}


@pytest.fixture(scope="module")
def evaluated():
    data = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    split = Split(data[:30], data[30:40], data[40:], description="normal")
    cost = ReconstructionCost("squared")
    return View(CONTROLS["pca"](split, 2, cost, 0), SharedData(split, cost, 2))


def test_the_evaluated_view_has_all_that_the_page_names(evaluated):
    assert {name for name in _names(page.View) if not hasattr(evaluated, name)} == set()
    assert {name for name in _names(page.Rows) if not hasattr(evaluated.test, name)} == set()
    assert {name for name in _names(page.CodeFit) if not hasattr(evaluated.fit, name)} == set()
    assert len(_names(page.View)) > 30


def test_methods_take_the_arguments_that_the_page_names():
    for name, method in vars(page.View).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            asked, given = (inspect.signature(getattr(kind, name)).parameters for kind in (page.View, View))
            assert [(p.name, p.default) for p in asked.values()] == [(p.name, p.default) for p in given.values()], name


def test_the_page_names_all_that_built_in_metrics_ask_for():
    asked = set()
    for path in Path(bench.metrics.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "view":
                asked.add(node.attr)
    assert asked - _names(page.View) == set()
