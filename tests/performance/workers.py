"""Which division of the cores trains most: sizes of networks × threads per worker × workers, as a Markdown table.

    python tests/performance/workers.py [--seconds 5] [--cores 2] [--only digits,conv] [--rounds 3]

Every worker is a process of its own that trains the same model, all at the same time; the figure is the seeds' steps
per second of all workers together, the median over rounds. Small networks train five seeds in one stack, as in a run.
Needs a checkout and an idle machine; the rule in `bench/runs/engines/workers.py` is what this table says.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BATCH, ROWS = 128, 1280
#: name → shape of the data, network, latent dimension, seeds of a stack.
SIZES: dict[str, dict[str, Any]] = {
    "digits": {"shape": [64], "network": ["mlp", {"hidden": [256]}], "latent_dim": 8, "seeds": 5},
    "mnist": {"shape": [784], "network": ["mlp", {"hidden": [400]}], "latent_dim": 20, "seeds": 1},
    "wide": {"shape": [784], "network": ["mlp", {"hidden": [1024, 512]}], "latent_dim": 32, "seeds": 1},
    "conv": {"shape": [1, 28, 28], "network": ["conv", {}], "latent_dim": 16, "seeds": 1},
    "conv-32": {"shape": [3, 32, 32], "network": ["conv", {"channels": [32, 64]}], "latent_dim": 32, "seeds": 1},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(SIZES), help="comma-separated sizes")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(**json.loads(options.child))
    names = options.only.split(",")
    if unknown := set(names) - set(SIZES):
        parser.error(f"unknown sizes {', '.join(sorted(unknown))}; known: {', '.join(SIZES)}")
    if min(options.cores, options.rounds) < 1 or options.seconds <= 0:
        parser.error("numbers must be above 0")
    print(table({name: measured(name, options) for name in names}))
    return None


def plans(cores: int) -> list[tuple[int, int]]:
    """(workers, threads) that fill at most `cores`, threads in powers of two."""
    threads = [1 << power for power in range(cores.bit_length()) if 1 << power <= cores]
    return [(workers, t) for t in threads for workers in dict.fromkeys((1, cores // t))]


def measured(name: str, options: argparse.Namespace) -> dict[tuple[int, int], list[float]]:
    """Seeds' steps per second of all workers together, by (workers, threads), one per round."""
    found: dict[tuple[int, int], list[float]] = {plan: [] for plan in plans(options.cores)}
    for number in range(options.rounds):
        for workers, threads in found:
            print(f"round {number + 1} of {options.rounds}: {name}, {workers} × {threads}", file=sys.stderr)
            found[workers, threads].append(together(name, workers, threads, options.seconds))
    return found


def together(name: str, workers: int, threads: int, seconds: float) -> float:
    """Start the workers, let all of them get ready, train at the same time, add up."""
    task = json.dumps({"name": name, "threads": threads, "seconds": seconds})
    command = [sys.executable, __file__, "--child", task]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")])
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": "1000", "PYTHONPATH": path}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, env=environment, **pipes) for _ in range(workers)]
    if any(one.stdout.readline() != "ready\n" for one in children):
        raise SystemExit(f"workers.py: a worker of {name} did not start; its own message stands above")
    for one in children:
        one.stdin.write("go\n")
        one.stdin.flush()
    return sum(float(one.communicate()[0]) for one in children)


def child(name: str, threads: int, seconds: float) -> None:
    """One worker: seeds' steps per second in the time given, after a warm-up."""
    import torch

    torch.set_num_threads(threads)
    step, seeds = stepper(name)
    for _ in range(12):
        step()
    print("ready", flush=True)
    sys.stdin.readline()
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        step()
        steps += 1
    print(steps * seeds / (time.perf_counter() - started), flush=True)


def stepper(name: str):
    """(a function that does one training step, seeds that it trains)."""
    import numpy as np
    from loops import CPU

    from bench.contracts.variant import Context
    from bench.losses import ReconstructionCost
    from bench.networks.build import attach
    from bench.networks.factories import networks_named
    from bench.spec.registry import Registry
    from bench.train import TrainPlan
    from bench.train.batches import Rows
    from bench.train.device import keep_freed_memory
    from bench.train.loop import _Run

    keep_freed_memory()
    size = SIZES[name]
    kind, shape = Registry.discover(()).load("variant", "vae"), tuple(size["shape"])

    def model(seed: int):
        context = Context(
            data_shape=shape, latent_dim=size["latent_dim"], cost=ReconstructionCost("squared"), n_classes=0,
            networks=networks_named(*size["network"]), seed=seed, n_train=ROWS, auto_kl_weight=lambda: 0.1,
        )  # fmt: skip
        return attach(kind(), context)

    rows = Rows(np.random.default_rng(0).random((ROWS, *shape), dtype=np.float32), None, CPU)
    none = Rows(np.zeros((0, *shape), dtype=np.float32), None, CPU)
    seeds = range(size["seeds"])
    plan = TrainPlan(10**6, BATCH, optimizer_params={"lr": 1e-3})
    run = _Run([model(seed) for seed in seeds], list(seeds), rows, none, plan, CPU)
    return run.one_step, len(seeds)


def table(results: dict[str, dict[tuple[int, int], list[float]]]) -> str:
    """Seeds' steps per second, and their ratio to one worker with one thread."""
    lines = ["| size | workers × threads | seeds' steps / s (range) | × one worker, one thread |", "|---|--:|--:|--:|"]
    for name, found in results.items():
        base = statistics.median(found[1, 1])
        for (workers, threads), rates in found.items():
            middle = statistics.median(rates)
            spread = f"{middle:,.0f} ({min(rates):,.0f} – {max(rates):,.0f})"
            lines.append(f"| {name} | {workers} × {threads} | {spread} | {middle / base:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
