"""The parts of torch that it may rename or drop without notice: private names, TorchScript, `make_fx`; nothing else.

No other file touches them (`tests/bench/test_torch_private.py`). Each is looked up and tried out when it is first
needed, once per process; where this torch lacks it or it gives wrong numbers, `found` answers None, `why_not` says so
in a sentence, and its user takes the plain way to the same numbers. A trial runs in a thread of its own, out of reach
of the transforms, modes and gradients that are at work where the question is asked.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils.flop_counter import FlopCounterMode

from bench.errors import one_line

Function = Callable[..., Sequence[Tensor]]


class NotAvailable(RuntimeError):
    """This torch lacks a mechanism; the message says which and why."""


_answers: dict[str, tuple[Any, str]] = {}


def found(name: str) -> Any:
    """The mechanism of `MECHANISMS`, or None where this torch has none that works."""
    if name not in _answers:
        thread = threading.Thread(target=_try_out, args=(name,))
        thread.start()
        thread.join()
    return _answers[name][0]


def why_not(name: str) -> str:
    """Why `found(name)` is None, in a sentence; "" where it is there."""
    found(name)
    return _answers[name][1]


def _try_out(name: str) -> None:
    try:
        _answers[name] = (MECHANISMS[name](), "")
    except Exception as error:  # whatever another torch does instead
        _answers[name] = (None, f"torch {torch.__version__} has no working {name} ({one_line(error)})")


def _needed(name: str) -> Any:
    mechanism = found(name)
    if mechanism is None:
        raise NotAvailable(why_not(name))
    return mechanism


def recorded(function: Function, inputs: Sequence[Tensor]) -> fx.GraphModule:
    """The operations of one call, forward and backward together, as a graph.

    Raises:
        NotAvailable: there is no `make_fx`.
        Exception: what `function` does cannot be recorded.
    """
    return _needed("make_fx")(function)(*inputs)


def scripted(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Function:
    """`graph` run by TorchScript's interpreter, operation by operation as it stands; `NotAvailable` without it."""
    return _needed("TorchScript")(graph, inputs)


