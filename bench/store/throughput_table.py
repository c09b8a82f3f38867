"""Reading `core.csv` back. Its content is not trusted: what does not fit is left out, and never raises."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.text import printable
from bench.untrusted import read_bytes

#: The reason of rows that were timed while other processes took the cores.
BUSY = "other work kept the machine busy meanwhile"
_TEXTS = ("variant", "cost", "device", "path", "compiler", "stage", "status", "reason")
_WHOLE = ("batch_size", "dim", "latent_dim", "threads", "repeats")
_POSITIVE = ("seconds", "seconds_low", "seconds_high", "samples_per_second")
_MOST_BYTES = 1_000_000
_MOST_ROWS = 500


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The measured rows of a `core.csv`, with the keys of `COLUMNS`; [] where there is no such file."""
    try:
        lines = read_bytes(path, _MOST_BYTES).decode("utf-8", errors="replace").splitlines()
        rows = [_row(line) for line in csv.DictReader(lines)]
    except (UsageError, csv.Error):
        return []
    return [row for row in rows if row is not None][:_MOST_ROWS]


def _row(line: dict[str | None, Any]) -> dict[str, Any] | None:
    row: dict[str, Any] = {}
    for name in COLUMNS:
        text = line.get(name)
        if name in _TEXTS:
            row[name] = printable(text or "", 100)
        elif not text:
            row[name] = None
        else:
            try:
                value = int(text) if name in _WHOLE else float(text)
            except ValueError:
                return None
            if not math.isfinite(value) or value < 0:
                return None
            row[name] = value
    complete = all(row[name] for name in ("batch_size", "dim", *_POSITIVE))
    return row if complete and row["status"] == "ok" else None


#: The file of a run's own measurement, in its directory.
RUN_FILE = "core.csv"
#: Column → what it holds. A row whose status is not "ok" leaves the measured columns empty and says why in `reason`.
COLUMNS = {
    "variant": "ae (cost alone), stochastic-ae (draw and cost), vae (draw, cost and KL)",
    "cost": "squared, bernoulli or gaussian",
    "batch_size": "B, rows",
    "dim": "d, data dimension",
    "latent_dim": "L",
    "device": "cpu or the accelerator's name",
    "threads": "CPU threads of torch",
    "path": "idiom (autograd through torch.nn.functional), losses (bench.losses under autograd) or "
    "one-pass (value and gradient together, buffers reused)",
    "compiler": "inductor or eager: how the path was executed",
    "stage": "forward, or forward+backward",
    "seconds": "median seconds per batch",
    "seconds_low": "first quartile of the same",
    "seconds_high": "third quartile of the same",
    "repeats": "independent timings behind the quartiles",
    "samples_per_second": "B / seconds",
    "gigabytes_per_second": "bytes that must move (every input read once, every result written once) / seconds / 1e9",
    "copy_gigabytes_per_second": "measured bandwidth of copying as many bytes (read + write), median",
    "copy_share": "gigabytes_per_second / copy_gigabytes_per_second",
    "ratio_to_idiom": "how many times faster than the idiom on the same shape and stage, median over rounds",
    "seconds_draw": "of seconds: drawing the noise (one-pass only)",
    "seconds_latent": "of seconds: z, KL and their gradients (one-pass only)",
    "seconds_cost": "of seconds: reconstruction cost and its gradient (one-pass only)",
    "status": "ok, oom or error",
    "reason": "why a row has no numbers, or that its timings were disturbed",
}
