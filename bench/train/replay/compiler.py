"""`torch.compile` where it works: found out once per device, never a crash, and a sentence on which path is used.

Compiling takes seconds, so only measurements that repeat one kernel many times ask for it; training runs the eager
formulas, which were measured to be as fast there (matrix products dominate). The environment variable AEBENCH_COMPILE
set to "never" switches it off.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from bench.errors import UsageError
from bench.text import printable

OPTION = "AEBENCH_COMPILE"
CHOICES = ("auto", "never")


@dataclass(frozen=True)
class Compiler:
    """Whether kernels are compiled for a device.

    Attributes:
        works: a trial kernel was compiled and gave the right numbers.
        name: "inductor" or "eager".
        reason: one sentence for reports.
    """

    works: bool
    name: str
    reason: str


def compiler_for(device: torch.device, choice: str = "auto") -> Compiler:
    """The compiler for `device`, tried out once per process unless `choice` or AEBENCH_COMPILE is "never".

    Raises:
        UsageError: `choice` or the environment variable is not "auto" or "never".
    """
    for source, value in (("compile", choice), (OPTION, os.environ.get(OPTION) or "auto")):
        if value not in CHOICES:
            raise UsageError(f"{source}={printable(value, 40)!r} is unknown; known: {', '.join(CHOICES)}")
        if value == "never":
            return Compiler(False, "eager", f"not compiled ({source}=never); eager kernels of the same mathematics")
    return _tried(device.type)


def compiled(function: Callable[..., Any], compiler: Compiler) -> Callable[..., Any]:
    """`function` compiled for fixed shapes if the compiler works, `function` itself otherwise."""
    if not compiler.works:
        return function
    fast = torch.compile(function, dynamic=False, fullgraph=True)
    ready = False

    def run(*arguments: Any) -> Any:
        nonlocal ready
        if ready:
            return fast(*arguments)
        with quiet_tool_chain():
            result = fast(*arguments)
        ready = True
        return result

    return run


@functools.cache
def _tried(device_type: str) -> Compiler:
    backend = "C++" if device_type == "cpu" else "Triton"
    try:
        values = torch.linspace(-1, 1, 64, device=device_type)
        with quiet_tool_chain():
            result = torch.compile(lambda x: (x.exp() * 2).sum(), dynamic=False, fullgraph=True)(values)
        if not torch.allclose(result, (values.exp() * 2).sum()):
            raise RuntimeError("a trial kernel gave wrong numbers")
    except Exception as error:  # any failure of a foreign tool chain means the same here: no compiler
        first = printable(str(error).strip().partition("\n")[0], 160)
        return Compiler(
            False, "eager", f"no working {backend} compiler ({type(error).__name__}: {first}); eager kernels"
        )
    return Compiler(True, "inductor", f"compiled by torch.compile (Inductor, {backend})")


@contextlib.contextmanager
def quiet_tool_chain() -> Iterator[None]:
    """Silence what the tool chain says about itself (missing CUDA tools, its own deprecations)."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):  # torch 2.6 prints there that it finds no CUDA runtime
                importlib.import_module("torch.utils.cpp_extension")
            yield
    finally:
        logger.setLevel(level)
