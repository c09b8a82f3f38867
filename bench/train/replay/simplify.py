"""Simplifications of a recorded list of operations that leave every bit of its results as it is."""

from __future__ import annotations

import copy
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from bench.torch_private import schema_of

#: Operations whose result depends on the shape of their first argument and not on its numbers.
_SHAPED = frozenset({
    "aten.ones_like.default", "aten.zeros_like.default", "aten.full_like.default", "aten.new_ones.default",
    "aten.new_zeros.default", "aten.new_full.default",
})  # fmt: skip
#: Operations without arguments that are tensors, and without chance.
_SOURCES = frozenset({"aten.ones.default", "aten.zeros.default", "aten.full.default", "aten.arange.default",
                      "aten.arange.start", "aten.scalar_tensor.default", "aten.eye.default"})  # fmt: skip
#: Constants of more numbers than this are computed in every call instead of being kept.
_LARGEST = 1 << 16


def simplified(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> fx.GraphModule:
    """A simpler copy of `graph`, or `graph` itself where it cannot be simplified; `inputs` are some inputs it takes."""
    try:
        simpler = copy.deepcopy(graph)
        drop_no_ops(simpler)
        fold_constants(simpler, inputs)
        simpler.recompile()
        return simpler
    except Exception:  # another torch may name or describe operations in another way
        return graph


def drop_no_ops(graph: fx.GraphModule) -> None:
    """Take out aliases and permutations that permute nothing, which autograd and vectorisation leave by the dozen."""
    for node in list(graph.graph.nodes):
        alias = str(node.target) in ("aten.alias.default", "aten.detach.default")
        permutation = str(node.target) == "aten.permute.default" and list(node.args[1]) == sorted(node.args[1])
        if alias or permutation:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)


def fold_constants(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> None:
    """Compute once what no input's numbers enter: the loss's gradient with respect to itself, spread and scaled."""
    constant = _constants(graph.graph)
    values = _Values(graph, constant)
    with torch.no_grad():
        values.run(*inputs)
    for node in constant:
        used_outside = any(user not in constant for user in node.users)
        value = values.found.get(node)
        if not used_outside or value is None or node.op == "get_attr" or value.numel() > _LARGEST:
            continue
        name = f"_folded_{node.name}"
        graph.register_buffer(name, value)
        with graph.graph.inserting_before(node):
            node.replace_all_uses_with(graph.graph.get_attr(name))
    _drop_unused(graph.graph)


def _constants(graph: fx.Graph) -> dict[fx.Node, None]:
    """Nodes that no input's numbers enter, in order; none where one of them is written to."""
    constant: dict[fx.Node, None] = {}
    for node in graph.nodes:
        if node.op == "get_attr":
            constant[node] = None
        elif node.op == "call_function":
            sources = node.all_input_nodes
            if any(written in constant for written in _written(node)):
                return {}
            fixed = not _may_write(node) and torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ())
            if fixed and (
                str(node.target) in _SHAPED | _SOURCES or (sources and all(one in constant for one in sources))
            ):
                constant[node] = None
    return constant


def _may_write(node: fx.Node) -> bool:
    """Whether a call writes to one of its arguments; what is no operation of torch may do anything."""
    if node.target is operator.getitem:
        return False
    schema = schema_of(node.target)
    return schema is None or schema.is_mutable


def _written(node: fx.Node) -> list[fx.Node]:
    """The arguments that a call writes to."""
    if not _may_write(node):
        return []
    schema = schema_of(node.target)
    if schema is None:
        return node.all_input_nodes
    given = dict(zip((argument.name for argument in schema.arguments), node.args, strict=False)) | node.kwargs
    written = [given.get(one.name) for one in schema.arguments if one.alias_info and one.alias_info.is_write]
    flat = [leaf for one in written for leaf in (one if isinstance(one, (list, tuple)) else [one])]
    return [node for node in flat if isinstance(node, fx.Node)]


def _drop_unused(graph: fx.Graph) -> None:
    for node in reversed(list(graph.nodes)):
        kept = node.op in ("placeholder", "output") or (node.op == "call_function" and _may_write(node))
        if not node.users and not kept:
            graph.erase_node(node)


class _Values(fx.Interpreter):
    """Runs a list and keeps what some of its nodes came to, in `found`."""

    def __init__(self, graph: fx.GraphModule, wanted: dict[fx.Node, None]) -> None:
        super().__init__(graph)
        self._wanted = wanted
        self.found: dict[fx.Node, Tensor] = {}

    def run_node(self, node: fx.Node) -> Any:
        value = super().run_node(node)
        if node in self._wanted and isinstance(value, Tensor):
            self.found[node] = value
        return value
