"""aebench: a plugin-based benchmark suite for autoencoders.

For users: `bench.run(...)` runs a benchmark and returns its results, `bench.load(run)` reads those of an earlier one,
`bench.report(frame, out)` writes the report of any such frame, `bench.load_model(run, variant, seed)` gives a trained
model back and `bench.best_model(run, purpose)` the recommended one, `bench.Autoencoder` is a scikit-learn estimator,
`bench.figures` plots results in notebooks.

For authors of plugins, everything that a variant, data set, metric or sampler needs: `Variant`, `GaussianVariant`,
`ElboVariant`, `Split`, `split_arrays`, `Metric`, `Value`, `Sampler` and the rest of `__all__`; losses are in
`bench.losses`.
Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench import figures
    from bench.api import load, reference, report, run
    from bench.contracts.checks import number_in, whole_number
    from bench.contracts.dataset import Split
    from bench.contracts.metric import Estimate, Flagged, Metric, Missing, Value, each
    from bench.contracts.sampler import Sampler
    from bench.contracts.variant import Batch, ElboVariant, GaussianVariant, Variant
    from bench.data.split_arrays import split_arrays
    from bench.errors import DataError, Incompatible, UsageError
    from bench.estimator.autoencoder import Autoencoder
    from bench.evaluate import neighbours
    from bench.model_loading import load_model
    from bench.trained.best import best_model

_HOMES = {
    "bench.api": ("load", "reference", "report", "run"),
    "bench.contracts.checks": ("number_in", "whole_number"),
    "bench.contracts.dataset": ("Split",),
    "bench.contracts.metric": ("Estimate", "Flagged", "Metric", "Missing", "Value", "each"),
    "bench.contracts.sampler": ("Sampler",),
    "bench.contracts.variant": ("Batch", "ElboVariant", "GaussianVariant", "Variant"),
    "bench.data.split_arrays": ("split_arrays",),
    "bench.errors": ("DataError", "Incompatible", "UsageError"),
    "bench.estimator.autoencoder": ("Autoencoder",),
    "bench.model_loading": ("load_model",),
    "bench.trained.best": ("best_model",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_MODULES = {"figures": "bench.figures", "neighbours": "bench.evaluate.neighbours"}

__all__ = [
    "Autoencoder",
    "Batch",
    "DataError",
    "ElboVariant",
    "Estimate",
    "Flagged",
    "GaussianVariant",
    "Incompatible",
    "Metric",
    "Missing",
    "Sampler",
    "Split",
    "UsageError",
    "Value",
    "Variant",
    "best_model",
    "each",
    "figures",
    "load",
    "load_model",
    "neighbours",
    "number_in",
    "reference",
    "report",
    "run",
    "split_arrays",
    "whole_number",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
