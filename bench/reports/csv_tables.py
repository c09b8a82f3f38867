"""The CSV files of a run: `results.csv` (tidy-long), `summary.csv` (over seeds) and `history.csv` (training curves)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from bench.analysis.design import design_of
from bench.analysis.sections import Section
from bench.analysis.selection import AUTO, of_cells, selected
from bench.analysis.stats import t_quantile
from bench.files import atomic_file
from bench.reports.beside import shown
from bench.reports.model import sections_of
from bench.spec.call import format_value
from bench.spec.sweep import key_of, split_label
from bench.store.measurements import RunData
from bench.store.run_store import RunStore
from bench.text import spreadsheet_safe

#: The tables of every run.
TABLES = ("results.csv", "summary.csv", "history.csv")
_CELL_FIRST = ("run_id", "cell_id", "variant", "variant_params", "dataset", "dataset_params", "seed", "status")
_METRIC = ("metric", "value", "unit", "higher_is_better", "metric_status", "reason")
_CELL_LAST = ("split", "t_train", "t_eval", "peak_rss", "peak_cuda", "n_params", "flops", "timing_valid", "code_hash",
              "git_sha", "env_hash", "engine", "device", "num_threads", "started_at", "error_type", "error",
              "variant_label", "dataset_label", "kl_weight", "decoder_variance", "samples_per_second")  # fmt: skip
_SELECTION = ("select", "select_value")  # what chooses between settings of the cell's variant, and its value there
RESULT_COLUMNS = (*_CELL_FIRST, *_METRIC, *_CELL_LAST, "mc_error", *_SELECTION)
SUMMARY_COLUMNS = ("dataset", "dataset_params", "variant", "variant_params", "dataset_label", "variant_label", "metric",
                   "unit", "higher_is_better", "n", "mean", "sd", "low", "high", "min", "max", "n_flagged", "n_missing",
                   "n_failed", "kl_weight", "decoder_variance", "reason", "mark", "no_mark", "chosen")  # fmt: skip
HISTORY_COLUMNS = ("cell_id", "variant", "dataset", "seed", "part", "term", "step", "epoch", "value")
_WHOLE = {"peak_rss", "peak_cuda", "n_params", "flops", "num_threads"}


def results_frame(data: RunData, select: str = AUTO) -> pd.DataFrame:
    """The tidy-long table: one row per cell × metric, one row with an empty metric per cell without measurements.

    `select`: the metric that chooses between settings of one variant (`bench.analysis.selection`).
    """
    row_of_cell, row_of_measurement = _result_rows(data)
    has = row_of_measurement >= 0
    safe = np.where(has, row_of_measurement, 0)
    text = np.array([*data.texts, ""], dtype=object)

    def measured(codes: np.ndarray, values: Sequence[Any] | np.ndarray, empty: Any) -> np.ndarray:
        table = np.array([*values, empty], dtype=object)
        return table[np.where(has, codes[safe] if len(codes) else 0, len(values))]

    def numbers(values: np.ndarray) -> np.ndarray:
        return np.where(has, values[safe], np.nan) if len(values) else np.full(len(has), np.nan)

    chosen_by, select_values = of_cells(data, select)
    columns: dict[str, Any] = {}
    more = _more_columns(data)
    names = (*RESULT_COLUMNS, *more)
    for name in names:
        if name in more:
            columns[name] = more[name].to_numpy()[row_of_cell]
        elif name == "metric":
            columns[name] = measured(data.metric, [metric.name for metric in data.metrics], "")
        elif name == "unit":
            columns[name] = measured(data.metric, [metric.unit for metric in data.metrics], "")
        elif name == "higher_is_better":
            columns[name] = measured(data.metric, [metric.higher_is_better for metric in data.metrics], None)
        elif name == "value":
            columns[name] = numbers(data.value)
        elif name == "mc_error":
            columns[name] = numbers(data.error)
        elif name == "select":
            columns[name] = np.array(chosen_by, dtype=object)[row_of_cell]
        elif name == "select_value":
            columns[name] = select_values[row_of_cell]
        elif name == "metric_status":
            columns[name] = measured(data.status, data.texts, "")
        elif name == "reason":
            cell_reason = _cell_reasons(data)[row_of_cell]
            columns[name] = np.where(has, measured(data.reason, text[:-1], ""), cell_reason)
        else:
            columns[name] = data.cells[name].to_numpy()[row_of_cell]
    return pd.DataFrame(columns, columns=list(names))


def result_columns(data: RunData) -> tuple[str, ...]:
    """The columns of `results.csv`: `RESULT_COLUMNS`, the split's number of several, and each setting that varies."""
    return (*RESULT_COLUMNS, *_more_columns(data))


