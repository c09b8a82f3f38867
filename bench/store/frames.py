"""From a tidy frame, one row per cell and metric as in `results.csv`, to the columns that reports are made of.

A frame comes from anywhere: several runs put together, somebody else's results, a spreadsheet. What it lacks and what
contradicts itself in it is refused in one line, so that nothing is compared that must not be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import UsageError
from bench.store.documents import SEED_LIMIT
from bench.store.measurements import CELL_COLUMNS, JSON_COLUMNS, NUMERIC, MetricInfo, RunData, cells_frame
from bench.store.records import METRIC_STATUSES, STATUSES
from bench.text import printable

#: Columns without which there is nothing to report; every other column of `results.csv` is used where it is there.
REQUIRED = ("variant", "dataset", "seed", "metric", "value")
#: Names a cell: data set, split, variant, seed.
_NAME = ("dataset_label", "split_number", "variant_label", "seed")
#: Cells and names that a line lists before it counts.
_LISTED = 3


def run_data(frame: pd.DataFrame, known: Mapping[str, MetricInfo] | None = None) -> RunData:
    """The cells and measurements of a tidy frame.

    Args:
        frame: columns `REQUIRED`; further ones as in `results.csv`. A row with an empty `metric` is a cell without
            measurements. Without `variant_label`, `dataset_label`, `status` and `metric_status` these are the variant,
            the data set and "ok".
        known: unit and direction by metric, where the frame has none. A metric of which neither knows a direction is
            descriptive: it is shown, and nobody is better in it; a note says so.

    Raises:
        UsageError: no rows; columns missing; a seed, value, status or direction that is none; a cell that is there
            twice or is said to be two things; an empty value without a reason; one data set's name for other data.
    """
    _refuse_missing_columns(frame)
    table = _normal(frame)
    codes = pd.factorize(pd.MultiIndex.from_frame(table[list(_NAME)]))[0]
    _refuse_contradictions(table, codes)
    first = pd.Series(codes).drop_duplicates().index
    columns = [table[name].iloc[first].tolist() for name in table]  # `to_dict` takes ten times as long
    cells = cells_frame([_cell(dict(zip(table, row, strict=True))) for row in zip(*columns, strict=True)])
    _refuse_other_data(cells)
    measured = (table["metric"] != "").to_numpy()
    rows, cell = table[measured], np.asarray(codes)[measured]
    _refuse_doubles(rows, cell)
    _refuse_unexplained(rows)
    metrics, metric, undirected = _metrics(rows, known or {})
    texts = list(dict.fromkeys(["ok", *rows["metric_status"].unique(), *rows["reason"].unique()]))
    place = {text: code for code, text in enumerate(texts)}
    order = np.argsort(cell, kind="stable")
    values, errors = (rows[name].to_numpy()[order] for name in ("value", "mc_error"))
    status, reason = (rows[name].map(place).to_numpy(dtype=np.int64)[order] for name in ("metric_status", "reason"))
    notes = [*undirected, *_missing_cells(cells)]
    return RunData(cells, metrics, cell[order], metric[order], values, errors, status, reason, texts, notes)


def joined(first: RunData, second: RunData) -> RunData:
    """All cells of both, those of `first` before those of `second`; units and directions are those of `first`."""
    place = {info.name: position for position, info in enumerate(first.metrics)}
    metrics = [*first.metrics, *(info for info in second.metrics if info.name not in place)]
    position = {info.name: n for n, info in enumerate(metrics)}
    texts = list(dict.fromkeys([*first.texts, *second.texts]))
    text_of = {text: code for code, text in enumerate(texts)}
    to_metric = np.array([position[info.name] for info in second.metrics], dtype=np.int64)
    to_text = np.array([text_of[text] for text in second.texts], dtype=np.int64)
    frames = [data.cells for data in (first, second)]
    cells = pd.DataFrame({name: np.concatenate([frame[name].to_numpy() for frame in frames]) for name in frames[0]})
    return RunData(
        cells,
        metrics,
        np.concatenate([first.cell, second.cell + len(first.cells)]),
        np.concatenate([first.metric, to_metric[second.metric]]),
        np.concatenate([first.value, second.value]),
        np.concatenate([first.error, second.error]),
        np.concatenate([first.status, to_text[second.status]]),
        np.concatenate([first.reason, to_text[second.reason]]),
        texts,
        [*first.notes],
        [*first.left_out],
    )


def without_cells(data: RunData, drop: np.ndarray) -> RunData:
    """`data` without the cells where `drop` (cells,) is true."""
    keep = ~drop
    place = np.cumsum(keep) - 1
    rows = keep[data.cell]
    return RunData(
        data.cells[keep].reset_index(drop=True),
        data.metrics,
        place[data.cell[rows]],
        data.metric[rows],
        data.value[rows],
        data.error[rows],
        data.status[rows],
        data.reason[rows],
        data.texts,
        data.notes,
        data.left_out,
    )


def _refuse_missing_columns(frame: pd.DataFrame) -> None:
    missing = [name for name in REQUIRED if name not in frame.columns]
    if missing:
        raise UsageError(
            f"the table has no column {', '.join(missing)}; give the columns of results.csv, of which "
            f"{', '.join(REQUIRED)} are needed"
        )
    twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
    if twice:
        raise UsageError(f"the table has several columns called {printable(', '.join(twice), 80)}; leave one of each")
    if not len(frame):
        raise UsageError("the table has no rows; give the results of at least one cell")


def _normal(frame: pd.DataFrame) -> pd.DataFrame:
    """All columns that are read, texts without gaps and numbers as floats, in the order of the rows."""
    texts = ("variant", "dataset", "variant_label", "dataset_label", "metric", "status", "metric_status", "reason")
    columns: dict[str, Any] = {name: _texts(frame, name) for name in texts}
    for name in ("variant", "dataset"):
        _refuse_empty(columns[name], name)
        label = columns[f"{name}_label"]
        columns[f"{name}_label"] = np.where(label == "", columns[name], label)
    columns["status"] = _one_of(columns["status"], STATUSES, "status")
    columns["seed"] = _whole(frame, "seed")
    splits = frame.fillna({"split_number": 0}) if "split_number" in frame else frame.assign(split_number=0)
    columns["split_number"] = _whole(splits, "split_number")  # runs on one split of the data lack it
    for name in ("value", "mc_error", *NUMERIC):
        columns[name] = _numbers(frame, name)
    stated = columns["metric_status"]  # readers of CSV take the word n/a for nothing
    stated = np.where((stated == "") & np.isnan(columns["value"]), "n/a", stated)
    columns["metric_status"] = _one_of(stated, METRIC_STATUSES, "metric_status")
    columns["unit"] = _texts(frame, "unit")
    columns["higher_is_better"] = _truths(frame, "higher_is_better")
    columns["timing_valid"] = _truths(frame, "timing_valid")
    for name in JSON_COLUMNS:
        columns[name] = _objects(frame, name)
    for name in CELL_COLUMNS:
        if name not in columns:
            columns[name] = _texts(frame, name)
    return pd.DataFrame(columns)


def _texts(frame: pd.DataFrame, name: str) -> np.ndarray:
    if name not in frame:
        return np.full(len(frame), "", dtype=object)
    column = frame[name]
    return np.where(column.isna(), "", column.astype(str)).astype(object)


def _refuse_empty(column: np.ndarray, name: str) -> None:
    rows = np.flatnonzero(column == "")
    if len(rows):
        raise UsageError(f"{name} is empty in row {rows[0] + 1} of the table ({len(rows)} such rows); fill it in")


def _one_of(column: np.ndarray, allowed: Sequence[str], name: str) -> np.ndarray:
    filled = np.where(column == "", "ok", column)
    wrong = sorted(set(filled) - set(allowed))
    if wrong:
        raise UsageError(
            f"{name} {printable(wrong[0], 60)!r} of the table is not known; give one of {', '.join(allowed)}"
        )
    return filled.astype(object)


def _numbers(frame: pd.DataFrame, name: str) -> np.ndarray:
    if name not in frame:
        return np.full(len(frame), np.nan)
    given = frame[name].replace("", np.nan) if frame[name].dtype == object else frame[name]
    found = pd.to_numeric(given, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.flatnonzero((np.isnan(found) & ~given.isna().to_numpy()) | np.isinf(found))
    if len(wrong):
        shown = printable(given.iloc[wrong[0]], 40)
        raise UsageError(f"{name} {shown!r} in row {wrong[0] + 1} of the table is not a finite number; leave it empty "
                         "and give a reason")  # fmt: skip
    return found


def _whole(frame: pd.DataFrame, name: str) -> np.ndarray:
    if pd.api.types.is_bool_dtype(frame[name]):
        raise UsageError(f"{name} of the table holds truth values; give whole numbers of at least 0")
    found = _numbers(frame, name)
    wrong = np.flatnonzero(~((found >= 0) & (found == np.floor(found)) & (found < SEED_LIMIT)))
    if len(wrong):
        shown = printable(frame[name].iloc[wrong[0]], 40)
        raise UsageError(f"{name} {shown!r} in row {wrong[0] + 1} of the table is not a whole number of at least 0")
    exact = pd.to_numeric(frame[name])
    return exact.to_numpy(dtype=np.int64)


_TRUTHS = {"": None, "true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


def _truths(frame: pd.DataFrame, name: str) -> np.ndarray:
    """True, False or None by row."""
    texts = _texts(frame, name)
    found = {text: _TRUTHS.get(text.lower(), text) for text in set(texts)}
    wrong = sorted(text for text, value in found.items() if isinstance(value, str))
    if wrong:
        raise UsageError(f"{name} {printable(wrong[0], 40)!r} of the table is neither True nor False nor empty")
    out = np.empty(len(texts), dtype=object)
    out[:] = [found[text] for text in texts]
    return out


def _objects(frame: pd.DataFrame, name: str) -> np.ndarray:
    """JSON objects as text; "{}" where there is nothing."""
    texts = _texts(frame, name)
    for text in set(texts) - {""}:
        try:
            good = isinstance(json.loads(text), dict)
        except (ValueError, RecursionError):
            good = False
        if not good:
            raise UsageError(f"{name} {printable(text, 60)!r} of the table is no JSON object; leave it empty instead")
    return np.where(texts == "", "{}", texts).astype(object)


def _cell(row: Mapping[str, Any]) -> dict[str, Any]:
    """A cell's entries, None for empty text; one without an id gets one of its name, which nothing was stored under."""
    cell: dict[str, Any] = {name: row[name] if row[name] != "" else None for name in (*CELL_COLUMNS, *JSON_COLUMNS)}
    cell["reason"] = (row["reason"] or None) if row["metric"] == "" else None
    name = "\0".join(str(row[part]) for part in _NAME)
    cell["cell_id"] = cell["cell_id"] or "table-" + hashlib.sha256(name.encode()).hexdigest()[:16]
    return cell


