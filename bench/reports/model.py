"""The report of a run as data, built from its files alone; Markdown and HTML are two views of it."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.across import Across, across
from bench.analysis.catalogue import catalogue
from bench.analysis.grids import Grid
from bench.analysis.hypotheses import Tested, tested
from bench.analysis.row_variance import RowVariance, over_test_rows
from bench.analysis.sections import Section, section_of
from bench.errors import UsageError
from bench.reports import header
from bench.reports.studies.claim_evidence import Judged, judge_claims
from bench.reports.studies.published_numbers import Anchor, Verdict, read_anchor, verdicts
from bench.reports.throughput import core_rows
from bench.store.hypotheses import declared
from bench.store.measurements import History, RunData
from bench.store.run_store import RunStore
from bench.text import printable

#: Training curves that are kept, because grids, figures and history.csv read the same ones.
_MOST_HISTORIES = 20_000

#: Values beyond this are worth a hint.
LARGE = 1000.0


@dataclass(frozen=True)
class Failure:
    """A cell without a result."""

    variant: str
    dataset: str
    seed: int
    status: str
    reason: str
    error_type: str


@dataclass
class Report:
    """A whole run, ready to be written."""

    directory: Path
    title: str
    spec: dict[str, Any]
    command: str
    header: list[tuple[str, str]]
    notes: list[str]
    sections: list[Section]
    failures: list[Failure]
    counts: dict[str, int]
    data: RunData
    store: RunStore
    anchor: Anchor | None = None
    published: list[Verdict] = field(default_factory=list)
    claims: list[Judged] = field(default_factory=list)
    untested: dict[int, str] = field(default_factory=dict)
    core: list[dict[str, Any]] = field(default_factory=list)
    across: Across | None = None
    grids: list[Grid] = field(default_factory=list)
    test_rows: dict[str, RowVariance] = field(default_factory=dict)
    hypotheses: list[Tested] = field(default_factory=list)
    history: History = field(default=lambda cell_id: {}, repr=False)


def sections_of(store: RunStore, plugins: Sequence[str | Path] = ()) -> list[Section]:
    """Each data set of a run with its tables; arguments as `load_report`."""
    data, stored = store.data(), store.load_metrics()
    recorded = [path for path in store.spec.get("plugins") or [] if isinstance(path, str)]
    key = repr((store.spec, stored, list(map(str, plugins))))
    if key not in data.kept:  # a run writes its tables and then its report
        known = catalogue(data.metrics, stored, [*map(str, plugins), *recorded])
        labels = dict.fromkeys(data.cells["dataset_label"])
        data.kept[key] = [section_of(data, label, known, store.spec) for label in labels]
    return data.kept[key]


def load_report(run: Path | str | RunStore, plugins: Sequence[str | Path] = ()) -> Report:
    """Reads a run.

    Args:
        run: its directory, or its open store.
        plugins: files or folders with foreign metric plugins, beside those that the run names.

    Raises:
        UsageError: there is no run, or it holds no readable cell.
    """
    store = run if isinstance(run, RunStore) else RunStore.open(run)
    directory, data = store.directory, store.data()
    if len(data.cells) == 0:
        why = f" ({data.notes[0]})" if data.notes else ""
        raise UsageError(f"{printable(directory)} holds no finished cell yet{why}; run aebench run first")
    sections = sections_of(store, plugins)
    hypotheses, about_hypotheses = tested(store.spec, declared(directory), sections)
    lines = [(f"Data: {section.label}", section.data_line) for section in sections[:12]]
    lines += header.training(store.spec) + header.environment_lines(store.environments(), data)
    counts = {str(status): int(n) for status, n in data.cells["status"].value_counts().items()}
    started = data.cells["started_at"].dropna()
    if len(started):
        lines.append(("Cells started", printable(f"{started.min()} to {started.max()}")))
    title = printable(store.spec.get("name") or directory.name, 80)
    asked = header.command(store.spec)
    published = verdicts(store)
    history = functools.lru_cache(maxsize=_MOST_HISTORIES)(store.load_history)
    return Report(
        directory,
        title,
        store.spec,
        asked,
        lines,
        [*data.notes, *about_hypotheses, *large_values(data)],
        sections,
        _failures(data),
        counts,
        data,
        store,
        read_anchor(published[0].anchor) if published else None,
        published,
        *judge_claims(sections, data.cells, store.spec, history),
        core=core_rows(directory),
        across=across(sections),
        grids=[grid for section in sections for grid in section.grids],
        test_rows=_test_rows(sections, data, store),
        hypotheses=hypotheses,
        history=history,
    )


def large_values(data: RunData) -> list[str]:
    """A hint for each data set whose values are too large for networks as they start."""
    found = {}
    for label, text in zip(data.cells["dataset_label"], data.cells["split"], strict=True):
        largest = json.loads(text).get("largest") if label not in found else None
        if isinstance(largest, (int, float)) and largest > LARGE:
            found[label] = largest
    return [
        printable(f"{label} has values up to {largest:.2g}, with which networks train badly; scale=standard helps")
        for label, largest in found.items()
    ]


def _test_rows(sections: list[Section], data: RunData, store: RunStore) -> dict[str, RowVariance]:
    """What other test rows would change, by data set, where the errors of rows are stored."""

    def errors_of(cell_id: str) -> np.ndarray | None:
        with contextlib.suppress(UsageError):
            return store.load_arrays(cell_id, "row_errors").get("row_errors")
        return None

    found = {section.label: over_test_rows(section, data.cells, errors_of) for section in sections}
    return {label: entry for label, entry in found.items() if entry is not None}


def _failures(data: RunData) -> list[Failure]:
    bad = data.cells[data.cells["status"] != "ok"]
    columns = ("variant_label", "dataset_label", "seed", "status", "reason", "error", "error_type")
    return [
        Failure(
            printable(variant),
            printable(dataset),
            int(seed),
            status,
            printable(reason or error or "no reason was recorded", 300),
            printable(kind or ""),
        )
        for variant, dataset, seed, status, reason, error, kind in zip(*(bad[name] for name in columns), strict=True)
    ]
