"""The section on the throughput of the sampling-and-loss core, from a run's `core.csv`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.numbers import number, percent
from bench.reports.figures.throughput import PATHS, plot_throughput
from bench.store.throughput_table import BUSY, RUN_FILE, read_rows

NOTE = (
    "Drawing z, the reconstruction cost and the KL term, with their gradients and without matrix products, at this "
    "run's dimensions, measured quickly once its cells were done, without a compiler; aebench core measures at "
    "leisure. idiom: autograd through torch.nn.functional; losses: bench.losses under autograd, as a variant calls "
    "them (training replays recorded steps and pays less for small batches); one-pass: value and gradient together in "
    "reused buffers. GB/s counts every input read once and every result written once; its share is of copying as many "
    "bytes. Medians, in brackets quartiles; ⚠ where they are far apart or other work kept the machine busy: read no "
    "ratio of such a row."
)
COLUMNS = ("Variant", "d", "Batch", "Path", "Device", "1000 samples/s", "GB/s", "Of copy", "× idiom")
#: Quartiles farther apart than this say that the machine was busy.
UNSTEADY = 1.5
#: Columns of words, for alignment.
WORDS = ("Variant", "Path", "Device")


def core_rows(directory: Path) -> list[dict[str, Any]]:
    """Measured rows of a run, ordered by variant, dimension, batch size and path; [] where none were measured."""
    rows = [row for row in read_rows(Path(directory) / RUN_FILE) if row["path"] in PATHS]
    return sorted(rows, key=lambda row: (row["variant"], row["dim"], row["batch_size"], PATHS.index(row["path"])))


def core_table(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """What the table shows, columns as in `COLUMNS`."""
    return [
        (
            row["variant"],
            str(row["dim"]),
            f"{row['batch_size']:,}",
            row["path"],
            f"{row['device']}" + (f", {row['threads']} threads" if row["device"] == "cpu" else ""),
            _speed(row),
            number(row["gigabytes_per_second"], 3),
            percent(row["copy_share"]) if row["copy_share"] is not None else "–",
            number(row["ratio_to_idiom"], 3),
        )
        for row in rows
    ]


def _speed(row: Mapping[str, Any]) -> str:
    slow, fast = (row["batch_size"] / row[name] / 1e3 for name in ("seconds_high", "seconds_low"))
    text = f"{number(row['samples_per_second'] / 1e3, 3)} ({number(slow, 3)} – {number(fast, 3)})"
    return f"{text} ⚠" if fast > UNSTEADY * slow or row["reason"] == BUSY else text


def core_figure(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """Throughput over batch size, where there is something to draw."""
    if not rows:
        return
    caption = "Samples per second of the sampling-and-loss core over batch size; quartiles shaded."
    yield "core", "Throughput of the sampling-and-loss core", caption, plot_throughput(rows), pd.DataFrame(rows), False
