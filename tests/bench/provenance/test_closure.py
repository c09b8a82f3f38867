"""What counts as the code behind a result: against an independent graph of imports, and against what really runs."""

import sys
import textwrap
from functools import cache
from pathlib import Path

import grimp
import pytest
from runs import SMALL

from bench.provenance.closure import ASIDE, closure, package_file
from bench.provenance.code import (
    EVALUATION_ROOTS,
    MODEL_ROOTS,
    NETWORK_TABLE,
    TRAINING_ROOTS,
    plugin_code,
    suite_code,
    training_code,
)
from bench.provenance.source import source_of
from bench.runs.cells.stack_run import run_stack
from bench.runs.cells.task import StackTask
from bench.runs.cells.worker_state import Workshop
from bench.spec.registry import PACKAGE, Registry
from bench.spec.request import resolve

#: What hands a stack's cells from one to the next, and words what became of them: no number comes from there.
HANDLING = ("bench/runs/cells/stack_run.py", "bench/runs/cells/cell_records.py", "bench/runs/cells/task.py")


@cache
def graph():
    """The imports of the package, without what stands aside."""
    found = grimp.build_graph("bench", exclude_type_checking_imports=True, cache_dir=None)
    for module in list(found.modules):
        if module.startswith((*ASIDE, NETWORK_TABLE)):
            found.remove_module(module)
    return found


def file_name(module):
    """`bench/train/loop.py` for `bench.train.loop`."""
    return package_file(module).relative_to(PACKAGE.parent).as_posix()


@pytest.mark.parametrize("roots", [TRAINING_ROOTS, MODEL_ROOTS, EVALUATION_ROOTS])
def test_every_module_that_the_roots_import_counts(roots):
    expected = set(roots).union(*(graph().find_upstream_modules(root) for root in roots)) - {"bench"}
    assert len(expected) > 5
    assert {file_name(module) for module in expected} <= {name for name, _ in suite_code(roots).files}


def test_every_module_that_a_metric_or_a_built_in_network_imports_counts():
    registry = Registry.discover()
    for name in registry.names("metric"):
        module = f"bench.metrics.{registry.info('metric', name).path.stem}"
        expected = {module} | graph().find_upstream_modules(module)
        files = {file for file, _ in plugin_code(registry, "metric", name).files}
        assert {file_name(module) for module in expected} <= files, name


def test_reports_statistics_and_the_command_line_decide_nothing():
    files = {name for roots in (TRAINING_ROOTS, EVALUATION_ROOTS) for name, _ in suite_code(roots).files}
    rooms = {name.split("/")[1] for name in files}
    assert not rooms & {"cli", "reports", "analysis", "store", "spec", "conformance", "throughput", "api.py"}
    assert not any(name.startswith(("bench/networks/conv", "bench/runs/engines")) for name in files)


@pytest.mark.parametrize("network", ["mlp[hidden=[4]]", "conv[channels=[2]]"])
def test_whatever_runs_in_a_stack_counts(network, tmp_path, monkeypatch):
    settings = {
        "variant": ["vae"],
        "dataset": ["digits"],
        "steps": 3,
        "seeds": 1,
        "network": network,
        "metrics": "core",
    }
    run = resolve({**SMALL, **settings, "output": tmp_path})
    (cell,) = run.cells
    workshop = Workshop(run.registry)
    ran = set()

    def note(frame, event, argument):
        if event == "call" and frame.f_code.co_name != "<module>":
            ran.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        (result,) = run_stack(StackTask((cell,), metrics=run.spec.metrics), workshop)
    finally:
        sys.setprofile(None)
    assert result.record["status"] == "ok", result.record
    parts = training_code(run.registry, cell.variant.name, cell.dataset.name, cell.train.network)
    known = {name for part in parts.values() for name, _ in part.files} | set(HANDLING)
    known |= {name for name, _ in suite_code(EVALUATION_ROOTS).files}
    for name, _ in run.registry.metrics_for("core"):
        known |= {file for file, _ in plugin_code(run.registry, "metric", name).files}
    root = PACKAGE.parent
    seen = {Path(path).relative_to(root).as_posix() for path in ran if Path(path).is_relative_to(root)}
    aside = tuple(file_name(name).removesuffix("/__init__.py") for name in ASIDE)
    assert {"bench/train/loop.py", "bench/networks/build.py", "variants/vae.py"} <= seen
    ours = {name for name in seen if name.split("/")[0] in ("bench", "variants", "datasets", "samplers")}
    assert {name for name in ours if not name.startswith(aside)} <= known


