"""The command line's `run` as a function that takes arrays and returns a pandas frame, and the reading of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.spec.call import Call
from bench.spec.config import build_run, combine, read_config
from bench.spec.registry import ARRAYS, Registry

#: Types of the columns that can be empty; the others are text or floating-point numbers.
_NULLABLE = {"seed": "int64", "higher_is_better": "boolean", "timing_valid": "boolean"} | dict.fromkeys(
    ("peak_rss", "peak_cuda", "n_params", "flops", "num_threads"), "Int64"
)

if TYPE_CHECKING:
    import pandas as pd

    from bench.contracts.dataset import Split


def run(
    variants: str | Call | Sequence[str | Call] | None = None,
    datasets: str | Call | Sequence[str | Call] | None = None,
    *,
    data: Any = None,
    labels: Any = None,
    seeds: int | str | Sequence[int] | None = None,
    latent_dim: int | None = None,
    network: str | Call | None = None,
    recon: str | Call | None = None,
    optimizer: str | Call | None = None,
    schedule: str | None = None,
    steps: int | None = None,
    epochs: int | None = None,
    early_stopping: int | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    compile: bool | None = None,
    device: str | None = None,
    metrics: str | Sequence[str] | None = None,
    controls: bool | None = None,
    baseline: str | None = None,
    select: str | None = None,
    preset: str | None = None,
    config: str | Path | None = None,
    output: str | Path | None = None,
    plugins: str | Path | Sequence[str | Path] = (),
    n_jobs: int | None = None,
    engine: str | None = None,
    timeout: float | str | None = None,
    force: bool = False,
    quiet: bool = False,
    tensorboard: bool = False,
) -> pd.DataFrame:
    """Run a benchmark: `aebench run` from Python, with the same words, defaults and files.

    Args:
        variants: one or several of `NAME[p=v]`, e.g. ["ae", "vae[beta=[0.5,1,2]]"].
        datasets: one or several of `NAME[p=v]`; not together with `data`.
        data: one's own data instead: (N, D), (N, H, W) or (N, C, H, W), array, frame, tensor, or a ready
            `bench.Split`; divided by seed 0 and scaled as `file[path=…]` does.
        labels: (N,) for `data`, or None.
        seeds: how many (10 means 0 … 9), or which.
        output: directory of the run; results/<name>-<hash> if None.
        plugins: files or folders with foreign plugins.
        Everything else as `aebench run --help` says.

    Returns:
        The tidy frame of `results.csv`: one row per cell and metric. The run's directory is `frame.attrs["run"]`.

    Raises:
        UsageError: the request cannot be carried out; nothing has been written then.
    """
    from bench.spec.presets import over_preset, read_preset

    given = {
        "variant": variants, "dataset": datasets, "seeds": seeds, "latent_dim": latent_dim, "network": network,
        "recon": recon, "optimizer": optimizer, "schedule": schedule, "steps": steps, "epochs": epochs,
        "early_stopping": early_stopping, "batch_size": batch_size, "precision": precision, "compile": compile,
        "device": device, "metrics": metrics, "controls": controls, "baseline": baseline, "select": select,
        "output": output, "plugins": plugins or None, "n_jobs": n_jobs, "engine": engine, "timeout": timeout,
        "force": force or None, "quiet": quiet or None, "tensorboard": tensorboard or None,
    }  # fmt: skip
    if steps is not None and epochs is not None:
        raise UsageError("both steps and epochs are given; give one of them")
    split = None
    if data is not None:
        if datasets is not None:
            raise UsageError("both data and datasets are given; give one of them")
        split = _as_split(data, labels)
        given["dataset"] = Call(ARRAYS, {"checksum": split.checksum()})
    elif labels is not None:
        raise UsageError("labels are given without data")
    layer = read_preset(preset) if preset else {}
    later = [over_preset(layer, read_config(Path(config)))] if config else []
    spec, options = build_run(combine(layer, *later, over_preset(layer, given)))
    registry = Registry.discover(spec.plugins)
    spec = spec.validate(registry)
    if split is None and any(call.name == ARRAYS for call in spec.datasets):
        raise UsageError("this run's data are arrays; give them as data=… to go on with it")

    from bench.runs.runner import execute

    outcome = execute(spec, options, registry, split)
    return load(outcome.directory)


def load(run: str | Path) -> pd.DataFrame:
    """The tidy frame of a run's results: one row per cell and metric, columns as in `results.csv`.

    Empty truth values and whole numbers are `pandas.NA`, an empty `value` is NaN.

    Args:
        run: the run's directory. It is kept as `frame.attrs["run"]`.

    Raises:
        UsageError: the directory does not hold a run.
    """
    from bench.analysis.selection import selected
    from bench.reports.csv_tables import results_frame
    from bench.store.run_store import RunStore

    with RunStore.open(Path(run)) as store:
        frame = results_frame(store.data(), selected(store.spec)).astype(_NULLABLE)
    frame.attrs["run"] = str(run)
    return frame


def _as_split(data: Any, labels: Any) -> Split:
    from bench.contracts.dataset import Split

    if isinstance(data, Split):
        if labels is not None:
            raise UsageError("a Split brings its own labels; leave labels out")
        from bench.data.check_split import check_split

        return check_split(data, ARRAYS)
    from bench.data.split_arrays import split_arrays

    return split_arrays(data, labels)
