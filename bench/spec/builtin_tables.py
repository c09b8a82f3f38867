"""Names and signatures that modules with torch define, read from their source so that torch stays unloaded.

`bench/networks/factories.py` maps network names to functions in `NETWORKS`, `bench/evaluate/control_models.py` names of
control models in `CONTROLS`, and `bench/evaluate/baselines.py` those of models that are no autoencoders in `BASELINES`.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from bench.spec.signature import Parameter, read_constants, read_parameters

_PACKAGE = Path(__file__).resolve().parents[1]
_NETWORKS = "networks.factories"


@cache
def network_parameters() -> dict[str, dict[str, Parameter]]:
    """The parameters of every built-in network, by network name."""
    return {name: _function_parameters(_NETWORKS, node) for name, node in _table(_NETWORKS, "NETWORKS").items()}


@cache
def network_module(name: str) -> str:
    """The module of the function that builds the network `name`, e.g. `bench.networks.conv`."""
    module, _ = _function(_NETWORKS, _table(_NETWORKS, "NETWORKS")[name])
    return f"bench.{module}"


@cache
def control_names() -> tuple[str, ...]:
    """The names of the control models, in the order of their table."""
    return tuple(_table("evaluate.control_models", "CONTROLS"))


@cache
def baseline_names() -> tuple[str, ...]:
    """The names of the models that are no autoencoders, in the order of their table."""
    return tuple(_table("evaluate.baselines", "BASELINES"))


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((_PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))


def _table(module: str, name: str) -> dict[str, ast.expr]:
    """The entries of the dictionary display that `module` binds to `name`."""
    for node in _tree(module).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        display = getattr(node, "value", None)
        if getattr(target, "id", None) == name and isinstance(display, ast.Dict):
            pairs = zip(display.keys, display.values, strict=True)
            return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}
    raise ValueError(f"bench/{module}.py binds no dictionary display to {name}")


def _function_parameters(module: str, reference: ast.expr) -> dict[str, Parameter]:
    """The parameters of the function that `reference` names in `module`."""
    home, node = _function(module, reference)
    return read_parameters(node, skip_first=False, constants=read_constants(_tree(home)))


def _function(module: str, reference: ast.expr) -> tuple[str, ast.FunctionDef]:
    """The function that `reference` names in `module`, or that `module` imports from bench, and its own module."""
    name = getattr(reference, "id", "")
    for node in _tree(module).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bench."):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _function(node.module.removeprefix("bench."), ast.Name(alias.name))
    raise ValueError(f"bench/{module}.py defines no function {name!r}")