def inductor(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Function:
    """`graph` compiled for the shapes of `inputs`, without the guards that `torch.compile` checks in every call.

    Raises:
        NotAvailable: there is no such entry.
        Exception: it cannot be compiled.
    """
    with torch.no_grad():
        return _needed("Inductor")(graph, list(inputs))


def schema_of(operation: Any) -> Any:
    """The schema of a graph's operation (its arguments, which of them it writes to), None where none is known."""
    return getattr(operation, "_schema", None)


def written_times(tensor: Tensor) -> int | None:
    """How often `tensor` has been written to in place, None where that is not counted."""
    try:
        return tensor._version
    except (AttributeError, RuntimeError):  # inference tensors do not count
        return None


class _OneModule:
    """What tells the counter of operations in which module they happen: in none."""

    def __init__(self) -> None:
        self.parents = {"Global"}

    def __enter__(self) -> None:
        pass

    def __exit__(self, *arguments: Any) -> None:
        pass


def operations_counter() -> FlopCounterMode:
    """Torch's counter of operations without its hooks on modules, which take neither leaves nor nested gradients."""
    counter = FlopCounterMode(display=False)
    if hasattr(counter, "mod_tracker"):
        counter.mod_tracker = _OneModule()  # type: ignore[assignment]
    return counter


#: Where torch keeps hooks that concern every module or optimiser; versions that lack one have nothing to put back.
_HOOKS = {
    torch.nn.Module: (
        "_global_forward_hooks", "_global_forward_pre_hooks", "_global_forward_hooks_always_called",
        "_global_forward_hooks_with_kwargs", "_global_backward_hooks", "_global_backward_pre_hooks",
        "_global_buffer_registration_hooks", "_global_module_registration_hooks",
        "_global_parameter_registration_hooks",
    ),
    torch.optim.Optimizer: ("_global_optimizer_pre_hooks", "_global_optimizer_post_hooks"),
}  # fmt: skip


def keep_hooks() -> Callable[[], None]:
    """Note the hooks on all modules and optimisers; what is returned puts them back."""
    homes = [(sys.modules[kind.__module__], name) for kind, names in _HOOKS.items() for name in names]
    tables = [table for home, name in homes if isinstance(table := getattr(home, name, None), dict)]
    before = [dict(table) for table in tables]
    full = getattr(torch.nn.modules.module, "_global_is_full_backward_hook", None)

    def put_back() -> None:
        for table, entries in zip(tables, before, strict=True):
            table.clear()
            table.update(entries)
        torch.nn.modules.module._global_is_full_backward_hook = full

    return put_back


def entered_modes() -> tuple[list[Any], list[Any]]:
    """The function modes and the dispatch modes that are entered, outermost first; none where torch does not tell."""
    import torch.utils._python_dispatch as dispatch

    functions = getattr(torch.overrides, "_get_current_function_mode_stack", list)
    return functions(), getattr(dispatch, "_get_current_dispatch_mode_stack", list)()


def _find_make_fx() -> Callable[[Function], Callable[..., fx.GraphModule]]:
    from torch.fx.experimental.proxy_tensor import make_fx

    x = torch.tensor([1.0, 2.0])
    graph = make_fx(lambda x: [x.square().sum()])(x)
    _require(any(node.op == "call_function" for node in graph.graph.nodes) and float(graph(x + 1)[0]) == 13.0)
    return make_fx


def _find_torchscript() -> Callable[[fx.GraphModule, Sequence[Tensor]], Function]:
    trace, unoptimised = torch.jit.trace, torch.jit.optimized_execution

    def script(graph: Function, inputs: Sequence[Tensor]) -> Function:
        with warnings.catch_warnings(), torch.no_grad(), unoptimised(False):
            warnings.simplefilter("ignore")  # of TorchScript's own age, and of constants, which such a list has
            script = trace(lambda *tensors: tuple(graph(*tensors)), tuple(inputs), check_trace=False)

        def run(*tensors: Tensor) -> Sequence[Tensor]:
            with unoptimised(False):
                return script(*tensors)

        return run

    x = torch.tensor([1.0, 2.0])
    _require(float(script(lambda x: (x.square().sum(),), [x])(x + 1)[0]) == 13.0)
    return script


def _find_inductor() -> Callable[..., Any]:
    from torch._inductor import compile as compile_graph

    return compile_graph


def _find_adam() -> dict[str, Callable[..., None]]:
    """ "adam" and "adamw" → a step in place on (tensors, gradients, exp_avg, exp_avg_sq, steps, rate, group)."""
    kernels = {"adam": torch._fused_adam_, "adamw": torch._fused_adamw_}
    add = torch._foreach_add_

    def step_of(kernel: Callable[..., None]) -> Callable[..., None]:
        def step(tensors, gradients, first, second, steps, lr: float, group: dict[str, Any]) -> None:
            beta1, beta2 = group["betas"]
            with torch.no_grad():
                add(steps, 1)
                kernel(
                    tensors, list(gradients), first, second, [], steps, lr=lr, beta1=beta1, beta2=beta2,
                    weight_decay=group["weight_decay"], eps=group["eps"], amsgrad=False, maximize=False,
                    grad_scale=None, found_inf=None,
                )  # fmt: skip

        return step

    group = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
    for kernel in kernels.values():
        x, gradient, first, second, steps = torch.tensor([[1.0], [2.0], [0.0], [0.0], [0.0]]).unbind()
        step_of(kernel)([x], [gradient], [first], [second], [steps], 0.1, group)
        _require(abs(float(x) - 0.9) < 1e-6 and float(steps) == 1.0)  # the first step is as long as the rate
    return {name: step_of(kernel) for name, kernel in kernels.items()}


def _require(right: bool) -> None:
    if not right:
        raise RuntimeError("a trial gave wrong numbers")


#: What is probed, by name.
MECHANISMS: dict[str, Callable[[], Any]] = {
    "make_fx": _find_make_fx,
    "TorchScript": _find_torchscript,
    "Inductor": _find_inductor,
    "fused Adam": _find_adam,
}
