"""Speeds of two runs: whether they may be compared at all, and what one stack takes in each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.store.measurements import RunData
from bench.store.run_store import RunStore


@dataclass
class Speed:
    """Training or evaluation time of one stack in both runs, in seconds per seed; ratio NEW / BASE."""

    variant: str
    dataset: str
    what: str
    base: float
    new: float

    @property
    def ratio(self) -> float:
        """NEW / BASE: above 1 is slower."""
        return self.new / self.base if self.base > 0 else math.nan


def different_machines(stores: Sequence[RunStore], runs: Sequence[RunData]) -> str | None:
    """Why speeds of these runs cannot be compared, or None."""
    facts = []
    for store, run in zip(stores, runs, strict=True):
        known = store.environments()
        used = [known.get(key, {}) for key in run.cells["env_hash"].dropna().unique()]
        hardware = {tuple(str(e.get(k)) for k in ("cpu", "cpu_count", "accelerator")) for e in used}
        cells = run.cells[run.cells["status"] == "ok"]
        columns = (cells[name] for name in ("device", "num_threads", "workers"))
        setting = {tuple(map(str, row)) for row in zip(*columns, strict=True)}
        facts.append((hardware, setting, bool((cells["timing_valid"] == True).any())))  # noqa: E712
    (base_hardware, base_setting, base_valid), (new_hardware, new_setting, new_valid) = facts
    if not base_hardware or base_hardware != new_hardware:
        return "the runs come from different machines; give --across-machines to compare their speeds all the same"
    if base_setting != new_setting:
        return "devices, threads or workers differ; give --across-machines to compare their speeds all the same"
    if not (base_valid and new_valid):
        return "timings are not valid on a cluster or where other work kept the machine busy; run both on an idle one"
    return None
