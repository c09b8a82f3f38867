"""Reference results: what a finished run measured, as data that others can stand beside their own.

A folder of two files: `results.csv.gz`, the tidy table, and `reference.json`, which says what it is: the run's spec,
the checksum of each data set, the code behind each variant, how the metrics are defined, the checksum of the table.
Those that come with this project lie in `results/reference/` of a checkout, by the name of the preset.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import UsageError
from bench.files import write_bytes, write_text
from bench.store import declarations, documents
from bench.store.frames import run_data
from bench.store.measurements import NUMERIC, RunData
from bench.text import printable
from bench.untrusted import open_regular, read_json

SCHEMA = 1
DESCRIPTION, RESULTS = "reference.json", "results.csv.gz"
#: Where a checkout has its references.
HOME = Path(__file__).resolve().parents[2] / "results" / "reference"
#: Bytes of a table, unpacked: ten times 200 variants × 5 data sets × 10 seeds.
_MOST = 2_000_000_000
#: Columns of a table that hold numbers; the others are text.
_NUMBERS = ("value", "mc_error", "select_value", *NUMERIC)
#: Missing cells that a line lists before it counts.
_LISTED = 3
_FIELDS: Mapping[str, type] = {
    "name": str, "spec": dict, "environments": dict, "data": list, "code": dict, "metrics": dict, "metrics_hash": str,
    "evaluation": dict, "results": dict,
}  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """Reference results that were read and checked.

    Attributes:
        name: e.g. "zoo". directory: of its files.
        spec: of the run. environments: it was computed in, by hash.
        data_facts: by (data set's label, split number): sizes, shape, "checksum".
        code: the code hashes behind each variant, by its label.
        metrics: how each value is defined (`bench.store.declarations`). metrics_hash: of the code that measured.
        evaluation: the files of that code → digest of each; empty where it had moved on when this was written.
        data: the cells and measurements.
    """

    name: str
    directory: Path
    spec: dict[str, Any]
    environments: dict[str, Any]
    data_facts: dict[tuple[str, int], dict[str, Any]]
    code: dict[str, list[str]]
    metrics: dict[str, dict[str, Any]]
    metrics_hash: str
    evaluation: dict[str, str]
    data: RunData


def find(reference: str | Path) -> Path:
    """The folder of a reference, by its name or its path.

    Raises:
        UsageError: there is none, with those that there are.
    """
    path = Path(reference)
    if (path / DESCRIPTION).exists() or path.is_dir():
        return path
    if isinstance(reference, str) and path.name == reference and (HOME / reference / DESCRIPTION).exists():
        return HOME / reference
    there = sorted(folder.parent.name for folder in HOME.glob(f"*/{DESCRIPTION}"))
    if not HOME.is_dir():
        why = "reference results come with a checkout of the project, and this installation is none"
    else:
        why = f"there are {', '.join(there)}" if there else f"{printable(HOME, 200)} holds none"
    raise UsageError(f"there are no reference results {printable(reference, 200)!r} ({why}); give a name or a folder")


def read_reference(reference: str | Path) -> Reference:
    """Reference results by name or path, checked.

    Raises:
        UsageError: there are none, or the first of its `problems`.
    """
    directory = find(reference)
    said = _read_description(directory)
    data = _read_data(directory, said)
    for problem in _contradictions(said, data):
        raise UsageError(f"{printable(directory, 200)}: {problem}; it is not used")
    names = ("spec", "environments", "code", "metrics", "metrics_hash", "evaluation")
    facts = {(entry["dataset_label"], entry["split_number"]): entry for entry in said["data"]}
    return Reference(said["name"], directory, data_facts=facts, data=data, **{name: said[name] for name in names})


def problems(directory: str | Path) -> list[str]:
    """What keeps a folder from being reference results, a line each; [] where it is fine."""
    try:
        path = find(directory)
        said = _read_description(path)
        data = _read_data(path, said)
    except UsageError as error:
        return [str(error)]
    return list(_contradictions(said, data))


def write_files(directory: Path, said: Mapping[str, Any], table: bytes) -> list[Path]:
    """Write a reference: `said` is its description but for the table's facts, `table` the CSV. Same bytes always."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as stream:
        stream.write(table)
    facts = {"sha256": hashlib.sha256(table).hexdigest(), "bytes": len(table)}
    content = {"schema": SCHEMA, **said, "results": facts}
    results = write_bytes(directory / RESULTS, packed.getvalue())
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    return [results, write_text(directory / DESCRIPTION, text + "\n")]


def _read_description(directory: Path) -> dict[str, Any]:
    path = directory / DESCRIPTION
    if not path.exists():
        raise UsageError(
            f"{printable(directory, 200)} holds no reference results (no {DESCRIPTION}); give a folder that aebench "
            "reference wrote"
        )
    said = read_json(path)
    if said.get("schema") != SCHEMA:
        raise UsageError(
            f"{printable(path)} has schema {printable(said.get('schema'), 20)}, and this version reads {SCHEMA}; "
            "upgrade aebench, or write the reference again with aebench reference"
        )
    wrong = [name for name, kind in _FIELDS.items() if not isinstance(said.get(name), kind)]
    entries = said["data"] if "data" not in wrong else []
    if not all(isinstance(entry, dict) and _is_fact(entry) for entry in entries):
        wrong.append("data")
    if "code" not in wrong and not all(isinstance(hashes, list) for hashes in said["code"].values()):
        wrong.append("code")
    if "spec" not in wrong and not documents.is_spec(said["spec"]):
        wrong.append("spec")
    if wrong:
        raise UsageError(f"{printable(path)} is damaged ({wrong[0]} is missing or of the wrong kind); get it anew")
    declarations.checked(said["metrics"], path)
    return said


def _is_fact(entry: Mapping[str, Any]) -> bool:
    number = entry.get("split_number")
    return all(isinstance(entry.get(key), str) for key in ("dataset_label", "checksum")) and documents.is_seed(number)


def _read_data(directory: Path, said: Mapping[str, Any]) -> RunData:
    path = directory / RESULTS
    table = _unpacked(path)
    if hashlib.sha256(table).hexdigest() != said["results"].get("sha256"):
        raise UsageError(
            f"{printable(path)} is not the table that {DESCRIPTION} describes (its checksum is another: it was edited "
            "or replaced); get both files anew"
        )
    return run_data(_read_table(table))


def _unpacked(path: Path) -> bytes:
    try:
        with open_regular(path, _MOST) as packed, gzip.open(packed) as stream:
            table = stream.read(_MOST + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{printable(path)} is cut short or damaged ({error}); get it anew") from error
    if len(table) > _MOST:
        raise UsageError(f"{printable(path)} holds more than {_MOST // 1_000_000} MB; it is not used")
    return table


def _read_table(table: bytes) -> pd.DataFrame:
    """The frame of a CSV table, its numbers to the last bit; only nothing is nothing, because n/a is a status."""
    try:
        frame = pd.read_csv(io.BytesIO(table), dtype=str, keep_default_na=False)
        for name in frame.columns.intersection(_NUMBERS):
            frame[name] = [float(text) if text else math.nan for text in frame[name].tolist()]
    except ValueError as error:
        raise UsageError(f"the table of results cannot be read: {printable(error, 200)}") from error
    return frame


def _contradictions(said: Mapping[str, Any], data: RunData) -> Iterator[str]:
    """What of the table is not what the description says: data, variants and seeds, metrics."""
    facts = {(entry["dataset_label"], entry["split_number"]): entry["checksum"] for entry in said["data"]}
    cells = data.cells
    found: dict[tuple[str, int], str] = {}
    for label, number, text in zip(cells["dataset_label"], cells["split_number"], cells["split"], strict=True):
        if checksum := _checksum(text):
            found.setdefault((label, number), checksum)
    for key in sorted({*facts, *found}):
        if facts.get(key) != found.get(key):
            yield printable(
                f"the data of {key[0]} have the checksum {found.get(key, 'nowhere')} in {RESULTS} and "
                f"{facts.get(key, 'none')} in {DESCRIPTION}"
            )
    yield from _missing(said, data)
    undefined = sorted({info.name.partition("[")[0] for info in data.metrics} - set(said["metrics"]))
    if undefined:
        yield f"{_some(undefined)} of {RESULTS} {'is' if len(undefined) == 1 else 'are'} not defined in {DESCRIPTION}"


@functools.lru_cache(maxsize=4096)
def _checksum(text: str) -> str:
    return str(json.loads(text).get("checksum") or "")


def _missing(said: Mapping[str, Any], data: RunData) -> Iterator[str]:
    """Variants and seeds that one of the two has and the other lacks."""
    cells = data.cells
    names = ("variant_label", "dataset_label", "split_number", "seed")
    there = set(zip(*(cells[name] for name in names), strict=True))
    controls = {label for label in said["code"] if label.startswith("control:")}
    wanted = {
        (variant, label, number, seed)
        for variant in {*said["code"]} - controls
        for label, number in {(entry["dataset_label"], entry["split_number"]) for entry in said["data"]}
        for seed in said["spec"].get("seeds") or []
    }
    lacking, extra = sorted(wanted - there), sorted(cell for cell in there - wanted if cell[0] not in controls)
    for cells_, what in ((lacking, "lacks"), (extra, "holds what " + DESCRIPTION + " does not speak of:")):
        if cells_:
            shown = [f"{variant} on {label} with seed {seed}" for variant, label, _, seed in cells_]
            yield printable(f"{RESULTS} {what} {_some(shown)}", 400)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
