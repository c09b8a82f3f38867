"""Without any of torch's private parts a training gives the same numbers, and no other file touches them."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import torch_private
from bench.contracts.variant import Context
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.factories import mlp
from bench.spec.registry import Registry
from bench.train import TrainPlan, device, train
from bench.train.batches import Rows
from bench.train.replay import simplify

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for folder in ("bench", "variants", "datasets", "samplers") for path in (ROOT / folder).rglob("*.py")
)
CPU = torch.device("cpu")
X = np.random.default_rng(0).random((96, 1, 4, 4), dtype=np.float32)
#: (module, attribute, the mechanism that goes with it); a mechanism that is never asked about is not in `MECHANISMS`.
PARTS = [
    ("torch.fx.experimental.proxy_tensor", "make_fx", "make_fx"),
    ("torch.jit", "trace", "TorchScript"),
    ("torch.jit", "optimized_execution", "TorchScript"),
    ("torch._inductor", "compile", "Inductor"),
    ("torch", "_fused_adam_", "fused Adam"),
    ("torch", "_fused_adamw_", "fused Adam"),
    ("torch", "_foreach_add_", "fused Adam"),
]


@pytest.fixture(autouse=True)
def fresh_answers(monkeypatch):
    monkeypatch.setattr(torch_private, "_answers", {})


def weights(seeds=(0, 1)):
    """The weights of a small stack after a training long enough to be recorded, by seed and name."""
    cost = ReconstructionCost("squared")
    contexts = [Context((1, 4, 4), 4, cost, mlp([8]), seed, len(X), None, lambda: 0.1) for seed in seeds]
    models = [attach(Registry.discover().load("variant", "vae")(), context) for context in contexts]
    rows = Rows(X, None, CPU)
    results, _ = train(models, seeds, rows, rows, TrainPlan(24, 32, "adam", {"lr": 3e-3}, "cosine", record_from=0), CPU)
    return [{name: value.clone() for name, value in result.variant.state_dict().items()} for result in results]


@pytest.fixture(scope="module")
def undisturbed():
    found = weights()
    assert all(torch_private.found(name) is not None for name in torch_private.MECHANISMS)
    return found


def assert_same(one, other):
    for mine, theirs in zip(one, other, strict=True):
        for name, value in mine.items():
            assert torch.equal(value, theirs[name]), name


class Without:
    """torch as this project sees it, without one attribute, or with one that raises; torch's own code keeps its own."""

    def __init__(self, attribute, how):
        self._attribute, self._how = attribute, how

    def __getattr__(self, name):
        if name != self._attribute:
            return getattr(torch, name)
        if self._how == "absent":
            raise AttributeError(name)
        return not_what_it_was


def not_what_it_was(*arguments, **options):
    raise RuntimeError("not what it was")


def take_away(monkeypatch, module, attribute, how="absent"):
    if module == "torch":
        monkeypatch.setattr(torch_private, "torch", Without(attribute, how))
        return
    holder = importlib.import_module(module)
    if how == "absent":
        monkeypatch.delattr(holder, attribute)
    else:
        monkeypatch.setattr(holder, attribute, not_what_it_was)


@pytest.mark.parametrize("how", ["absent", "raising"])
@pytest.mark.parametrize(("module", "attribute", "name"), PARTS, ids=[part[1] for part in PARTS])
def test_a_part_of_torch_that_is_gone_is_answered_with_a_reason(module, attribute, name, how, monkeypatch):
    if (name, how) == ("Inductor", "raising"):
        pytest.skip("it is tried out where a step is compiled")
    take_away(monkeypatch, module, attribute, how)
    assert torch_private.found(name) is None
    assert name in torch_private.why_not(name) and torch.__version__ in torch_private.why_not(name)


@pytest.mark.parametrize("name", torch_private.MECHANISMS)
def test_a_training_without_a_mechanism_gives_the_same_numbers(name, monkeypatch, undisturbed):
    module, attribute, _ = next(part for part in PARTS if part[2] == name)
    take_away(monkeypatch, module, attribute)
    assert_same(weights(), undisturbed)
    assert torch_private.found(name) is None


@pytest.mark.parametrize("name", ["drop_no_ops", "fold_constants", "schema_of"])
def test_lists_that_cannot_be_simplified_change_no_number(name, monkeypatch, undisturbed):
    def renamed(*arguments):
        raise AttributeError("renamed")

    monkeypatch.setattr(simplify, name, renamed)
    assert_same(weights(), undisturbed)


def test_without_schemas_and_glibc_the_numbers_stay(monkeypatch, undisturbed):
    monkeypatch.setattr(simplify, "schema_of", lambda operation: None)
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: object())
    device.keep_freed_memory.cache_clear()
    try:
        assert device.keep_freed_memory() is False
        assert_same(weights(), undisturbed)
    finally:
        device.keep_freed_memory.cache_clear()


def test_a_part_that_gives_other_numbers_counts_as_absent(monkeypatch):
    kernel = torch._fused_adam_
    monkeypatch.setattr(torch_private, "torch", Without("_fused_adam_", "changed"))
    monkeypatch.setitem(globals(), "not_what_it_was", lambda *a, lr, **k: kernel(*a, lr=lr * 1.1, **k))
    assert torch_private.found("fused Adam") is None
    assert "wrong numbers" in torch_private.why_not("fused Adam")


def test_asked_within_transforms_and_modes_the_answer_is_the_same():
    def inside(x):
        assert torch_private.found("fused Adam") is not None
        return x * 2

    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        torch.vmap(inside)(torch.zeros(3))


def test_training_and_its_parts_import_without_any_of_them():
    program = (
        "import torch, torch.jit, torch.fx.experimental.proxy_tensor as p\n"
        "for holder, name in ((torch, '_fused_adam_'), (torch.jit, 'trace'), (p, 'make_fx')):\n"
        "    delattr(holder, name)\n"
        "import bench.train, bench.throughput, bench.losses, bench.networks.linear, bench.runs.cells.stack_run\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


#: Torch's modules and names that are public by their spelling alone, or counted by torch as experimental or outdated.
PASSING = {"jit", "experimental", "pytree"}
#: Private attributes of torch's objects.
OF_OBJECTS = {"_version", "_schema", "_op"}


def private_names(source):
    """Torch's private and passing names that a file mentions, by import or attribute."""
    names, roots = set(), {"torch"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
            roots |= {alias.asname for alias in node.names if alias.asname and alias.name.split(".")[0] == "torch"}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute):
            names.add(ast.unparse(node))
            if node.attr in OF_OBJECTS and ast.unparse(node.value) not in ("self", "cls"):
                yield ast.unparse(node)
    for name in names:
        first, *rest = name.split(".")
        chain = all(part.isidentifier() for part in rest)  # otherwise a method of what a call returned
        if chain and first in roots and any(part in PASSING or (part[:1] == "_" and part[:2] != "__") for part in rest):
            yield name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_other_file_touches_private_parts_of_torch(path):
    found = sorted(private_names(path.read_text(encoding="utf-8")))
    assert bool(found) == (path.name == "torch_private.py"), found


@pytest.mark.parametrize("source", [
    "import torch._inductor", "from torch.utils import _pytree as tree", "from torch.jit import trace",
    "import torch as t\nt._C.x", "import torch\ndef f(x):\n    return torch._fused_adam_(x)", "x._version + 1",
    "from torch.fx.experimental.proxy_tensor import make_fx", "import torch.utils._pytree",
])  # fmt: skip
def test_the_rule_sees_what_is_planted(source):
    assert list(private_names(source))
    assert not list(private_names("import torch\nfrom torch.fx import Graph\nself._version = torch.__version__"))
