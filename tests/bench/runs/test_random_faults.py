"""Accidents at random moments of a run: nothing is lost, nothing miscounted, and the same command again mends it.

`FAULT_TRIES=100 FAULT_FIRST=0 python -m pytest tests/bench/runs/test_random_faults.py -s` makes a hundred tries, from a
first one on, and prints what became of each; the suite makes a few.
"""

import contextlib
import io
import os
import random
import shutil
import sys
import threading
import time

import numpy as np
import pytest
from runs import assert_same_tables, execute

from bench.errors import UsageError
from bench.store import array_files
from bench.store.run_store import RunStore

TRIES = int(os.environ.get("FAULT_TRIES", "4"))
FIRST = int(os.environ.get("FAULT_FIRST", "0"))
#: Seconds before its end in which a run has counted what is there.
COUNTED = 0.05
pytestmark = pytest.mark.usefixtures("no_report", "one_thread")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The run without an accident, and how long it takes."""
    directory = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda store: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        execute(directory / "warm")
        began = time.monotonic()
        execute(directory / "run")
    return directory / "run", time.monotonic() - began


class Lost(io.StringIO):
    """A stream whose reader goes away."""

    gone = False

    def write(self, text):
        if self.gone:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


def vanish(run, rng, stream):
    """The folder, its records or its weights are removed, or the folder is moved."""
    target = rng.choice([run, run / "cells.jsonl", run / "checkpoints"])
    with contextlib.suppress(OSError):
        if target.is_file():
            target.unlink()
        elif rng.random() < 0.5:
            target.rename(target.parent / f"moved-{target.name}")
        else:
            shutil.rmtree(target)


def damage(run, rng, stream):
    """A file of a cell is cut short, changed in one byte, replaced by its neighbour's or gets NaN weights."""
    with contextlib.suppress(OSError, ValueError, IndexError, UsageError):
        kind = rng.choice(["checkpoints", "arrays"])
        files = sorted(path for path in (run / kind).iterdir() if not path.name.startswith("."))
        path, how = rng.choice(files), rng.randrange(4)
        content = bytearray(path.read_bytes())
        if how == 0:
            path.write_bytes(content[: rng.randrange(len(content))])
        elif how == 1:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            path.write_bytes(content)
        elif how == 2 or kind == "arrays":
            path.write_bytes(rng.choice(files).read_bytes())
        else:
            tensors, meta = array_files.load_tensors(path)
            array_files.save_tensors(path, {n: t * np.nan if t.ndim == 2 else t for n, t in tensors.items()}, meta)


def lose(run, rng, stream):
    """Nobody reads the progress any more."""
    stream.gone = True


ACCIDENTS = (vanish, damage, lose)


def whole_cells(run):
    """Cells whose record and files are there and whole, by a look at every byte."""
    if not (run / "cells.jsonl").is_file():
        return 0
    store = RunStore.open(run)
    found = store.records().items()
    return sum(
        record["status"] == "ok" and not store.damaged_files(cell_id, record["files"], whole=True)
        for cell_id, record in found
    )


@pytest.mark.parametrize("number", range(FIRST, FIRST + TRIES))
def test_an_accident_at_a_random_moment(undisturbed, tmp_path, number):
    expected, seconds = undisturbed
    rng = random.Random(number)
    accident, run, stream = ACCIDENTS[number % len(ACCIDENTS)], tmp_path / "run", Lost()
    happened: list[float] = []

    def happen():
        accident(run, rng, stream)
        happened.append(time.monotonic())

    timer = threading.Timer(rng.uniform(0.0, 1.1 * seconds), happen)
    outcome, said = None, ""
    with contextlib.redirect_stderr(stream):
        timer.start()
        try:
            outcome = execute(run, quiet=False)
        except UsageError as error:
            said = str(error)
    ended = time.monotonic()
    timer.cancel()
    timer.join()
    if outcome is None:
        assert "\n" not in said and accident is vanish
    else:
        late = not happened or happened[0] > ended - COUNTED  # after the count, nothing is left to notice it
        assert outcome.n_cells - outcome.n_failed == whole_cells(run) or late
        assert outcome.n_failed == 0 or accident is not lose
    assert sys.stderr is not stream
    told = "in one line" if outcome is None else f"{outcome.n_cells - outcome.n_failed} of {outcome.n_cells} counted"
    again = execute(run)
    assert again.n_failed == 0
    assert whole_cells(run) == 4
    assert_same_tables(run, expected)
    print(f"\ntry {number}: {accident.__name__}: {told}; {again.n_run} cells again; nothing lost")
