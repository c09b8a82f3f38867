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
        self._tried: set[tuple[str, Call]] = set()

    def harmless(self, checks: Sequence[Check]) -> list[Check]:
        """Try the foreign plugins of `checks`, and all foreign metrics; the checks that may be carried out."""
        of = {id(check): _plugin_of(check) for check in checks}
        named = [*of.values(), *(("metric", Call(name)) for name in self._registry.names("metric") if checks)]
        news = [one for one in dict.fromkeys(named) if one not in self._tried]
        wanted = [(kind, call) for kind, call in news if foreign(self._registry, kind, call.name)]
        self._tried.update(news)
        if wanted:
            self._found |= {wanted[place]: outcome for place, outcome in failures(self._registry, wanted).items()}
        return [check for check in checks if of[id(check)] not in self._found]

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


def _plugin_of(check: Check) -> tuple[str, Call]:
    """The plugin that a check runs: the variant, else the data set."""
    kind = "variant" if check.kind == "variant" else "dataset"
    return kind, getattr(check.cell, kind)
