"""Published numbers and ours: what a preset's `anchor` block expects, and whether a run meets it.

Reads presets and run files only, without torch. A quantity passes when the mean over seeds lies within the stated
tolerance of the published value, fails when it does not or when a seed has no result, and counts as not run while
results are missing or the run's set-up is not the preset's. Nothing here depends on which preset it is.

    python -m bench.reports.studies.published_numbers RUN... > results/reference/anchors.md
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.stats import mean_interval
from bench.errors import BenchError, UsageError
from bench.spec.against import content_of
from bench.spec.call import parse_call
from bench.spec.config import build_run
from bench.spec.presets import preset_names, read_preset
from bench.spec.registry import Registry
from bench.spec.run import RunSpec
from bench.store.run_store import RunStore

PASS, FAIL, NOT_RUN, NOTED = "pass", "fail", "not run", "noted"
MARKS = {PASS: "✓", FAIL: "✗", NOT_RUN: "–", NOTED: "·"}
#: Head of the table that `rows` fills.
COLUMNS = ("Quantity", "Published", "Tolerance", "Ours", "Verdict")
#: Keys of one entry under `values`.
_VALUE_KEYS = {"quantity", "variant", "metrics", "history", "published", "tolerance"}


@dataclass(frozen=True)
class Quantity:
    """One number of a publication.

    Attributes:
        name: what it is, with its unit.
        variant: the row that reproduces it, as the preset writes it.
        weights: metric name → factor; ours is the sum. Empty where `history` is set.
        history: the training curve, e.g. "train_loss", whose last point is ours; "" where `weights` is set.
        low, high: the published value, or the range of several.
        tolerance: how far beyond that ours may lie, or None for a number that is only put beside.
    """

    name: str
    variant: str
    weights: Mapping[str, float]
    history: str
    low: float
    high: float
    tolerance: float | None


@dataclass(frozen=True)
class Anchor:
    """A publication whose numbers a preset reproduces: where they are from, how they came about, what differs here."""

    preset: str
    description: str
    source: str
    setup: str
    remarks: str
    quantities: tuple[Quantity, ...]


@dataclass(frozen=True)
class Verdict:
    """A quantity and ours.

    Attributes:
        status: of PASS, FAIL, NOT_RUN and NOTED.
        reason: why it is not run or has no number, "" otherwise.
        values: ours, one per seed with a result.
    """

    anchor: str
    quantity: Quantity
    status: str
    reason: str = ""
    values: tuple[float, ...] = ()

    @property
    def mean(self) -> float:
        """Ours, the mean over seeds; NaN without results."""
        return float(np.mean(self.values)) if self.values else math.nan

    @property
    def published_text(self) -> str:
        """The published value or range."""
        low, high = (_number(value) for value in (self.quantity.low, self.quantity.high))
        return low if low == high else f"{low} to {high}"

    @property
    def tolerance_text(self) -> str:
        """The tolerance, or a dash."""
        return "–" if self.quantity.tolerance is None else f"± {_number(self.quantity.tolerance)}"

    @property
    def ours_text(self) -> str:
        """Mean ± half the 95 % t interval over seeds, and how many seeds."""
        if not self.values:
            return "–"
        interval = mean_interval(self.values)
        half = f" ± {interval.half_width:.2f}" if math.isfinite(interval.half_width) else ""
        return f"{self.mean:.2f}{half} ({len(self.values)} seed{'' if len(self.values) == 1 else 's'})"

    @property
    def verdict_text(self) -> str:
        """The status, with the reason where there is one."""
        return f"{self.status}: {self.reason}" if self.reason else self.status


def anchor_names() -> list[str]:
    """The presets with published numbers, sorted."""
    return [name for name in preset_names() if read_preset(name).get("anchor")]


def read_anchor(preset: str) -> Anchor | None:
    """What the preset's `anchor` block says, or None for a preset without one.

    Raises:
        UsageError: an unknown preset, or a block that lacks something or has a key too many.
    """
    settings = read_preset(preset)
    block = settings.get("anchor")
    if block is None:
        return None
    try:
        quantities = tuple(_quantity(settings, entry) for entry in block["values"])
        texts = {key: str(block.get(key, "")).strip() for key in ("source", "setup", "remarks")}
        wrong = set(block) - {"values", *texts}
        if wrong or not quantities or not texts["source"]:
            raise ValueError(f"unknown keys {sorted(wrong)}" if wrong else "no source or no values")
        return Anchor(preset, str(settings.get("description", "")), **texts, quantities=quantities)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UsageError(f"preset {preset}: its anchor cannot be read ({error!r})") from error


def _quantity(settings: Mapping[str, Any], entry: Mapping[str, Any]) -> Quantity:
    if set(entry) - _VALUE_KEYS or ("metrics" in entry) == ("history" in entry):
        raise ValueError(f"{entry}: give {', '.join(sorted(_VALUE_KEYS))}, and one of metrics and history")
    metrics = entry.get("metrics") or {}
    weights = {metrics: 1.0} if isinstance(metrics, str) else {name: float(w) for name, w in metrics.items()}
    published = entry["published"]
    low, high = published if isinstance(published, list) else (published, published)
    tolerance = entry.get("tolerance")
    variants = settings["variant"] if isinstance(settings["variant"], list) else [settings["variant"]]
    return Quantity(
        entry["quantity"],
        entry.get("variant", variants[0]),
        weights,
        entry.get("history", ""),
        float(low),
        float(high),
        None if tolerance is None else float(tolerance),
    )


def verdicts(run: Path | str | RunStore) -> list[Verdict]:
    """One verdict per published number of the preset that a run carried out; [] for a run without published numbers.

    Args:
        run: its directory, or its open store.

    Raises:
        UsageError: there is no run in that directory.
    """
    store = run if isinstance(run, RunStore) else RunStore.open(run)
    name = store.spec.get("name", "")
    anchor = read_anchor(name) if name in preset_names() else None
    if anchor is None:
        return []
    registry = Registry.discover()
    different = _difference(name, store.spec, registry)
    if different:
        return not_run(anchor, f"the set-up is not the preset's: {different}")
    records = _planned(store)
    return [_judge(anchor, quantity, store, records, registry) for quantity in anchor.quantities]


def not_run(anchor: Anchor, reason: str = "") -> list[Verdict]:
    """The verdicts of an anchor that has no usable run."""
    return [Verdict(anchor.preset, quantity, NOT_RUN, reason) for quantity in anchor.quantities]


def _difference(preset: str, stored: Mapping[str, Any], registry: Registry) -> str:
    """What keeps a run from being the one that the preset describes, or ""; fewer or other seeds do not."""
    wanted = build_run(read_preset(preset))[0].validate(registry)
    try:
        found = RunSpec.from_dict(stored).validate(registry)
    except BenchError as error:
        return f"its spec cannot be read ({error})"
    ours, theirs = found.training(), wanted.training()
    for key in sorted({*ours, *theirs}):
        if ours.get(key) != theirs.get(key):
            return f"{key} is {ours.get(key, 'not set')}, not {theirs.get(key, 'not set')}"
    for variant in wanted.variants:
        if variant not in found.variants:
            return f"{registry.label('variant', variant)} is not among the variants"
    if {content_of(call) for call in found.datasets} != {content_of(call) for call in wanted.datasets}:
        return f"the data are {', '.join(map(str, found.datasets))}, not {', '.join(map(str, wanted.datasets))}"
    return f"it has {found.splits} splits of the data, not one" if found.splits > 1 else ""


def _planned(store: RunStore) -> list[dict[str, Any]]:
    """The latest record of every planned cell; a stand-in with the status "missing" for one that has not run."""
    records = store.records()
    plan = store.load_plan()
    if plan is None:
        return list(records.values())
    return [records.get(cell["cell_id"], {"status": "missing", **cell}) for cell in plan]


def _judge(
    anchor: Anchor, quantity: Quantity, store: RunStore, records: Sequence[Mapping[str, Any]], registry: Registry
) -> Verdict:
    wanted = registry.label("variant", registry.resolve("variant", parse_call(quantity.variant)))
    own = [record for record in records if record.get("variant_label") == wanted]
    missing = [record for record in own if record["status"] == "missing"]
    if missing or not own:
        reason = f"{len(missing)} of {len(own)} seeds have not run yet" if own else f"{wanted} has not run"
        return Verdict(anchor.preset, quantity, NOT_RUN, reason)
    found = [_ours(quantity, store, record) for record in own]
    values = tuple(value for value in found if isinstance(value, float))
    reasons = [value for value in found if isinstance(value, str)]
    if reasons:
        status = NOTED if quantity.tolerance is None else FAIL
        return Verdict(anchor.preset, quantity, status, f"{len(reasons)} of {len(own)} seeds: {reasons[0]}", values)
    return Verdict(anchor.preset, quantity, _status(quantity, float(np.mean(values))), "", values)


def _ours(quantity: Quantity, store: RunStore, record: Mapping[str, Any]) -> float | str:
    """A cell's number, or why it has none."""
    if record["status"] != "ok":
        return f"{record['status']} ({record.get('reason') or record.get('error') or 'no reason was recorded'})"
    if quantity.history:
        try:
            curve = store.load_arrays(record["cell_id"], "history_").get(f"history_{quantity.history}")
        except UsageError:
            curve = None
        return f"no training curve {quantity.history}" if curve is None or not len(curve) else float(curve[-1])
    total = 0.0
    for name, weight in quantity.weights.items():
        entry = record["metrics"].get(name)
        if entry is None or entry.get("value") is None:
            return f"{name} has no value ({(entry or {}).get('reason') or 'it was not measured'})"
        total += weight * entry["value"]
    return total


def _status(quantity: Quantity, mean: float) -> str:
    if quantity.tolerance is None:
        return NOTED
    # Published values and tolerances are decimal, so their sum is compared with room for its rounding.
    room = quantity.tolerance * (1 + 1e-12) + 1e-12 * abs(quantity.high)
    return PASS if quantity.low - room <= mean <= quantity.high + room else FAIL


def _number(value: float) -> str:
    return f"{value:.10g}"


def rows(found: Sequence[Verdict]) -> list[tuple[str, ...]]:
    """One row of texts per verdict, for `COLUMNS`."""
    return [
        (v.quantity.name, v.published_text, v.tolerance_text, v.ours_text, f"{MARKS[v.status]} {v.verdict_text}")
        for v in found
    ]


def verdict_lines(directories: Sequence[Path | str]) -> list[str]:
    """The verdicts of runs as lines for a terminal, under each other."""
    found = [verdict for directory in directories for verdict in verdicts(directory)]
    if not found:
        return []
    table = [("Anchor", *COLUMNS), *((v.anchor, *row) for v, row in zip(found, rows(found), strict=True))]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["", *("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)]
