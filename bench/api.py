"""The command line's `run` as a function that takes arrays and returns a pandas frame, and the reading of runs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.spec.call import Call
from bench.spec.keywords import keywords_of
from bench.spec.registry import ARRAYS
from bench.spec.training import SETTINGS, TrainSettings

#: Types of the columns that can be empty; the others are text or floating-point numbers.
_NULLABLE = {"seed": "int64", "higher_is_better": "boolean", "timing_valid": "boolean"} | dict.fromkeys(
    ("peak_rss", "peak_cuda", "n_params", "flops", "num_threads"), "Int64"
)

if TYPE_CHECKING:
    import pandas as pd

    from bench.contracts.dataset import Split
    from bench.store.run_store import RunStore


@keywords_of(SETTINGS, TrainSettings, before="device")
def run(
    variants: str | Call | Sequence[str | Call] | None = None,
    datasets: str | Call | Sequence[str | Call] | None = None,
    *,
    data: Any = None,
    labels: Any = None,
    seeds: int | str | Sequence[int] | None = None,
    splits: int | None = None,
    device: str | None = None,
    metrics: str | Sequence[str] | None = None,
    samplers: str | Sequence[str] | None = None,
    likelihood_rows: int | str | None = None,
    controls: bool | None = None,
    baseline: str | None = None,
    select: str | None = None,
    hypothesis: str | Sequence[str] | None = None,
    preset: str | None = None,
    against: str | Path | None = None,
    config: str | Path | None = None,
    output: str | Path | None = None,
    plugins: str | Path | Sequence[str | Path] = (),
    n_jobs: int | str | None = None,
    threads: int | None = None,
    engine: str | None = None,
    timeout: float | str | None = None,
    max_minutes: float | None = None,
    force: bool = False,
    quiet: bool = False,
    tensorboard: bool = False,
    **training: Any,
) -> pd.DataFrame:
    """Run a benchmark: `aebench run` from Python, with the same words, defaults and files.

    Args:
        variants: one or several of `NAME[p=v]`, e.g. ["ae", "vae[beta=[0.5,1,2]]"].
        datasets: one or several of `NAME[p=v]`; not together with `data`.
        data: one's own data instead: (N, D), (N, H, W) or (N, C, H, W), array, tensor, frame of pandas or polars, table
            of Arrow, or a ready `bench.Split`; divided by seed 0 and scaled as `file[path=…]` does.
        labels: (N,) for `data`, or None; where both are of pandas, with the same index.
        seeds: how many (10 means 0 … 9), or which.
        splits: random splits of the data, each with every seed; the frame then has a column `split_number`.
        against: name or folder of reference results: `variants` alone are run, on their data with their settings, and
            the report shows them among the reference's rows; the frame has the rows that were run.
        output: directory of the run; results/<name>-<hash> if None.
        plugins: files or folders with foreign plugins.
        n_jobs: processes that share the work, "auto" by default; a run of more than a few seconds uses as many as cores
            and memory allow. They never run the script or notebook that called again, so nothing needs guarding; what
            was only changed in this process (a patched function, a network of `__main__`) they do not see: give 1.
        Everything else as `aebench run --help` says.

    Returns:
        The tidy frame of `results.csv`: one row per cell and metric. The run's directory is `frame.attrs["run"]`.

    Raises:
        UsageError: the request cannot be carried out; nothing has been written then.
    """
    from bench.spec.presets import read_preset
    from bench.spec.request import resolve

    given = {
        **training,
        "variant": variants, "dataset": datasets, "seeds": seeds, "splits": splits, "device": device,
        "metrics": metrics, "samplers": samplers, "likelihood_rows": likelihood_rows, "controls": controls,
        "baseline": baseline, "select": select, "hypothesis": hypothesis, "output": output, "plugins": plugins or None,
        "n_jobs": n_jobs, "threads": threads, "engine": engine, "timeout": timeout, "force": force or None,
        "quiet": quiet or None, "tensorboard": tensorboard or None, "against": against,
        "max_minutes": max_minutes,
    }  # fmt: skip
    split = None
    if data is not None:
        if datasets is not None:
            raise UsageError("both data and datasets are given; give one of them")
        split = _as_split(data, labels)
        given["dataset"] = Call(ARRAYS, {"checksum": split.checksum()})
    elif labels is not None:
        raise UsageError("labels are given without data")
    request = resolve(given, None if preset is None else read_preset(preset), config)
    if split is None and request.on_arrays:
        raise UsageError("this run's data are arrays; give them as data=… to go on with it")

    from bench.runs.runner import execute

    return _frame(execute(request, split).store)


def load(run: str | Path) -> pd.DataFrame:
    """The tidy frame of a run's results: one row per cell and metric, columns as in `results.csv`.

    Empty truth values and whole numbers are `pandas.NA`, an empty `value` is NaN.

    Args:
        run: the run's directory. It is kept as `frame.attrs["run"]`, what a reader must know about its files as
            `frame.attrs["notes"]`.

    Warns:
        UserWarning: records that are damaged or were edited and so are left out, or that carry no checksum.

    Raises:
        UsageError: the directory does not hold a run.
    """
    from bench.store.run_store import RunStore

    with RunStore.open(Path(run)) as store:
        frame = _frame(store)
        for note in store.data().left_out:
            warnings.warn(f"{store.directory}: {note}", stacklevel=2)
    return frame


def reference(name: str | Path) -> pd.DataFrame:
    """The tidy frame of reference results: one row per cell and metric, columns as in `results.csv`.

    Args:
        name: e.g. "zoo", for those in `results/reference/` of a checkout, or a folder that `aebench reference` wrote.
            The folder is kept as `frame.attrs["reference"]`.

    Raises:
        UsageError: there are none of that name, or they are damaged or were edited.
    """
    from bench.analysis.selection import selected
    from bench.reports.csv_tables import results_frame
    from bench.store.references import read_reference

    found = read_reference(name)
    frame = results_frame(found.data, selected(found.spec)).astype(_NULLABLE)
    frame.attrs["reference"] = str(found.directory)
    return frame


def report(
    frame: pd.DataFrame, out: str | Path, *, baseline: str | None = None, select: str | None = None
) -> list[Path]:
    """Write the report of any tidy frame into the folder `out`: several runs put together, or other people's results.

    Args:
        frame: one row per cell and metric, with the columns of `results.csv`, of which `variant`, `dataset`, `seed`,
            `metric` and `value` are needed. A metric whose direction neither the frame (`higher_is_better`) nor this
            package knows is shown as descriptive: nobody is marked in it, and a note says so.
        out: new, empty, or with an earlier report of a table.
        baseline: the variant that the others are compared with; the first one if None.
        select: the `val_*` metric that chooses between settings of one variant.

    Returns:
        The files that were written: `report.html`, `report.md`, tables.

    Raises:
        UsageError: missing columns, a cell that is there twice (by name), an empty value without a reason, one name for
            two data sets; nothing has been written then.
    """
    from bench.reports.of_table import report_table

    return report_table(frame, out, baseline, select)


def _frame(store: RunStore) -> pd.DataFrame:
    from bench.analysis.selection import selected
    from bench.reports.csv_tables import results_frame

    frame = results_frame(store.data(), selected(store.spec)).astype(_NULLABLE)
    frame.attrs["run"], frame.attrs["notes"] = str(store.directory), list(store.data().notes)
    return frame


def _as_split(data: Any, labels: Any) -> Split:
    from bench.contracts.dataset import Split

    if isinstance(data, Split):
        if labels is not None:
            raise UsageError("a Split brings its own labels; leave labels out")
        from bench.data.check_split import check_split

        return check_split(data, ARRAYS)
    from bench.data.frames import plain_frame, plain_labels
    from bench.data.split_arrays import split_arrays

    return split_arrays(plain_frame(data), plain_labels(labels))
