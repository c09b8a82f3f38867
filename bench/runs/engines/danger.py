"""Foreign plugins that must not be run: they hung or ended their process when they were imported and built on trial."""

from __future__ import annotations

from collections.abc import Sequence

from bench.runs.cells.task import CellResult, Check, StackTask
from bench.spec.call import Call
from bench.spec.registry import Registry
from bench.spec.trial import failures, foreign


class Danger:
    """What was found out about the foreign plugins of a run.

    Args:
        registry: of all plugins.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._found: dict[tuple[str, Call], tuple[str, str]] = {}

    def harmless(self, checks: Sequence[Check]) -> list[Check]:
        """Try the foreign plugins of `checks`, and all foreign metrics; the checks that may be carried out."""
        named = [(check.kind, getattr(check.cell, check.kind)) for check in checks]
        named += [("metric", Call(name)) for name in self._registry.names("metric")] if checks else []
        wanted = [(kind, call) for kind, call in named if foreign(self._registry, kind, call.name)]
        if wanted:
            self._found = {wanted[place]: outcome for place, outcome in failures(self._registry, wanted).items()}
        return [check for check in checks if (check.kind, getattr(check.cell, check.kind)) not in self._found]

    def results(self, task: StackTask) -> list[CellResult] | None:
        """The results of a task that needs something dangerous and is not run; None for one that may be."""
        cell = task.cells[0]
        needed = [("variant", cell.variant), ("dataset", cell.dataset)]
        if self._found:
            needed += [("metric", Call(name)) for name, _ in self._registry.metrics_for(task.metrics, task.samplers)]
        found = next(((kind, call) for kind, call in needed if (kind, call) in self._found), None)
        if found is None:
            return None
        from bench.runs.cells.cell_records import base_record  # it loads torch

        status, reason = self._found[found]
        told = {"status": status, "reason": f"{found[0]} {found[1].name}: {reason}"}
        return [CellResult(base_record(task, cell) | told) for cell in task.cells]
