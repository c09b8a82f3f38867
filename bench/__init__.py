"""aebench: a plugin-based benchmark suite for autoencoders.

`bench.run(...)` runs a benchmark and returns its results, `bench.load(run)` reads those of an earlier one,
`bench.load_model(run, variant, seed)` gives a trained model back, `bench.Split` is what data sets return,
`bench.figures` plots results in notebooks.
Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench import figures
    from bench.api import load, run
    from bench.contracts.dataset import Split
    from bench.models import load_model

__all__ = ["Split", "figures", "load", "load_model", "run"]

_HOMES = {"run": "bench.api", "load": "bench.api", "load_model": "bench.models", "Split": "bench.contracts.dataset"}


def __getattr__(name: str) -> Any:
    if name == "figures":
        return importlib.import_module("bench.figures")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
