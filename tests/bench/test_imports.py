"""The imports that must never exist: the contracts in pyproject.toml hold, and are shown to see what is planted.

Import-linter reads `bench`; plugin files are no package, so their rule is held here: variants and data sets know the
contracts alone, never each other. What a command line loads at once is measured in a process of its own.
"""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGIN_FILES = sorted(path for folder in ("variants", "datasets", "samplers") for path in (ROOT / folder).rglob("*.py"))
#: What a plugin file may import of bench: the face of authors, contracts, losses, and what makes a Split.
FOR_PLUGINS = ("bench.evaluate.ex_post", "bench.contracts", "bench.errors", "bench.losses", "bench.data", "bench.parts")
HEAVY = ("torch", "torchvision", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "rich", "jinja2", "yaml")


def lint(root):
    """Import-linter's verdict on the tree in `root`: (exit code, output)."""
    program = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    done = subprocess.run([sys.executable, "-P", "-c", program, "--no-cache"], cwd=root, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_the_contracts_hold():
    code, text = lint(ROOT)
    assert code == 0, text


@pytest.mark.parametrize(
    ("module", "source", "broken"),
    [
        ("store/run_store.py", "def f():\n    from bench.runs import runner\n", "floors"),
        ("losses/costs.py", "from bench.train import train\n", "floors"),
        ("spec/training.py", "from bench.networks.factories import NETWORKS\n", "floors"),
        ("reports/model.py", "def f():\n    import torch\n", "without torch"),
        ("reports/model.py", "from bench.evaluate import evaluate\n", "without torch"),
        ("metrics/holes.py", "from bench.store.records import SCHEMA\n", "metrics know neither"),
        ("data/labels.py", "from bench.train import loop\n", "floors"),
        ("elsewhere/__init__.py", "", "floors"),
    ],
)
def test_a_planted_import_is_seen(tmp_path, module, source, broken):
    shutil.copytree(ROOT / "bench", tmp_path / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "bench" / module
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + "\n\n" + source, encoding="utf-8")
    code, text = lint(tmp_path)
    assert code == 1
    assert any(broken in line and "BROKEN" in line for line in text.splitlines()) or "elsewhere" in text, text


def imports(source):
    """Dotted names that `source` imports, wherever; `from a import b` counts as a.b, and `from a import *` as a."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            found |= {f"{dots}{node.module or ''}.{alias.name}" for alias in node.names}
    return found


def forbidden(source):
    """Names that a plugin file must not import."""
    return {
        name
        for name in imports(source)
        if name.startswith((".", "variants.", "datasets."))
        or (name.startswith("bench.") and not name.startswith(FOR_PLUGINS) and not name.split(".")[1][0].isupper()
            and name not in ("bench.split_arrays", "bench.number_in", "bench.whole_number"))
    }  # fmt: skip


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_plugins_know_the_contracts_alone(path):
    assert forbidden(path.read_text(encoding="utf-8")) == set()


def test_the_rule_of_plugins_sees_planted_imports():
    for source in (
        "from datasets.digits import load", "import variants.vae", "from . import vae", "from bench.train import train",
        "def load():\n    import bench.store.run_store", "from bench import api", "from bench.variants import vae",
    ):  # fmt: skip
        assert forbidden(source), source
    allowed = "import torch\nfrom bench import Split, split_arrays\nfrom bench.contracts import dataset\n"
    assert not forbidden(allowed + "from bench.errors import DataError\nimport datasets_helper")


@pytest.mark.parametrize("folder", ["variants", "datasets", "samplers"])
def test_plugin_folders_are_no_packages(folder):
    assert not list((ROOT / folder).rglob("__init__.py"))


def loaded(statement):
    """Top-level modules that a fresh interpreter holds after `statement`."""
    program = f"{statement}\nimport sys, json; print(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["bench", "bench.cli", *(f"bench.cli.{path.stem}" for path in
                         sorted((ROOT / "bench" / "cli").glob("[a-z]*.py")))])  # fmt: skip
def test_the_command_line_loads_nothing_heavy_at_once(module):
    assert not loaded(f"import {module}") & set(HEAVY[:-1])


@pytest.mark.parametrize(
    "module", ["bench.api", "bench.reports.model", "bench.analysis.compare", "bench.spec.registry"]
)
def test_planning_and_reporting_load_no_torch(module):
    assert not loaded(f"import {module}") & {"torch", "torchvision"}
