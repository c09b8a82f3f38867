"""What each mechanism of the training step gains: the step without it against the step with all, paired and repeated.

    python tests/performance/mechanisms.py [--threads 1] [--rounds 21] [--only TorchScript,mallopt]

Two jobs: ten stacked seeds of the digits VAE 64-256-8, and one MNIST-size VAE 784-400-20 (random pixels: the arithmetic
is the same). Both steps of a pair run in this process in turns, and the step with all once more as a control, whose
ratio shows the noise. What glibc is told about freed memory holds for a whole process, so that pair is one of fresh
processes. Prints a Markdown table: how much longer the step takes without, with a distribution-free interval of the
median. What gains under 3 % is not worth its lines. Needs a checkout and an idle machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]
#: Steps per timing.
STEPS = {"digits": 10, "mnist": 5, "one": 20}


@dataclass(frozen=True)
class Mechanism:
    """A row of the table: what is taken away from `base`, by the names in `REMOVALS`."""

    words: str
    away: str
    base: tuple[str, ...] = ()


MECHANISMS = {
    "recording": Mechanism("recorded steps (make_fx), all of them", "make_fx"),
    "TorchScript": Mechanism("TorchScript (the list in Python instead)", "TorchScript"),
    "listed": Mechanism("TorchScript and the list (the graph's own code instead)", "listed", ("TorchScript",)),
    "simplify": Mechanism("simplified recordings", "simplify"),
    "Adam": Mechanism("Adam's kernel called directly", "fused Adam"),
    "Linear": Mechanism("own Linear", "Linear"),
    "Linear eager": Mechanism("own Linear, steps that are not recorded", "Linear", ("make_fx",)),
    "mallopt": Mechanism("freed memory kept (mallopt), fresh processes", "mallopt"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=21, help="pairs per ratio")
    parser.add_argument("--only", default=",".join(MECHANISMS), help="comma-separated mechanisms")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.only.split(",")) - set(MECHANISMS)
    if unknown or min(options.threads, options.rounds) < 1:
        parser.error(f"unknown mechanisms {', '.join(sorted(unknown))}" if unknown else "numbers must be at least 1")
    import torch

    torch.set_num_threads(options.threads)
    if options.child:
        print(json.dumps(seconds_per_step(*options.child)))
        return
    print(f"torch {torch.__version__}, {options.threads} thread(s), {options.rounds} pairs, median (interval)\n")
    print("| without | " + " | ".join(f"{job}: × longer | control" for job in STEPS) + " |")
    print("|---|" + "--:|--:|" * len(STEPS))
    for name in options.only.split(","):
        row = [MECHANISMS[name].words, *(cells(name, job, options) for job in STEPS)]
        print(f"| {' | '.join(row)} |", flush=True)


def cells(name: str, job: str, options: argparse.Namespace) -> str:
    """Two cells of the table: ratio and control."""
    from paired import compare

    mechanism = MECHANISMS[name]
    if name == "mallopt":
        return processes(job, options)
    subject, reference = step(job, (*mechanism.base, mechanism.away)), step(job, mechanism.base)
    found = compare(subject, reference, 1.0, options.rounds, attempts=1)
    return f"{shown(found.ratio, *found.interval)} | {found.control[0]:.2f} – {found.control[1]:.2f}"


def shown(middle: float, low: float, high: float) -> str:
    return f"{middle:.3f} ({low:.3f} – {high:.3f})"


def step(job: str, away: tuple[str, ...]) -> Callable[[], None]:
    """A unit of work of `job`, built, settled and run without what `away` names."""
    from loops import DIGITS_STACK, MNIST, Job, suite_step

    with removed(away):
        one = suite_step({"digits": DIGITS_STACK, "mnist": MNIST, "one": Job()}[job])

    def run() -> None:
        with removed(away):
            for _ in range(STEPS[job]):
                one()

    return run


@contextlib.contextmanager
def removed(names: tuple[str, ...]) -> Iterator[None]:
    """Take mechanisms away, and give them back."""
    from torch import nn

    from bench import torch_private
    from bench.networks import conv, mlp
    from bench.train.replay import recorder

    def refuse(*arguments):
        raise RuntimeError("taken away")

    with contextlib.ExitStack() as undo:
        for name in names:
            if name in torch_private.MECHANISMS:
                patch = mock.patch.dict(torch_private._answers, {name: (None, "taken away")})
            elif name == "simplify":
                patch = mock.patch.object(recorder, "simplified", lambda graph, inputs: graph)
            elif name == "listed":
                patch = mock.patch.object(recorder, "listed", refuse)
            else:
                undo.enter_context(mock.patch.object(conv, "Linear", nn.Linear))
                patch = mock.patch.object(mlp, "Linear", nn.Linear)
            undo.enter_context(patch)
        yield


def processes(job: str, options: argparse.Namespace) -> str:
    """The same for mallopt: pairs of processes in turns, and a second process with it as the control."""
    from paired import median_interval

    ratios, controls = [], []
    for _ in range(max(3, options.rounds // 3)):
        kept, freed, again = (child(job, way, options) for way in ("kept", "freed", "kept"))
        ratios.append(2 * freed / (kept + again))
        controls.append(again / kept)
    low, high = median_interval(controls)[1:]
    return f"{shown(*median_interval(ratios))} | {low:.2f} – {high:.2f}"


def child(job: str, way: str, options: argparse.Namespace) -> float:
    command = [sys.executable, __file__, "--threads", str(options.threads), "--child", job, way]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def seconds_per_step(job: str, way: str) -> float:
    """In a process of its own: the median of many timings, with freed memory kept or given back."""
    import loops

    if way == "freed":
        loops.keep_freed_memory = lambda: False
    run, times = step(job, ()), []
    for _ in range(30):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times) / STEPS[job]


if __name__ == "__main__":
    main()
