"""The cells of a run: one training each, with an id that hashes everything that decides its numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.spec.call import Call, format_call
from bench.spec.registry import CONTROL, Registry
from bench.spec.splits import splits_of
from bench.spec.sweep import Settings, count_of, labelled
from bench.spec.training import TrainSettings
from bench.spec.values import MOST_CELLS

if TYPE_CHECKING:
    from bench.spec.run import RunSpec


@dataclass(frozen=True)
class CellSpec:
    """One training run: everything that decides its numbers, and nothing else.

    Attributes:
        variant, dataset: resolved calls (canonical names, all parameters); `control:NAME` for a control model.
        seed: of initial weights, order and noise.
        train: how it is trained.
        variant_label, dataset_label: how tables name it, e.g. `vae[beta=5]`.
        split_number: which of the run's splits of the data set `dataset` is.
    """

    variant: Call
    dataset: Call
    seed: int
    train: TrainSettings
    variant_label: str = field(default="", compare=False)
    dataset_label: str = field(default="", compare=False)
    split_number: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        for name in ("variant", "dataset"):
            if not getattr(self, f"{name}_label"):
                object.__setattr__(self, f"{name}_label", format_call(getattr(self, name)))

    @cached_property
    def stack_id(self) -> str:
        """16 hex digits, the same for all seeds that are trained together."""
        return digest({"variant": format_call(self.variant), "dataset": format_call(self.dataset)} | self._train())

    @cached_property
    def cell_id(self) -> str:
        """16 hex digits that hash what was asked of this cell, whatever else the run holds."""
        return digest({"stack": self.stack_id, "seed": self.seed})

    @property
    def is_control(self) -> bool:
        """Whether this is a control model and not a trained variant."""
        return self.variant.name.startswith(CONTROL)

    def _train(self) -> dict[str, Any]:
        return {"train": self.train.identity()}


def cells_of(spec: RunSpec, registry: Registry) -> list[CellSpec]:
    """The cells of a spec that `registry` has validated, see `RunSpec.cells`."""
    rows = list(spec.variants)
    if spec.controls:
        controls = (Call(CONTROL + name) for name in registry.controls)
        rows += [control for control in controls if control not in rows]
    settings = {data: count_of(spec.axes, len(spec.networks_on(data))) for data in spec.datasets}
    asked = sum(
        (len(spec.seeds) if _needs_all_seeds(row) else 1) * (1 if row.name.startswith(CONTROL) else n)
        for row in rows for n in settings.values()
    )  # fmt: skip
    if asked > MOST_CELLS:
        most = max(settings.values())
        raise UsageError(
            f"the run asks for {asked:,} cells: {len(rows)} rows, {len(spec.datasets)} data sets, {len(spec.seeds):,} "
            f"seeds{f', {most:,} settings' if most > 1 else ''}; one run has at most {MOST_CELLS:,}: give fewer seeds"
            f"{' or settings' if most > 1 else ''}, or make several runs"
        )
    return [
        CellSpec(row, part, seed, train, labelled(registry.label("variant", row), words),
                 registry.label("dataset", data), number)
        for data in spec.datasets
        for row in rows
        for train, words in _settings(spec, row, data)
        for number, part in enumerate(splits_of(data, spec.splits))
        for seed in (spec.seeds if _needs_all_seeds(row) else spec.seeds[:1])
    ]  # fmt: skip


def _settings(spec: RunSpec, row: Call, data: Call) -> Settings:
    """The settings of a row on a data set; a control model is not trained, and has the first one's L and cost."""
    found = spec.settings_on(data)
    return [(found[0][0], {})] if row.name.startswith(CONTROL) else found


#: Control models that a seed changes.
_SEEDED = tuple(CONTROL + name for name in ("random", "isolation-forest", "gaussian-mixture"))


def _needs_all_seeds(variant: Call) -> bool:
    """Control models are the same for every seed, but for the random ones."""
    return not variant.name.startswith(CONTROL) or variant.name.startswith(_SEEDED)


def digest(value: Mapping[str, Any]) -> str:
    """16 hex digits of plain values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
