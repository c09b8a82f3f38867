"""`cells.jsonl`: one JSON record per attempted cell, append-only; the source of truth of a run.

A record that a crash cut short is set aside, never fatal; a damaged line is named, never silently dropped; a line that
was changed after it was written is not believed (`bench.store.checksums`); the file is treated as untrusted.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from bench.errors import UsageError
from bench.files import file_error, file_errors, open_own, safe_id
from bench.store.checksums import is_sealed, sealed
from bench.store.documents import is_seed
from bench.text import printable
from bench.untrusted import as_unicode, check_depth, open_regular

SCHEMA = 1
STATUSES = ("ok", "error", "timeout", "killed", "oom", "diverged", "skipped")
METRIC_STATUSES = ("ok", "n/a", "too_few", "flagged", "failed")

_TEXTS = ("variant", "dataset")
_OPTIONAL_TEXTS = ("run_id", "stack_id", "variant_label", "dataset_label", "reason", "started_at", "error_type",
                   "error", "traceback", "code_hash", "git_sha", "env_hash", "metrics_hash", "engine",
                   "device", "data_hash", "checksum")  # fmt: skip
_NUMBERS = ("kl_weight", "decoder_variance", "t_train", "t_eval", "peak_rss", "peak_cuda", "n_params", "flops",
            "samples_per_second", "num_threads", "workers", "diverged_step", "steps_run")  # fmt: skip
#: Whole numbers of at least 0 among them; tables hold them as 64-bit integers.
_WHOLE = ("peak_rss", "peak_cuda", "n_params", "flops", "num_threads", "workers", "diverged_step", "steps_run")
_MOST_WHOLE = 1 << 63
#: Bytes of one record: vectors of measurements with their reasons take some 100 kB.
_MOST_LINE = 16_000_000
#: Bytes of all records: ten times what a run of 10,000 cells takes.
_MOST_BYTES = 4_000_000_000
_DICTS = ("variant_params", "dataset_params", "metrics", "metric_seconds", "split", "code", "files")


def _number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300)


def check_record(record: Any) -> dict[str, Any]:
    """`record` with its types checked and missing optional entries filled in.

    Raises:
        ValueError: what is wrong, in a few words.
        UsageError: the record was written by a newer version.
    """
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    schema = record.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise ValueError("no schema number")
    if schema > SCHEMA:
        raise UsageError(
            f"these results were written by a newer aebench (record schema {schema}, this version reads "
            f"up to {SCHEMA}); "
            "upgrade with: pip install --upgrade aebench"
        )
    try:
        safe_id(record.get("cell_id"))
    except UsageError as error:
        raise ValueError("no valid cell_id") from error
    for key in _TEXTS:
        if not isinstance(record.get(key), str):
            raise ValueError(f"{key} is not text")
    for key in _OPTIONAL_TEXTS:
        if not isinstance(record.setdefault(key, None), str | None):
            raise ValueError(f"{key} is not text")
    for key in _NUMBERS:
        if not _number(record.setdefault(key, None)):
            raise ValueError(f"{key} is not a number")
    for key in _WHOLE:
        if record[key] is not None and not (0 <= record[key] < _MOST_WHOLE and record[key] == int(record[key])):
            raise ValueError(f"{key} is not a whole number of at least 0")
    for key in _DICTS:
        record[key] = {} if record.get(key) is None else record[key]
        if not isinstance(record[key], dict):
            raise ValueError(f"{key} is not an object")
    if not is_seed(record.get("seed")):
        raise ValueError("seed is not a whole number from 0 on")
    if record.setdefault("split_number", None) is not None and not is_seed(record["split_number"]):
        raise ValueError("split_number is not a whole number from 0 on")
    stack = record.get("stack_seeds")
    if stack is not None and not (isinstance(stack, list) and all(map(is_seed, stack))):
        raise ValueError("stack_seeds is not a list of seeds")
    if record.get("status") not in STATUSES:
        raise ValueError(f"unknown status {printable(record.get('status'), 40)!r}")
    if not isinstance(record.setdefault("timing_valid", None), bool | None):
        raise ValueError("timing_valid is neither true nor false")
    record["variant_label"] = record["variant_label"] or record["variant"]
    record["dataset_label"] = record["dataset_label"] or record["dataset"]
    if not all(isinstance(found, str) for found in record["files"].values()):
        raise ValueError("files is not an object of texts")
    for name, measurement in record["metrics"].items():
        _check_measurement(name, measurement)
    return record


def _check_measurement(name: str, measurement: Any) -> None:
    if not isinstance(measurement, dict):
        raise ValueError(f"metric {printable(name, 40)!r} is not an object")
    value, status = measurement.get("value"), measurement.get("status")
    if not _number(value) or not _number(measurement.get("error")):
        raise ValueError(f"metric {printable(name, 40)!r} has a value that is not a number")
    if status not in METRIC_STATUSES:
        raise ValueError(f"metric {printable(name, 40)!r} has the unknown status {printable(status, 40)!r}")
    if not isinstance(measurement.get("higher_is_better"), bool | None):
        raise ValueError(f"metric {printable(name, 40)!r} has no valid direction")
    if not (isinstance(measurement.get("unit"), str | None) and isinstance(measurement.get("reason"), str | None)):
        raise ValueError(f"metric {printable(name, 40)!r} has a unit or reason that is not text")
    if value is None and not measurement.get("reason"):
        raise ValueError(f"metric {printable(name, 40)!r} is empty without a reason")


def finite(value: Any) -> Any:
    """`value` with every NaN and infinity replaced by None, numpy scalars by Python numbers, tuples by lists."""
    if isinstance(value, dict):
        return {str(key): finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def encode(record: dict[str, Any]) -> bytes:
    """One line of JSON for a record, with its checksum. A metric without a finite value becomes n/a, with its reason.

    Raises:
        ValueError: the record does not follow the schema.
    """
    clean = finite(record)
    clean.pop("checksum", None)
    for name, measurement in clean.get("metrics", {}).items():
        if measurement.get("value") is None and record["metrics"][name].get("value") is not None:
            was = record["metrics"][name]["value"]
            measurement.update(status="n/a", error=None, reason=measurement.get("reason") or f"the value was {was}")
    del check_record(clean)["checksum"]
    return sealed(json.dumps(clean, allow_nan=False, separators=(",", ":")).encode()) + b"\n"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def decode(line: bytes) -> dict[str, Any]:
    """The record of one line.

    Raises:
        ValueError: damaged (cut short, not JSON, wrong types, another checksum than its own).
        UsageError: written by a newer version.
    """
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    check_depth(record)
    record = as_unicode(record) if b"\\ud" in line.lower() else record
    record = check_record(record)
    if record["checksum"] is not None and not is_sealed(line):
        raise ValueError("changed after it was written (its checksum is another)")
    return record


@dataclass
class Damage:
    """What of `cells.jsonl` is not believed.

    Attributes:
        lines: (line number, what is wrong) of each that could not be read.
        withdrawn: ids of the cells whose latest line is one of these; what earlier lines say of them is out of date.
        unmarked: readable lines without a checksum, as earlier versions wrote them, in a file where none has one.
    """

    lines: list[tuple[int, str]] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)
    unmarked: int = 0

    def clear(self) -> None:
        """Forget all, before the file is read again."""
        self.lines.clear()
        self.withdrawn.clear()
        self.unmarked = 0

    def notes(self) -> list[str]:
        """What a reader of the results must know about it, a line each."""
        without = f"{self.unmarked} record(s) carry no checksum, as earlier versions wrote none: edits are not seen"
        return ([str(self)] if self.lines else []) + ([without] if self.unmarked else [])

    def __str__(self) -> str:
        shown = "; ".join(f"line {number}: {why}" for number, why in self.lines[:3])
        more = f"; and {len(self.lines) - 3} more" if len(self.lines) > 3 else ""
        return f"{len(self.lines)} unreadable record(s) in cells.jsonl ignored ({shown}{more})"


def read_records(path: Path, damage: Damage) -> Iterator[dict[str, Any]]:
    """Every readable record of `path` in file order; unreadable lines are noted in `damage`.

    A record without a checksum is believed where no record has one; beside others that have one it may be an edited one
    that was stripped of it, which is said until its cell is done again.

    Raises:
        UsageError: the file cannot be read, or was written by a newer version.
    """
    with file_errors("read", path), open_regular(path, _MOST_BYTES) as stream:
        sealed_file, stripped = _has_sealed(stream), dict[str, list[int]]()
        for number, line in enumerate(iter(lambda: stream.readline(_MOST_LINE), b""), 1):
            if not line.strip():
                continue
            try:
                record = decode(line)
                if sealed_file and record["checksum"] is None:
                    stripped.setdefault(record["cell_id"], []).append(number)
                    raise ValueError("without a checksum, which other records here carry")
            except ValueError as error:
                cut = "" if line.endswith(b"\n") else "cut short; "
                damage.lines.append((number, cut + printable(error, 120)))
                damage.withdrawn |= _named_cell(line)
                continue
            damage.withdrawn.discard(record["cell_id"])
            if mended := stripped.pop(record["cell_id"], ()):  # done again since: nothing is lost
                damage.lines[:] = [one for one in damage.lines if one[0] not in mended]
            damage.unmarked += record["checksum"] is None
            yield record


def _has_sealed(stream: IO[bytes]) -> bool:
    """Whether any line ends in its own checksum; `stream` is at its start before and after."""
    found = any(is_sealed(line) for line in iter(lambda: stream.readline(_MOST_LINE), b""))
    stream.seek(0)
    return found


def _named_cell(line: bytes) -> set[str]:
    """The id of the cell that a line which is not believed speaks of, where it can be told."""
    try:
        cell_id = json.loads(line)["cell_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return set()
    return {cell_id} if isinstance(cell_id, str) else set()


def repair_tail(path: Path) -> bytes:
    """Makes `path` end in a whole line; a last line that was cut short moves to `path`.torn. Returns what moved."""
    with file_errors("write", path):
        if not path.exists() or path.stat().st_size == 0:
            return b""
        with os.fdopen(open_own(path, os.O_RDWR), "rb+") as handle:
            handle.seek(-1, os.SEEK_END)
            if handle.read(1) == b"\n":
                return b""
            start = _start_of_last_line(handle)
            handle.seek(start)
            torn = handle.read()
            try:
                decode(torn)
            except ValueError:
                with os.fdopen(open_own(path.with_suffix(".jsonl.torn"), os.O_WRONLY | os.O_APPEND), "ab") as aside:
                    aside.write(torn + b"\n")
                handle.truncate(start)
            else:
                handle.write(b"\n")
                torn = b""
            handle.flush()
            os.fsync(handle.fileno())
    return torn


def _start_of_last_line(handle: Any, block: int = 65536) -> int:
    end = handle.seek(0, os.SEEK_END)
    while end > 0:
        begin = max(0, end - block)
        handle.seek(begin)
        cut = handle.read(end - begin).rfind(b"\n")
        if cut >= 0:
            return begin + cut + 1
        end = begin
    return 0


def append_line(path: Path, line: bytes) -> None:
    """Appends one line durably to a file that is there; a write that fails half-way is taken back.

    Raises:
        UsageError: full disk, read-only directory, no such file.
    """
    handle = open_own(path, os.O_WRONLY | os.O_APPEND, create=False)
    try:
        before = os.fstat(handle).st_size
        try:
            remaining = memoryview(line)
            while remaining:
                remaining = remaining[os.write(handle, remaining) :]
            os.fsync(handle)
        except OSError as error:
            os.ftruncate(handle, before)
            raise file_error("write", path, error) from error
    finally:
        os.close(handle)