def _more_columns(data: RunData) -> pd.DataFrame:
    """Columns by cell beside `RESULT_COLUMNS`: the split of several, and settings that have several values."""
    more: dict[str, Any] = {}
    if data.cells["split_number"].nunique() > 1:
        more["split_number"] = data.cells["split_number"].to_numpy()
    found = [split_label(label)[1] for label in data.cells["variant_label"]]
    for word in dict.fromkeys(word for words in found for word in words):
        name = f"setting_{word}" if key_of(word) in RESULT_COLUMNS else key_of(word)
        values = [words.get(word) for words in found]
        more[name] = [format_value(value) if isinstance(value, list) else value for value in values]
    return pd.DataFrame(more)


def _result_rows(data: RunData) -> tuple[np.ndarray, np.ndarray]:
    """For each row of the tidy table: its cell's position, and its measurement's position or -1."""
    empty = np.setdiff1d(np.arange(len(data.cells)), data.cell)
    cells = np.concatenate([data.cell, empty])
    measurements = np.concatenate([np.arange(len(data.cell)), np.full(len(empty), -1)])
    order = np.argsort(cells, kind="stable")
    return cells[order], measurements[order]


def _cell_reasons(data: RunData) -> np.ndarray:
    """Why a cell has no measurements: its reason, else its error, else a statement that there is none."""
    reasons = []
    columns = (data.cells[name] for name in ("status", "reason", "error"))
    for status, reason, error in zip(*columns, strict=True):
        reasons.append(reason or error or ("no metric was evaluated" if status == "ok" else "no reason was recorded"))
    return np.array(reasons, dtype=object)


def write_results(data: RunData, path: Path, select: str = AUTO) -> Path:
    """`results.csv` (as `results_frame`), streamed: what the rows of a cell share is formatted once per cell."""
    firsts = [_join(row) for row in zip(*(_texts(data.cells, name) for name in _CELL_FIRST), strict=True)]
    lasts = [_join(row) for row in zip(*(_texts(data.cells, name) for name in _CELL_LAST), strict=True)]
    names = [_quote(metric.name) for metric in data.metrics]
    kinds = [f"{_quote(metric.unit)},{_truth(metric.higher_is_better)}" for metric in data.metrics]
    texts = [_quote(text) for text in data.texts]
    reasons = [_quote(reason) for reason in _cell_reasons(data)]
    cells, measurements = _result_rows(data)
    ends = np.searchsorted(cells, np.arange(len(data.cells)), side="right")
    chosen = [f"{_quote(name)},{_number(float(value))}" for name, value in zip(*of_cells(data, select), strict=True)]
    more = _more_columns(data)
    columns_ = (*RESULT_COLUMNS, *more)
    for name in more:
        values = map(_quote, _texts(more, name)) if more[name].dtype == object else _texts(more, name)
        chosen = [f"{text},{value}" for text, value in zip(chosen, values, strict=True)]

    def of_cell(c: int, rows: np.ndarray) -> str:
        """All lines of a cell; joined, because a million short writes cost more than what they write."""
        if len(rows) == 1 and rows[0] < 0:
            return f"{firsts[c]},,,,,,{reasons[c]},{lasts[c]},,{chosen[c]}\n"
        columns = (data.metric, data.value, data.status, data.reason, data.error)
        parts = zip(*(column[rows].tolist() for column in columns), strict=True)
        first, last, choice = firsts[c], lasts[c], chosen[c]
        return "".join(
            [
                f"{first},{names[k]},{_number(value)},{kinds[k]},{texts[status]},{texts[reason]},{last},{_number(error)},"
                f"{choice}\n"
                for k, value, status, reason, error in parts
            ]
        )

    def lines() -> Iterable[str]:
        yield ",".join(columns_) + "\n"
        start = 0
        for c, end in enumerate(ends.tolist()):
            yield of_cell(c, measurements[start:end])
            start = end

    return _write_lines(path, lines())


