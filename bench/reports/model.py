"""The report of a run as data, built from its files alone; Markdown and HTML are two views of it."""

from __future__ import annotations

import contextlib
import functools
import json
import math
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
from bench.reports.beside import shown
from bench.reports.boards import Boards
from bench.reports.studies.claim_evidence import Judged, judge_claims
from bench.reports.studies.published_numbers import Anchor, Verdict, read_anchor, verdicts
from bench.reports.throughput import core_rows
from bench.spec.networks import short_names
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
    split_number: int = 0

    @property
    def repeat(self) -> str:
        """Its seed, and its split where that is not the first."""
        return f"{self.seed} (split {self.split_number})" if self.split_number else str(self.seed)


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

    @functools.cached_property
    def boards(self) -> Boards:
        """Its leaderboards; none where every data set has few rows."""
        return Boards(self)

    @property
    def several_splits(self) -> bool:
        """Whether intervals rest on splits of the data."""
        return any(section.design.is_crossed for section in self.sections)


def sections_of(store: RunStore, plugins: Sequence[str | Path] = ()) -> list[Section]:
    """Each data set of a run with its tables; arguments as `load_report`."""
    seen = shown(store)
    data, stored = seen.data, {**seen.metrics, **store.load_metrics()}
    recorded = [path for path in store.spec.get("plugins") or [] if isinstance(path, str)]
    key = repr((store.spec, stored, list(map(str, plugins))))
    if key not in data.kept:  # a run writes its tables and then its report
        known = catalogue(data.metrics, stored, [*map(str, plugins), *recorded])
        labels = dict.fromkeys(data.cells["dataset_label"])
        data.kept[key] = [section_of(data, label, known, seen.spec) for label in labels]
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
    directory, own, seen = store.directory, store.data(), shown(store)
    data = seen.data
    if len(own.cells) == 0:
        why = f" ({own.notes[0]})" if own.notes else ""
        raise UsageError(f"{printable(directory)} holds no finished cell yet{why}; run aebench run first")
    sections = sections_of(store, plugins)
    hypotheses, about_hypotheses = tested(store.spec, declared(directory), sections)
    lines = [(f"Data: {section.label}", section.data_line) for section in sections[:12]]
    environments, doubts = _environments(store)
    lines += [] if store.of_table else header.training(store.spec, _values(own))
    lines += header.environment_lines({**seen.environments, **environments}, data)
    counts = {str(status): int(n) for status, n in own.cells["status"].value_counts().items()}
    started = own.cells["started_at"].dropna()
    if len(started):
        lines.append(("Cells started", printable(f"{started.min()} to {started.max()}")))
    title = printable(store.spec.get("name") or directory.name, 80)
    asked = "" if store.of_table else header.command(store.spec)
    published = verdicts(store)
    history = functools.lru_cache(maxsize=_MOST_HISTORIES)(store.load_history)
    return Report(
        directory,
        title,
        store.spec,
        asked,
        lines,
        [*seen.notes, *own.notes, *doubts, *about_hypotheses, *damaged_files(store, own), *data_hints(own)],
        sections,
        _failures(own),
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


def _values(data: RunData) -> dict[str, int]:
    """Values in a row of each data set that some cell tells the size of, by its name in a sentence."""
    names = short_names(data.cells["dataset_label"].unique())
    found: dict[str, int] = {}
    for label, text in zip(data.cells["dataset_label"], data.cells["split"], strict=True):
        shape = json.loads(text).get("data_shape")
        if isinstance(shape, list) and all(isinstance(n, int) for n in shape):
            found.setdefault(printable(names[label]), math.prod(shape))
    return found


def _environments(store: RunStore) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The run's environments, and why there are none where their file is damaged: they are no reason for no report."""
    try:
        return store.environments(), []
    except UsageError as error:
        return {}, [f"hardware and versions are not known: {error}"]


def damaged_files(store: RunStore, data: RunData) -> list[str]:
    """A note on cells whose arrays or weights are gone or not what they were: figures and curves are without them."""
    cells = data.cells[data.cells["status"] == "ok"]
    bad = []
    for cell_id, variant, dataset, seed in zip(
        *(cells[name] for name in ("cell_id", "variant_label", "dataset_label", "seed")), strict=True
    ):
        kinds = store.damaged_files(cell_id, store.files_of(cell_id))
        if kinds:
            bad.append(f"{' and '.join(kinds)} of {variant} on {dataset} with seed {seed}")
    if not bad:
        return []
    more = f" and of {len(bad) - 3} more cells" if len(bad) > 3 else ""
    return [
        printable(
            f"files are gone, cut short or replaced, so that curves and figures lack them: {'; '.join(bad[:3])}{more}; "
            "the same aebench run again makes them anew"
        )
    ]


def data_hints(data: RunData) -> list[str]:
    """What to know of each data set before its numbers are read: warnings of its reader; values that train badly."""
    facts: dict[str, dict[str, Any]] = {}
    for label, text in zip(data.cells["dataset_label"], data.cells["split"], strict=True):
        if not facts.get(label):
            facts[label] = found if isinstance(found := json.loads(text), dict) else {}
    hints = []
    for label, known in facts.items():
        hints += [f"{label}: {part.strip('; ')}" for part in str(known.get("description", "")).split("WARNING: ")[1:]]
        largest = known.get("largest")
        if isinstance(largest, (int, float)) and largest > LARGE:
            why = f"has values up to {largest:.2g}, with which networks train badly"
            hints.append(f"{label} {why}; scale=standard helps")
    return [printable(hint) for hint in hints]


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
    columns = ("variant_label", "dataset_label", "seed", "status", "reason", "error", "error_type", "split_number")
    rows = zip(*(bad[name] for name in columns), strict=True)
    return [
        Failure(
            printable(variant),
            printable(dataset),
            int(seed),
            status,
            printable(reason or error or "no reason was recorded", 300),
            printable(kind or ""),
            int(split),
        )
        for variant, dataset, seed, status, reason, error, kind, split in rows
    ]