def _refuse_contradictions(table: pd.DataFrame, codes: np.ndarray) -> None:
    """Raise `UsageError` where rows of one cell say that it is two cells, or was two things."""
    for name, of in (("cell_id", "two trainings"), ("status", "two states"), ("split", "other data")):
        kinds = table.groupby(codes)[name].nunique()
        if (kinds > 1).any():
            row = table[codes == kinds.idxmax()].iloc[0]
            values = table.loc[codes == kinds.idxmax(), name].unique()[:2]
            raise UsageError(
                f"the table holds {of} of {_called(row)} ({name} {printable(' and '.join(map(str, values)), 160)}); "
                "leave one of them out, or give them different names in variant_label"
            )


def _refuse_other_data(cells: pd.DataFrame) -> None:
    """Raise `UsageError` where the cells of one data set have several checksums."""
    seen: dict[tuple, dict[str, str]] = {}
    columns = (cells[name] for name in ("dataset_label", "split_number", "split", "variant_label"))
    for label, number, text, variant in zip(*columns, strict=True):
        checksum = json.loads(text).get("checksum")
        if checksum:
            seen.setdefault((label, number), {}).setdefault(str(checksum), variant)
    for (label, _), found in seen.items():
        if len(found) > 1:
            (one, first), (other, second) = list(found.items())[:2]
            raise UsageError(
                printable(
                    f"{label} is two data sets in the table: its checksum is {one} for {first} and {other} for "
                    f"{second}; results on different data cannot be compared, so give them two names in dataset_label"
                )
            )


