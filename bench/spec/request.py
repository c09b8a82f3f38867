"""From what a user asks to a run that can be carried out: layers combined, read, validated and planned, once.

The command line and `bench.run` both go this way, and nobody looks at the request again afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.spec.config import build_run, combine, read_config
from bench.spec.presets import over_preset
from bench.spec.registry import ARRAYS, Registry
from bench.spec.run import CellSpec, RunOptions, RunSpec, cells_of


@dataclass(frozen=True)
class ResolvedRun:
    """A run that can be carried out.

    Attributes:
        spec: validated: canonical names, all parameters filled in.
        options: how it is carried out. registry: of all plugins.
        cells: all planned cells, the seeds of a stack next to each other.
    """

    spec: RunSpec
    options: RunOptions
    registry: Registry
    cells: tuple[CellSpec, ...]

    @property
    def directory(self) -> Path:
        """Where it is written."""
        return self.options.directory(self.spec)

    @property
    def on_arrays(self) -> bool:
        """Whether its data are arrays, which the spec names by their checksum alone."""
        return any(call.name == ARRAYS for call in self.spec.datasets)


def resolve(
    given: Mapping[str, Any], preset: Mapping[str, Any] | None = None, config: str | Path | None = None
) -> ResolvedRun:
    """What `given` asks for, over the file `config`, over the settings `preset`.

    Raises:
        UsageError: the request cannot be read, or asks for something that is not there; nothing has been written.
        PluginError: a plugin that is asked for is broken.
    """
    if given.get("steps") is not None and given.get("epochs") is not None:
        raise UsageError("both steps and epochs are given; give one of them")
    layers = [] if config is None else [read_config(Path(config))]
    base = preset or {}
    spec, options = build_run(combine(base, *(over_preset(base, layer) for layer in (*layers, given))))
    registry = Registry.discover(spec.plugins)
    spec = spec.validate(registry)
    return ResolvedRun(spec, options, registry, tuple(cells_of(spec, registry)))
