"""The files of `aebench core`: `core.csv`, `core.md` and the figure `core.svg`. Reads rows only, no torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.files import atomic_file, make_directory
from bench.store.throughput_table import BUSY, COLUMNS
from bench.text import printable, spreadsheet_safe

Row = Mapping[str, Any]


def write_files(rows: Sequence[Row], facts: Mapping[str, str], directory: Path) -> list[Path]:
    """Write all three files into `directory` (made if missing) and return their paths.

    Args:
        rows: what `bench.throughput.measure` returned.
        facts: what the reader must know, name → value (machine, versions, how kernels were made).
    """
    directory = make_directory(Path(directory))
    contents = {"core.csv": csv_text(rows), "core.md": markdown(rows, facts)}
    if any(row["status"] == "ok" for row in rows):
        contents["core.svg"] = figure_svg(rows)
    for name, text in contents.items():
        with atomic_file(directory / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [directory / name for name in contents]


def csv_text(rows: Iterable[Row]) -> str:
    """The rows as CSV, columns as in `COLUMNS`; missing values are empty."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in COLUMNS])
    return buffer.getvalue()


def markdown(rows: Sequence[Row], facts: Mapping[str, str]) -> str:
    """The report: facts, one table per stage, where the time goes, what could not be measured."""
    lines = ["# Throughput of the sampling-and-loss core", ""]
    lines += [f"- {name}: {printable(value)}" for name, value in facts.items()]
    if any(row.get("reason") == BUSY for row in rows):
        lines += [f"- not valid: {BUSY}; measure again on an idle machine"]
    lines += ["", *_EXPLANATION, ""]
    good = [row for row in rows if row["status"] == "ok"]
    for stage in dict.fromkeys(row["stage"] for row in good):
        lines += [f"## {stage}", "", *_table([row for row in good if row["stage"] == stage]), ""]
    lines += _phases(good)
    failed = [row for row in rows if row["status"] != "ok"]
    if failed:
        lines += ["## Not measured", ""]
        lines += [f"- {_label(row)}, batch {row['batch_size']}, d = {row['dim']}: {row['reason']}" for row in failed]
        lines += [""]
    return "\n".join(lines)


_EXPLANATION = (
    "Draw z, reconstruction cost and KL per example, and their gradients; no matrix products. `idiom` is autograd",
    "through `torch.nn.functional`, `losses` are the functions of `bench.losses` under autograd, as a variant",
    "calls them, with the allocator set as in training (which replays recorded steps and pays less), `one-pass` makes",
    "value and gradient together in reused buffers. GB/s counts each input read once and each result written",
    "once; its share is of copying as many bytes, timed in turn with it. Times are medians with quartiles, ratios",
    "medians over rounds.",
)


def _table(rows: Sequence[Row]) -> list[str]:
    lines = ["| variant | cost | d | batch | path | µs (quartiles) | 1000 samples/s | GB/s | of copy | × idiom |"]
    lines += ["|---|---|--:|--:|---|--:|--:|--:|--:|--:|"]
    for row in rows:
        low, middle, high = (1e6 * row[name] for name in ("seconds_low", "seconds", "seconds_high"))
        lines.append(
            f"| {row['variant']} | {row['cost']} | {row['dim']} | {row['batch_size']} | {_path(row)} "
            f"| {middle:.0f} ({low:.0f} – {high:.0f}) | {row['samples_per_second'] / 1e3:.0f} "
            f"| {row['gigabytes_per_second']:.1f} | {row['copy_share']:.0%} | {row['ratio_to_idiom']:.2f} |"
        )
    return lines


def _phases(rows: Sequence[Row]) -> list[str]:
    """Where the time of the one-pass kernels goes, per shape."""
    timed = [row for row in rows if row["path"] == "one-pass" and row.get("seconds_draw")]
    if not timed:
        return []
    lines = ["## Where the time goes (one-pass)", "", "Phases timed alone; the rest of a call is launching them.", ""]
    lines += ["| stage | variant | cost | d | batch | draw | z, KL and their gradients | cost and its gradient |"]
    lines += ["|---|---|---|--:|--:|--:|--:|--:|"]
    for row in timed:
        parts = [row[f"seconds_{phase}"] for phase in ("draw", "latent", "cost")]
        shares = " | ".join(f"{1e6 * part:.0f} µs ({part / sum(parts):.0%})" for part in parts)
        lines.append(
            f"| {row['stage']} | {row['variant']} | {row['cost']} | {row['dim']} | {row['batch_size']} | {shares} |"
        )
    return [*lines, ""]


def figure_svg(rows: Sequence[Row]) -> str:
    """The figure of the rows, of which one at least was measured."""
    from bench.reports.figures.style import look, svg_bytes
    from bench.reports.figures.throughput import plot_throughput

    with look():
        return svg_bytes(plot_throughput([row for row in rows if row["status"] == "ok"])).decode()


def _path(row: Row) -> str:
    return f"{row['path']} ({row['compiler']})" if row["path"] == "one-pass" else str(row["path"])


def _label(row: Row) -> str:
    return f"{row['variant']}, {row['cost']}"


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else spreadsheet_safe(value) if isinstance(value, str) else value
