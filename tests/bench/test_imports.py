"""The imports that must never exist, held over every file of the tree, and a checker that is shown to see them.

Layers: variants and data sets know the contracts alone; metrics know neither training nor storage; what plans, stores
and reports runs without torch; nothing depends on the command line.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGIN_FOLDERS = ("variants", "datasets")
HEAVY = ("torch", "torchvision", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "rich", "jinja2")
WITHOUT_TORCH = ("spec", "store", "stats", "report", "registry", "config", "presets", "progress", "api", "tables")


def imports(source: str, package: str, *, top_level: bool = False) -> set[str]:
    """Dotted names that `source` imports; `from a import b` counts as a and a.b. `package` resolves relative ones."""
    tree = ast.parse(source)
    nodes = _top_level(tree.body) if top_level else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module" and node.args:
            if isinstance(node.args[0], ast.Constant):
                found.add(str(node.args[0].value))
    return found


def _top_level(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements that run at import: not those of functions, nor those that only type checkers see."""
    nodes: list[ast.stmt] = []
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        nodes.append(node)
        for part in ("body", "orelse", "finalbody"):
            nodes += _top_level(getattr(node, part, []) or [])
        nodes += [inner for handler in getattr(node, "handlers", []) for inner in _top_level(handler.body)]
    return nodes


def within(module: str, *roots: str) -> bool:
    return any(module == root or module.startswith(root + ".") for root in roots)


def forbidden(module: str, imported: set[str]) -> set[str]:
    """Those of the `imported` names that the file `module` ("variants.vae", "bench.store") must not import."""
    plugins = (*PLUGIN_FOLDERS, *(f"bench.{folder}" for folder in PLUGIN_FOLDERS))
    wrong = {name for name in imported if within(name, *plugins)}
    if not within(module, "bench.cli", "bench.__main__"):
        wrong |= {name for name in imported if within(name, "bench.cli")}
    if within(module, "datasets"):
        bench = {name for name in imported if within(name, "bench") and name != "bench"}
        wrong |= {name for name in bench if not within(name, "bench.contracts", "bench.errors")}
    if within(module, "bench.metrics"):
        wrong |= {name for name in imported if within(name, "bench.train", "bench.store", "bench.runner", "bench.work")}
    if within(module, *(f"bench.{name}" for name in WITHOUT_TORCH)):
        wrong |= {name for name in imported if within(name, "bench.train")}
    return wrong


@cache
def modules() -> dict[str, Path]:
    """Every module of the tree by dotted name."""
    found = {}
    for folder in ("bench", *PLUGIN_FOLDERS):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def package_of(module: str) -> str:
    return module if modules()[module].name == "__init__.py" else module.rpartition(".")[0]


@cache
def loaded_with(module: str) -> frozenset[str]:
    """Everything that importing `module` imports at once, followed through the tree's own modules."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        todo += [".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 1)]
        if name in modules():
            todo += imports(modules()[name].read_text(encoding="utf-8"), package_of(name), top_level=True)
    return frozenset(seen)


@pytest.mark.parametrize("module", sorted(modules()))
def test_no_forbidden_import(module):
    source = modules()[module].read_text(encoding="utf-8")
    assert forbidden(module, imports(source, package_of(module))) == set()


@pytest.mark.parametrize("module", sorted(m for m in modules() if within(m, *(f"bench.{n}" for n in WITHOUT_TORCH))))
def test_what_plans_stores_and_reports_loads_no_torch(module):
    assert not {name for name in loaded_with(module) if within(name, "torch", "torchvision")}


@pytest.mark.parametrize("module", sorted(m for m in modules() if within(m, "bench.cli") or m == "bench"))
def test_the_command_line_loads_nothing_heavy_at_once(module):
    assert not {name for name in loaded_with(module) if within(name, *HEAVY)}


@pytest.mark.parametrize("folder", PLUGIN_FOLDERS)
def test_plugin_folders_are_no_packages(folder):
    assert not list((ROOT / folder).rglob("__init__.py"))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("variants.mine", "from datasets.digits import load"),
        ("variants.mine", "from bench.variants import vae"),
        ("variants.mine", "import variants.vae"),
        ("datasets.mine", "from bench.store import RunStore"),
        ("datasets.mine", "def load():\n    import bench.train"),
        ("datasets.mine", "from bench import registry"),
        ("bench.runner", "from bench.datasets import digits"),
        ("bench.runner", "import importlib\nimportlib.import_module('variants.vae')"),
        ("bench.metrics.mine", "from bench import store"),
        ("bench.metrics.mine", "from ..train import loop"),
        ("bench.report.html", "def f():\n    from bench.train import train"),
        ("bench.store", "from . import train"),
        ("bench.runner", "from bench.cli import main"),
    ],
)
def test_the_checker_sees_planted_imports(module, source):
    assert forbidden(module, imports(source, module.rpartition(".")[0]))


def test_the_checker_allows_what_is_allowed():
    source = (
        "import datasets_helper\nimport torch\nfrom bench.contracts import dataset\nfrom bench.errors import DataError"
    )
    assert not forbidden("datasets.mine", imports(source, "datasets"))


def test_top_level_imports_are_told_from_late_ones():
    source = """
import a
if TYPE_CHECKING:
    import b
try:
    import c
except ImportError:
    import d
class K:
    import e
    def f(self):
        import g
def h():
    import i
"""
    assert imports(source, "x", top_level=True) == {"a", "c", "d", "e"}
