"""From what a user asks to a run that can be carried out: layers combined, read, validated and planned, once.

The command line and `bench.run` both go this way, and nobody looks at the request again afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.spec.against import layer_of, refuse_other_settings
from bench.spec.cells import CellSpec, cells_of
from bench.spec.config import build_run, combine, read_config
from bench.spec.presets import over_preset
from bench.spec.registry import ARRAYS, Registry
from bench.spec.run import RunOptions, RunSpec

if TYPE_CHECKING:
    from bench.store.references import Reference


@dataclass(frozen=True)
class ResolvedRun:
    """A run that can be carried out.

    Attributes:
        spec: validated: canonical names, all parameters filled in.
        options: how it is carried out. registry: of all plugins.
        cells: all planned cells, the seeds of a stack next to each other.
        against: the reference results that its own are shown among, or None.
    """

    spec: RunSpec
    options: RunOptions
    registry: Registry
    cells: tuple[CellSpec, ...]
    against: Reference | None = None

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
    reference = _reference(base, *layers, given)
    base = base if reference is None else layer_of(reference)
    spec, options = build_run(combine(base, *(over_preset(base, layer) for layer in (*layers, given))))
    registry = Registry.discover(spec.plugins)
    spec = spec.validate(registry)
    if reference is not None:
        refuse_other_settings(spec, reference, registry)
    return ResolvedRun(spec, options, registry, tuple(cells_of(spec, registry)), reference)


def _reference(preset: Mapping[str, Any], *layers: Mapping[str, Any]) -> Reference | None:
    """The reference results that a request names, or None.

    Raises:
        UsageError: there are none, they are damaged, or nothing is said that could stand beside them.
    """
    asked = combine(*layers)
    name = asked.get("against")
    if name is None:
        return None
    if not isinstance(name, (str, Path)) or not str(name):
        raise UsageError(f"against {name!r} is no name; give that of reference results, e.g. zoo, or their folder")
    if preset:
        raise UsageError("both a preset and --against are given, and each says how to train; give one of them")
    if not asked.get("variant"):
        raise UsageError(f"--against {name} needs the variants that are to stand beside it; name them with -m")
    from bench.store.references import read_reference  # it loads pandas

    return read_reference(name)