def _refuse_doubles(rows: pd.DataFrame, cell: np.ndarray) -> None:
    twice = pd.DataFrame({"cell": cell, "metric": rows["metric"].to_numpy()}).duplicated().to_numpy()
    if twice.any():
        row = rows.iloc[int(np.flatnonzero(twice)[0])]
        more = f" ({int(twice.sum())} rows are)" if twice.sum() > 1 else ""
        raise UsageError(f"{row['metric']} of {_called(row)} is in the table twice{more}; leave one of them out")


def _refuse_unexplained(rows: pd.DataFrame) -> None:
    empty = (rows["value"].isna() & (rows["reason"] == "")).to_numpy()
    if empty.any():
        row = rows.iloc[int(np.flatnonzero(empty)[0])]
        more = f" ({int(empty.sum())} rows are)" if empty.sum() > 1 else ""
        raise UsageError(
            f"{row['metric']} of {_called(row)} is empty without a reason{more}; give the reason, or leave the row out"
        )


def _called(row: pd.Series) -> str:
    split = f" on split {row['split_number']}" if row["split_number"] else ""
    return printable(f"{row['variant_label']} on {row['dataset_label']} with seed {row['seed']}{split}", 200)


def _metrics(rows: pd.DataFrame, known: Mapping[str, MetricInfo]) -> tuple[list[MetricInfo], np.ndarray, list[str]]:
    """The metrics in order of first appearance, each row's position among them, and a note on those without direction.

    Raises:
        UsageError: a metric for which high and low values are both said to be better.
    """
    codes, names = pd.factorize(rows["metric"])
    pairs = rows[["metric", "unit", "higher_is_better"]].drop_duplicates()
    infos, unknown = [], []
    for name in names:
        own = pairs[pairs["metric"] == name]
        directions = {value for value in own["higher_is_better"] if value is not None}
        if len(directions) > 1:
            raise UsageError(f"higher_is_better of {printable(name, 60)} is both True and False in the table; give one")
        there = known.get(name) or known.get(name.partition("[")[0])  # an entry of a vector: kl[3]
        unit = next((unit for unit in own["unit"] if unit), there.unit if there else "")
        said = next(iter(directions), there.higher_is_better if there else None)
        infos.append(MetricInfo(name, unit, said))
        if said is None and there is None and not directions:
            unknown.append(name)
    told = "higher_is_better" in rows and rows["higher_is_better"].notna().any()
    listed = _listed([printable(name, 60) for name in unknown])
    note = f"nothing says whether high or low values of {listed} are better, so nobody is marked in them"
    return infos, np.asarray(codes, dtype=np.int64), [note] if unknown and not told else []


def _missing_cells(cells: pd.DataFrame) -> list[str]:
    """A note on variants that lack seeds which others of their data set have."""
    lacking = []
    trained = cells[~cells["variant_label"].str.startswith("control:")]
    for label, own in trained.groupby("dataset_label", sort=False):
        pairs = set(zip(own["split_number"], own["seed"], strict=True))
        for variant, some in own.groupby("variant_label", sort=False):
            gone = sorted(pairs - set(zip(some["split_number"], some["seed"], strict=True)))
            if gone:
                seeds = _listed([str(seed) for _, seed in gone])
                lacking.append(f"{variant} on {label} (seed {seeds})")
    if not lacking:
        return []
    return [printable(f"the table has no results of {_listed(lacking)}, for which others have some", 400)]


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