def summary_frame(data: RunData, sections: Sequence[Section] = ()) -> pd.DataFrame:
    """One row per data set × variant × metric: number of seeds with a value, mean, sd, t interval, min, max, failures.

    Flagged values count, and `n_flagged` says how many; failed and skipped cells stand in `n_failed`. `mark` is "best"
    or "shared" as in the report, `no_mark` why the row does not compete there, `chosen` whether validation chose it.
    Over several splits mean, sd and interval are those of `bench.analysis.design`, sd such that low = mean - t·sd/√n
    for the n that the degrees of freedom rest on.
    """
    stacks, stack_of_cell = _stacks(data.cells)
    n_metrics = max(len(data.metrics), 1)
    group = stack_of_cell[data.cell] * n_metrics + data.metric
    size = len(stacks) * n_metrics
    has = np.isfinite(data.value)
    x, where = data.value[has], group[has]
    n = np.bincount(where, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(where, x, minlength=size) / n
        deviation = np.bincount(where, (x - mean[where]) ** 2, minlength=size)
        sd = np.where(n > 1, np.sqrt(deviation / (n - 1)), np.nan)
    half = t_quantile(n) * sd / np.sqrt(np.maximum(n, 1))
    low, high = mean - half, mean + half
    if data.cells["split_number"].nunique() > 1:
        _over_splits(data, stack_of_cell, group, (mean, sd, low, high))
    least, most = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(least, where, x)
    np.maximum.at(most, where, x)
    flagged = data.texts.index("flagged") if "flagged" in data.texts else -1
    counts = {
        "n_flagged": np.bincount(group[data.status == flagged], minlength=size),
        "n_missing": np.bincount(group[~has], minlength=size),
    }
    present = np.flatnonzero(np.bincount(group, minlength=size))
    stack, metric = present // n_metrics, present % n_metrics
    frame = stacks.iloc[stack].reset_index(drop=True)
    frame["metric"] = np.array([entry.name for entry in data.metrics], dtype=object)[metric] if len(metric) else []
    frame["unit"] = np.array([entry.unit for entry in data.metrics], dtype=object)[metric] if len(metric) else []
    directions = np.array([entry.higher_is_better for entry in data.metrics], dtype=object)
    frame["higher_is_better"] = directions[metric] if len(metric) else []
    frame["n"] = n[present]
    empty = n[present] == 0
    for name, column in (("mean", mean), ("sd", sd), ("low", low), ("high", high)):
        frame[name] = column[present]
    frame["min"] = np.where(empty, np.nan, least[present])
    frame["max"] = np.where(empty, np.nan, most[present])
    for name, column in counts.items():
        frame[name] = column[present]
    frame["reason"] = _common_reasons(data, group, size)[present]
    keys = list(zip(frame["dataset_label"], frame["variant_label"], frame["metric"], strict=True))
    marks = _marks(data, sections)
    for place, name in enumerate(("mark", "no_mark", "chosen")):
        frame[name] = np.array([marks.get(key, ("", "", None))[place] for key in keys], dtype=object)
    return frame[list(SUMMARY_COLUMNS)]


def _over_splits(data: RunData, stack_of_cell: np.ndarray, group: np.ndarray, columns: Sequence[np.ndarray]) -> None:
    """Puts mean, sd and interval of each group of measurements in their place where its data set has several splits."""
    designs = [design_of(cells) for _, cells in data.cells.groupby(stack_of_cell)]
    place = np.zeros(len(data.cells), dtype=np.int64)
    for design, (_, cells) in zip(designs, data.cells.groupby(stack_of_cell), strict=True):
        pairs = {p: n for n, p in enumerate(zip(design.splits.tolist(), design.seeds.tolist(), strict=True))}
        place[cells.index] = [pairs[p] for p in zip(cells["split_number"], cells["seed"], strict=True)]
    n_metrics = max(len(data.metrics), 1)
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        own = designs[group[rows[0]] // n_metrics] if len(rows) else None
        if own is not None and own.is_crossed:
            values = np.full(len(own.seeds), np.nan)
            values[place[data.cell[rows]]] = data.value[rows]
            interval = own.interval(values)
            for column, value in zip(columns, (interval.mean, interval.sd, interval.low, interval.high), strict=True):
                column[group[rows[0]]] = value


def _marks(data: RunData, sections: Sequence[Section]) -> dict[tuple[str, str, str], tuple[str, str, bool | None]]:
    """Mark, why there is none, and whether validation chose the row (None without a choice), by labels and metric."""
    found: dict[tuple[str, str, str], tuple[str, str, bool | None]] = {}
    for section in sections:
        own = data.cells["dataset_label"] == section.name
        labels = list(dict.fromkeys(data.cells.loc[own, "variant_label"]))
        in_grid = {setting.index for grid in section.grids for setting in grid.settings}
        for (row, metric), cell in section.cells.items():
            chosen = row in section.chosen if row in in_grid else None
            found[section.name, labels[row], metric] = (cell.mark, cell.barred, chosen)
    return found


def _stacks(cells: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """One row per data set × variant in order of first appearance, and each cell's position in it."""
    keys = cells["dataset_label"].astype(str) + "\x1f" + cells["variant_label"].astype(str)
    codes, _ = pd.factorize(keys)
    first = pd.Series(codes).drop_duplicates().index
    names = ["dataset", "dataset_params", "variant", "variant_params", "dataset_label", "variant_label"]
    stacks = cells.loc[first, names].reset_index(drop=True)
    failed = (cells["status"] != "ok").to_numpy()
    stacks["n_failed"] = np.bincount(codes[failed], minlength=len(stacks))
    for name in ("kl_weight", "decoder_variance"):
        stacks[name] = cells.groupby(codes)[name].first().to_numpy() if len(cells) else []
    return stacks, codes


def _common_reasons(data: RunData, group: np.ndarray, size: int) -> np.ndarray:
    """The most frequent non-empty reason of each group."""
    reasons = np.full(size, "", dtype=object)
    blank = data.texts.index("") if "" in data.texts else -1
    given = data.reason != blank
    if given.any():
        pairs, counts = np.unique(group[given] * len(data.texts) + data.reason[given], return_counts=True)
        for pair in pairs[np.argsort(counts, kind="stable")]:
            reasons[pair // len(data.texts)] = data.texts[pair % len(data.texts)]
    return reasons


def export(
    store: RunStore,
    data: RunData | None = None,
    history: Callable[[str], dict[str, np.ndarray]] | None = None,
) -> list[Path]:
    """Writes results.csv, summary.csv and history.csv of a run, each atomically, and returns their paths.

    Args:
        data: what `store.data()` returned, where it is at hand.
        history: as `store.load_history`, where it is read already.
    """
    data = store.data() if data is None else data
    return [
        write_results(data, store.directory / "results.csv", selected(store.spec)),
        write_csv(summary_frame(shown(store).data, sections_of(store)), store.directory / "summary.csv"),
        write_history(data, history or store.load_history, store.directory / "history.csv"),
    ]


def write_history(data: RunData, load: Callable[[str], dict[str, np.ndarray]], path: Path) -> Path:
    """`history.csv`: one row per cell, part, loss term and recorded step.

    Args:
        load: cell_id → arrays `history_step`, `history_epoch`, `history_<part>_<term>` (T,), or {} without a history.
    """
    keys = ("cell_id", "variant_label", "dataset_label", "seed")

    def lines() -> Iterable[str]:
        yield ",".join(HISTORY_COLUMNS) + "\n"
        for row in zip(*(_texts(data.cells, key) for key in keys), strict=True):
            arrays = load(row[0])
            step, epoch = (_column(arrays.get(f"history_{name}")) for name in ("step", "epoch"))
            epochs = epoch if len(epoch) == len(step) else [""] * len(step)
            places = [f",{s},{e}," for s, e in zip(step, epochs, strict=True)]
            for name, values in arrays.items():
                part, _, term = name.removeprefix("history_").partition("_")
                if part in ("train", "validation") and term and values.ndim == 1 and len(values) == len(step):
                    start = f"{_join(row)},{part},{_quote(term)}"
                    numbers = zip(places, _column(values), strict=True)
                    yield "".join([f"{start}{place}{number}\n" for place, number in numbers])

    return _write_lines(path, lines())


def _column(values: np.ndarray | None) -> list[str]:
    if values is None or values.ndim != 1:
        return []
    return [format(v, ".7g") if v == v else "" for v in values.tolist()]


def write_csv(frame: pd.DataFrame, path: Path) -> Path:
    """Any frame as CSV, atomically, with text that a spreadsheet cannot run as a formula."""
    columns = [_texts(frame, name) for name in frame.columns]
    rows = (_join(row) + "\n" for row in zip(*columns, strict=True))
    header = _join(tuple(spreadsheet_safe(str(name)) for name in frame.columns)) + "\n"
    return _write_lines(path, (header, *rows))


def _texts(frame: pd.DataFrame, name: str) -> list[str]:
    """A column as CSV text: empty for missing, full precision for floats, guarded against formulas for text."""
    texts = []
    safe: dict[str, str] = {}  # labels and hashes come again and again
    for value in frame[name].tolist():
        if value is None or value != value or value is pd.NaT:
            texts.append("")
        elif isinstance(value, bool):
            texts.append(_truth(value))
        elif isinstance(value, float):
            texts.append(str(int(value)) if name in _WHOLE and value.is_integer() else repr(value))
        elif isinstance(value, int):
            texts.append(str(value))
        else:
            if value not in safe:
                safe[value] = spreadsheet_safe(value)
            texts.append(safe[value])
    return texts


def _number(value: float) -> str:
    return repr(value) if value == value else ""


def _truth(value: bool | None) -> str:
    return "" if value is None else str(bool(value))


def _quote(text: str) -> str:
    return _join((spreadsheet_safe(text),))


def _join(row: tuple[str, ...]) -> str:
    if len(row) == 1 and row[0] == "":
        return ""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(row)
    return buffer.getvalue()


def _write_lines(path: Path, lines: Iterable[str]) -> Path:
    with atomic_file(path, parents=False) as temporary:
        handle: TextIO
        with open(temporary, "w", encoding="utf-8", errors="replace", newline="") as handle:
            handle.writelines(lines)
    return Path(path)