@pytest.mark.parametrize(
    "other",
    [
        "def f(x,  y):  # a comment\n    'said otherwise'\n    return (x +\n            y)\n",
        "def f(x, y):\n    return x + y\n\n\n# done\n",
    ],
)
def test_comments_formatting_and_documentation_do_not_count(tmp_path, other):
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text('"""About."""\ndef f(x, y):\n    """Sum."""\n    return x + y\n')
    two.write_text(other)
    assert source_of(one).digest == source_of(two).digest


def test_programs_of_one_meaning_by_another_tree_are_told_apart(tmp_path):
    programs = ["a[x:]", "a[:x]", "a[x]", "f(x)", "f(*x)", "f(x=x)", "x = 1", "x = True", "x = '1'", "x = None",
                "x: y", "def f(a, b=1): ...", "def f(a=1, *, b): ...", "lambda: x", "{**x}", "{x: x}", "x < y",
                "x > y"]  # fmt: skip
    digests = set()
    for number, program in enumerate(programs):
        path = tmp_path / f"p{number}.py"
        path.write_text(program)
        digests.add(source_of(path).digest)
    assert len(digests) == len(programs)


def write(folder, **files):
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def local(folder, root):
    return {path.relative_to(folder).as_posix() for path in closure([folder / root]) if path.is_relative_to(folder)}


def test_local_imports_are_followed_wherever_they_stand(tmp_path, monkeypatch):
    plugins, elsewhere = tmp_path / "plugins", tmp_path / "elsewhere"
    write(plugins, mine="import torch\nfrom helper import scale\nimport kit.deep\n\n\ndef f():\n    import late\n",
          helper="import json\nfrom onward import x\nscale = 1\n", late="", onward="x = 1\n", other="")  # fmt: skip
    (plugins / "kit").mkdir()
    write(plugins / "kit", deep="from . import near\nfrom .near import y\n", near="y = 1\n")
    (plugins / "kit" / "__init__.py").write_text("")
    write(elsewhere, onpath="import bench\n\n\ndef f(x):\n    return bench.split_arrays(x)\n")
    assert local(plugins, "mine.py") == {
        "mine.py", "helper.py", "late.py", "onward.py", "kit/__init__.py", "kit/deep.py", "kit/near.py"
    }  # fmt: skip
    write(plugins, mine="import onpath\n")
    assert set(closure([plugins / "mine.py"])) == {plugins / "mine.py"}
    monkeypatch.syspath_prepend(elsewhere)
    found = closure([plugins / "mine.py"])
    assert elsewhere / "onpath.py" in found and package_file("bench.data.split_arrays") in found


@pytest.mark.parametrize(
    "text",
    [
        "import helper\nfrom helper import (\n",
        "import nothing_of_this_name\n",
        "import mine\n",
        "import importlib\nimportlib.import_module('.', __package__)\n",
        f"from {'.' * 99} import above_everything\n",
    ],
)
def test_broken_missing_and_circular_imports_raise_nothing(tmp_path, text):
    write(tmp_path, mine=text, helper="import mine\n")
    assert tmp_path / "mine.py" in closure([tmp_path / "mine.py"])


def test_names_lead_to_where_a_package_has_them_from():
    registry = Registry.discover()
    files = dict(plugin_code(registry, "dataset", "digits").files)
    assert "bench/data/splitting.py" in files and "bench/data/csv_file.py" not in files
    assert "bench/data/csv_file.py" in dict(plugin_code(registry, "dataset", "file").files)
