"""The report of any tidy frame: several runs put together, other people's results, a reference with one's own rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis.catalogue import declarations
from bench.errors import UsageError, unknown_name
from bench.files import file_errors, make_directory, refuse_unwritable
from bench.reports import ALL_FORMATS, FORMATS, written
from bench.reports.csv_tables import TABLES, export
from bench.reports.model import load_report
from bench.spec.registry import Registry
from bench.store.frames import run_data
from bench.store.measurements import MetricInfo, RunData
from bench.store.run_store import RunStore
from bench.text import printable

if TYPE_CHECKING:
    import pandas as pd

#: What a report of a table writes, so that a folder with nothing else in it may be written again.
_OWN = {"report.md", "report.html", "tables.tex", "figures", "differences.csv", "across.csv", "grids.csv", *TABLES}


def report_table(
    frame: pd.DataFrame,
    out: Path | str,
    baseline: str | None = None,
    select: str | None = None,
    formats: Sequence[str] = FORMATS,
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write the report of a tidy frame, as that of a run, and return what was written.

    Args:
        frame: see `bench.store.frames.run_data`.
        out: a folder that is new, empty, or holds an earlier report of a table.
        baseline: the variant (its label) that the others are compared with; the first one if None.
        select: the `val_*` metric that chooses between settings of one variant, or None for the default.
        formats: of `bench.reports.ALL_FORMATS`.
        notes: what a reader must know, to be said in the report.

    Raises:
        UsageError: the frame lacks something or contradicts itself; an unknown baseline, metric or format; a folder
            with something else in it. Nothing has been written then.
    """
    _refuse_unknown(formats)
    data = run_data(frame, known_metrics())
    data.notes[:0] = notes
    return report_data(data, out, {"baseline": baseline, "select": select}, formats)


def report_data(
    data: RunData,
    out: Path | str,
    asked: Mapping[str, Any],
    formats: Sequence[str] = FORMATS,
    plugins: Sequence[str | Path] = (),
) -> list[Path]:
    """`report_table` of cells and measurements; `asked` has the spec's baseline, select and plugins, where given."""
    _refuse_unknown(formats)
    directory = Path(out)
    spec = _spec(data, directory.absolute().name, asked.get("baseline"), asked.get("select"))
    spec |= {"plugins": asked["plugins"]} if asked.get("plugins") else {}
    _refuse_taken(directory)
    make_directory(directory)
    store = RunStore.holding(directory, spec, data)
    report = load_report(store, plugins)
    return written(report, formats, export(store) if "csv" in formats else [])


def _refuse_unknown(formats: Sequence[str]) -> None:
    for name in formats:
        if name not in ALL_FORMATS:
            raise unknown_name("format", name, ALL_FORMATS)


def known_metrics() -> dict[str, MetricInfo]:
    """Unit and direction of every value of the built-in metrics, by name."""
    found = declarations(Registry.discover())
    return {name: MetricInfo(name, said["unit"], said["higher_is_better"]) for name, said in found.items()}


def _spec(data: RunData, name: str, baseline: str | None, select: str | None) -> dict[str, Any]:
    """What a report asks a run's spec for, as far as a table tells it."""
    cells = data.cells
    labels = list(dict.fromkeys(cells["variant_label"]))
    if baseline is not None and baseline not in labels:
        raise unknown_name("baseline", baseline, labels)
    names = [info.name for info in data.metrics]
    if select is not None and select.replace("-", "_") not in names:
        raise unknown_name("metric", select, names)
    spec = {"name": name, "seeds": sorted({int(seed) for seed in cells["seed"]}), "variant": labels}
    spec |= {"dataset": list(dict.fromkeys(cells["dataset_label"]))}
    return spec | ({"baseline": baseline} if baseline else {}) | ({"select": select} if select else {})


def _refuse_taken(directory: Path) -> None:
    refuse_unwritable(directory)
    if directory.exists():
        with file_errors("read", directory):
            others = sorted({path.name for path in directory.iterdir()} - _OWN)
        if others:
            raise UsageError(
                f"{printable(directory)} holds {printable(others[0], 80)}, which is no report of a table; give a new "
                "folder"
            )
