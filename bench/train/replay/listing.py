"""A recorded list of operations as one Python function of torch's public functions, without TorchScript.

The graph's own code calls each operation through its registry, at two to three µs a call, and looks constants up on a
module. Here each name that torch offers as a function or a method is called as such, all names are bound beforehand,
and a value is dropped after its last use, as the graph's own code does it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx


def listed(graph: fx.GraphModule) -> Callable[..., Sequence[Tensor]]:
    """`graph` as a function that gives the same numbers.

    A name that means something else as a public function is not known to this: what the function gives must be
    compared, as every way to run a recording is.
    """
    writer = _Writer(graph)
    for node in graph.graph.nodes:
        writer.line(node)
    source = f"def run({', '.join(writer.inputs)}):\n" + "\n".join(f" {line}" for line in writer.lines)
    exec(source, writer.bound)
    return writer.bound["run"]


class _Writer:
    """Writes a line of Python for each node; `bound` holds what the lines name."""

    def __init__(self, graph: fx.GraphModule) -> None:
        self._graph = graph
        self._names: dict[fx.Node, str] = {}
        self._last = {used: node for node in graph.graph.nodes for used in node.all_input_nodes}
        self.inputs: list[str] = []
        self.lines: list[str] = []
        self.bound: dict[str, Any] = {}

    def line(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self._names[node] = f"x{len(self.inputs)}"
            self.inputs.append(self._names[node])
        elif node.op == "get_attr":
            self._names[node] = self._bind(getattr(self._graph, str(node.target)))
        elif node.op == "call_function":
            self._names[node] = name = f"v{len(self._names)}"
            given = [self._text(one) for one in node.args]
            given += [f"{key}={self._text(one)}" for key, one in node.kwargs.items()]
            self.lines.append(f"{name} = {self._bind(_public(node.target))}({', '.join(given)})")
            done = [
                self._names[used] for used in dict.fromkeys((*node.all_input_nodes, node)) if self._ends(used, node)
            ]
            if done:
                self.lines.append(f"del {', '.join(done)}")
        else:
            self.lines.append(f"return {self._text(node.args[0])}")

    def _ends(self, used: fx.Node, node: fx.Node) -> bool:
        return used.op == "call_function" and self._last.get(used, used) is node

    def _text(self, value: Any) -> str:
        if isinstance(value, fx.Node):
            return self._names[value]
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(self._text, value))}]"
        return repr(value) if isinstance(value, (bool, int, str, type(None))) else self._bind(value)

    def _bind(self, value: Any) -> str:
        name = f"c{len(self.bound)}"
        self.bound[name] = value
        return name


def _public(operation: Any) -> Callable[..., Any]:
    """The function or method by which torch offers an operation of its registry, or the operation itself."""
    library, _, name = str(operation).partition(".")
    if library != "aten":
        return operation
    name = name.partition(".")[0]
    places = [(torch, name), (torch.Tensor, name), (torch.linalg, name.removeprefix("linalg_"))]
    found = [getattr(place, one, None) for place, one in places]
    kinds = (types.BuiltinFunctionType, types.MethodDescriptorType)
    return next((one for one in found if isinstance(one, kinds)), operation)
