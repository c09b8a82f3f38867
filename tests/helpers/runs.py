"""Small real runs for tests: in this process or as a command, and their tables compared cell for cell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

import bench.runs.runner
from bench.spec.registry import Registry
from bench.spec.request import ResolvedRun, resolve
from bench.spec.run import RunOptions, RunSpec
from bench.store.checksums import sealed
from bench.store.run_store import RunStore

ROOT = Path(__file__).resolve().parents[2]
#: A run of a second or two: 2 seeds, 30 steps, 6 dimensions.
SMALL = {
    "variant": ["ae", "vae"], "dataset": ["linear-gaussian[d=6,n=300]"], "seeds": 2, "steps": 30, "latent_dim": 2,
    "batch_size": 50, "network": "mlp[hidden=[16]]", "metrics": "test_mse,val_mse,kl", "quiet": True,
}  # fmt: skip
#: What a command runs first when its report is of no interest, because figures and the core take seconds.
NO_REPORT = (
    "import bench.runs.runner; bench.runs.runner.report_run = lambda directory: []; "
    "bench.runs.runner.measure_core = lambda *arguments: None"
)
#: Columns of results.csv that may differ between two runs of the same cells.
_VOLATILE = ("t_train", "t_eval", "peak_rss", "samples_per_second", "timing_valid", "started_at", "run_id", "engine",
             "num_threads", "env_hash", "git_sha", "peak_cuda")  # fmt: skip


def execute(output: Path, arrays: Any = None, **settings: Any) -> bench.runs.runner.RunOutcome:
    """Carry out a small run in this process."""
    return bench.runs.runner.execute(resolve({**SMALL, "output": output, **settings}), arrays)


def resolved(options: RunOptions, cells: Any = (), **spec: Any) -> ResolvedRun:
    """A run of `cells` with these options, for what looks at nothing else."""
    return ResolvedRun(RunSpec(**spec), options, Registry.discover(), tuple(cells))


def command(output: Path, before: str = "", **settings: Any) -> list[str]:
    """The command line of a small run; `before` is Python that runs first, e.g. to bring a limit near."""
    program = ["-c", f"{before}\nfrom bench.cli import main\nmain()"] if before else ["-m", "bench"]
    arguments = [sys.executable, *program, "run", "-o", str(output)]
    for key, value in {**SMALL, **settings}.items():
        for one in value if isinstance(value, list) else [value]:
            option = f"--{key.replace('_', '-')}"
            arguments += [option] if one is True else [option, str(one)] if one not in (None, False) else []
    return arguments


def start(output: Path, before: str = NO_REPORT, **settings: Any) -> subprocess.Popen:
    """Start a small run as a command; its output is text."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(output, before, **settings),
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen, timeout: float = 600.0) -> tuple[int, str, str]:
    """(exit code, output, errors) of a started command."""
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def table(directory: Path) -> pd.DataFrame:
    """`results.csv` without what may differ between two runs of the same cells."""
    frame = pd.read_csv(Path(directory) / "results.csv", dtype=str, keep_default_na=False)
    return frame.drop(columns=list(_VOLATILE))


def assert_same_tables(one: Path, other: Path) -> None:
    """Both runs have the same rows in the same order with the same values to the last bit."""
    pd.testing.assert_frame_equal(table(one), table(other))


def records(directory: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """(variant label, seed) → the latest record of each cell."""
    return {(record["variant_label"], record["seed"]): record for record in RunStore.open(directory).records().values()}


def written(*entries: dict[str, Any]) -> str:
    """The lines of `cells.jsonl` that hold these records, whole or not, each with its own checksum."""
    plain = [{key: value for key, value in entry.items() if key != "checksum"} for entry in entries]
    return "".join(sealed(json.dumps(entry).encode()).decode() + "\n" for entry in plain)


def wait_for(condition: Callable[[], Any], seconds: float = 600.0) -> Any:
    """What `condition` returns as soon as that is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"still waiting after {seconds} s")


def n_records(directory: Path) -> int:
    """Whole lines in a run's `cells.jsonl`."""
    path = Path(directory) / "cells.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0
