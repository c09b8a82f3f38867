"""Everything that only a GPU can show, in pieces of under ten minutes: one command, again until it says "all done".

    python tests/performance/gpu.py --out DIR [--images PATH] [--only steps,core] [--minutes 9] [--device cuda]

Each piece is a process of its own. One that is done is not done again; one that runs out of its minutes goes on where a
saved state allows it (the long anchor), or starts anew, at the next call. `DIR/gpu.md` is written after every piece:
the figures, and each failure in its own words. `--images` is the folder of MNIST; without it random pixels stand in
where only time is measured, and what needs digits says so. `--device cpu --small` tries the script itself.

Works without a network. Needs a checkout, and a GPU that nobody else uses.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]
#: Exit code of a piece that is to be called again.
UNFINISHED = 75


def facts(options: argparse.Namespace) -> list[str]:
    import torch

    lines = [f"torch {torch.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores"]
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        lines += [f"{card.name}, {card.total_memory / 2**30:.0f} GiB, {card.multi_processor_count} multiprocessors"]
        lines += [f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"]
    return lines


def tests(options: argparse.Namespace) -> list[str]:
    """The tests that skip without a GPU; a failure is a line."""
    files = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if "cuda" in path.read_text("utf-8")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rf", "-k", "gpu or cuda", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = [line for line in done.stdout.splitlines() if re.match(r"FAILED|ERROR|\d+ (passed|failed|skipped)", line)]
    return [f"`{line}`" for line in found] or [f"no test ran: {done.stdout[-300:]} {done.stderr[-300:]}"]


def steps(options: argparse.Namespace) -> list[str]:
    """ms per step of a VAE, by width of the stack and way to run it."""
    from loops import MNIST, Job

    jobs = {"digits 64-256-8": Job(), "MNIST 784-400-20": MNIST}
    widths = (1, 10) if options.small else (1, 10, 30)
    lines = [
        "| VAE | seeds | eager | recorded | compiled | ten or more seeds ÷ one, recorded |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, job in jobs.items():
        alone = None
        for width in widths:
            found = {way: timed_step(job, width, way, options) for way in ("eager", "recorded", "compiled")}
            alone = alone or found["recorded"]
            cells = " | ".join(f"{value:.3f}" for value in found.values())
            lines.append(f"| {name} | {width} | {cells} | {found['recorded'] / alone:.2f} |")
    return lines


def timed_step(job: Any, width: int, way: str, options: argparse.Namespace) -> float:
    """Median milliseconds of a step over blocks that end with waiting for the device."""
    from dataclasses import replace

    import torch
    from loops import suite_step

    from bench import torch_private

    away = {"make_fx": (None, "taken away")} if way == "eager" else {}
    with mock.patch.dict(torch_private._answers, away):
        step = suite_step(replace(job, width=width), device=torch.device(options.device), compile=way == "compiled")
        times = []
        for _ in range(3 if options.small else 15):
            started = time.perf_counter()
            for _ in range(5 if options.small else 50):
                step()
            settle()
            times.append((time.perf_counter() - started) / (5 if options.small else 50))
    return 1000 * statistics.median(times)


def settle() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def epochs(options: argparse.Namespace) -> list[str]:
    """Three variants × ten seeds × 100 epochs of MNIST's 60,000 images: the aim is 60 s."""
    how = {"epochs": 1 if options.small else 100, "seeds": 2 if options.small else 10}
    started = time.perf_counter()
    frame = run(options, "epochs", ["ae", "stochastic-ae", "vae"], metrics="test_mse", **mnist_job(options), **how)
    seconds = time.perf_counter() - started
    trained = frame.drop_duplicates(["variant", "seed"])["t_train"].sum()
    return [f"{len(frame)} cells, {how['epochs']} epochs each: {seconds:.0f} s with start, evaluation and report; "
            f"training, summed over cells, {trained:.0f} s", *medians(frame, "test_mse")]  # fmt: skip


def core(options: argparse.Namespace) -> list[str]:
    """The sampling-and-loss core against copying as many bytes; the aim is 80 % at B = 4,096."""
    from bench.throughput import document, measure
    from bench.throughput.measuring import facts_of

    rows = measure(device=options.device, quick=options.small, batch_sizes=(128,) if options.small else (512, 4096))
    return document.markdown(rows, facts_of(_device(options), "never" if options.small else "auto")).splitlines()[2:]


def precision(options: argparse.Namespace) -> list[str]:
    """Held-out error of tf32 and bf16 beside float32, same seeds."""
    names = ("float32", "bf16") if options.device == "cpu" else ("float32", "tf32", "bf16")
    lines = []
    for name in names:
        frame = run(options, f"precision-{name}", ["ae", "vae"], metrics="test_mse,coverage_fit",
                    datasets="digits", precision=name, **digits_job(options))  # fmt: skip
        lines += [f"{name}: {line}" for line in [*medians(frame, "test_mse"), *medians(frame, "coverage_fit")]]
    return lines


def determinism(options: argparse.Namespace) -> list[str]:
    """The same run twice, and a seed alone: are the values the same to the bit?"""
    job = {"datasets": "digits", "metrics": "test_mse,train_mse", **digits_job(options)}
    one, two = (run(options, f"same-{n}", ["ae", "vae"], **job) for n in (1, 2))
    alone = run(options, "alone", ["ae", "vae"], **job | {"seeds": [0]})
    keys = ["variant", "seed", "metric"]
    found = {}
    for name, other in {"the same run again": two, "one seed without the others": alone}.items():
        both = one.merge(other, on=keys, suffixes=("", "_other"))
        gap = ((both["value"] - both["value_other"]) / both["value"]).abs()
        found[name] = (
            f"{name}: {int((gap == 0).sum())} of {len(gap)} values the same to the bit, furthest {gap.max():.1e}"
        )
    return list(found.values())


def memory(options: argparse.Namespace) -> list[str]:
    """Peak memory of a training step by width of the stack, MB."""
    import torch
    from loops import MNIST

    if not torch.cuda.is_available():
        return ["not measured: only a GPU counts its memory"]
    lines = ["| seeds of a 784-400-20 VAE | peak, MB |", "|--:|--:|"]
    for width in (1, 10, 30, 100):
        torch.cuda.reset_peak_memory_stats()
        timed_step(MNIST, width, "recorded", options)
        lines.append(f"| {width} | {torch.cuda.max_memory_allocated() / 1e6:.0f} |")
    return lines


def anchor(options: argparse.Namespace) -> list[str]:
    """The long importance-weighted anchor, by stages: a call that runs out of time is gone on with by the next."""
    if options.images is None:
        return ["not run: it needs MNIST; give --images"]
    name = "anchor-pytorch-examples" if options.small else "anchor-iwae"
    folder = options.out / "runs" / name
    command = [sys.executable, "-m", "bench", "run", "--preset", name, "-d", f"mnist[root={options.images}]",
               "--device", options.device, "-o", str(folder)]  # fmt: skip
    started = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, said = started.communicate(timeout=60 * options.minutes - 45)
    except subprocess.TimeoutExpired:
        started.terminate()  # the state of a training is kept
        started.communicate()
        raise SystemExit(UNFINISHED) from None
    if started.returncode:
        raise RuntimeError(said.strip().splitlines()[-1] if said.strip() else f"exit code {started.returncode}")
    report = (folder / "report.md").read_text("utf-8")
    return [line for line in report.splitlines() if "published" in line.lower() or "pass" in line.lower()][:12]


PIECES: dict[str, Callable[[argparse.Namespace], list[str]]] = {
    "facts": facts, "tests": tests, "steps": steps, "epochs": epochs, "core": core, "precision": precision,
    "determinism": determinism, "memory": memory, "anchor": anchor,
}  # fmt: skip
TITLES = {
    "facts": "The machine", "tests": "Tests that need a GPU", "steps": "Milliseconds per training step",
    "epochs": "Three variants, ten seeds, 100 epochs", "core": "The sampling-and-loss core",
    "precision": "tf32 and bf16 beside float32", "determinism": "The same seed twice", "memory": "Memory",
    "anchor": "The long anchor (anchor-iwae)",
}  # fmt: skip


def mnist_job(options: argparse.Namespace) -> dict[str, Any]:
    job = {"network": "mlp[hidden=[400]]", "latent_dim": 20, "recon": "bernoulli", "batch_size": 128}
    if options.images is not None:
        return job | {"datasets": f"mnist[root={options.images}]"}
    import numpy as np

    return job | {"data": np.random.default_rng(0).random((2000 if options.small else 70_000, 784), dtype=np.float32)}


def digits_job(options: argparse.Namespace) -> dict[str, Any]:
    return {"seeds": 2 if options.small else 10, "steps": 200 if options.small else 1500}


def run(options: argparse.Namespace, name: str, variants: list[str], **how: Any) -> Any:
    """A run below `--out`, in this process; what is done of it is not done again."""
    import bench

    where = options.out / "runs" / name
    return bench.run(variants, device=options.device, output=where, n_jobs=1, quiet=True, **how)


def medians(frame: Any, metric: str) -> Iterator[str]:
    for variant, rows in frame[frame["metric"] == metric].groupby("variant"):
        values = rows["value"].dropna()
        yield f"{variant} {metric} {values.mean():.5f} ± {values.std():.5f} over {len(values)} seeds"


def _device(options: argparse.Namespace) -> Any:
    import torch

    return torch.device(options.device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for pieces, runs and gpu.md")
    parser.add_argument("--images", type=Path, help="folder of MNIST")
    parser.add_argument("--only", default=",".join(PIECES), help="comma-separated pieces")
    parser.add_argument("--minutes", type=float, default=9.0, help="of a piece, at most")
    parser.add_argument("--total-minutes", type=float, default=9.5, help="after which no further piece is begun")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny figures that mean nothing, to try the script")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := sorted(set(wanted) - set(PIECES)):
        parser.error(f"unknown pieces {', '.join(unknown)}; known: {', '.join(PIECES)}")
    if options.images is not None and not options.images.is_dir():
        parser.error(f"--images {options.images}: no such folder")
    options.out = options.out.resolve()
    if options.child:
        print(json.dumps(PIECES[options.child](options)))
        return
    if options.device != "cpu":
        import torch

        if not torch.cuda.is_available():
            parser.error("torch sees no GPU here; --device cpu --small tries the script itself")
    (options.out / "pieces").mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for name in wanted:
        kept = options.out / "pieces" / f"{name}.json"
        if kept.is_file() and json.loads(kept.read_text("utf-8"))["done"]:
            continue
        left = 60 * options.total_minutes - (time.monotonic() - began)
        if left < 60 and name != wanted[0]:
            break
        options.minutes = min(options.minutes, left / 60)
        kept.write_text(json.dumps(piece(name, options)), "utf-8")
        write(options.out)
    waiting = write(options.out)
    print(f"{options.out / 'gpu.md'}: " + (f"still to do: {', '.join(waiting)}; call again" if waiting else "all done"))


def piece(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """What a piece found: lines of Markdown, whether it is done, seconds."""
    print(f"{name} …", file=sys.stderr, flush=True)
    command = [sys.executable, __file__, "--out", str(options.out), "--minutes", str(options.minutes)]
    command += ["--device", options.device, "--child", name, *(["--small"] if options.small else [])]
    command += ["--images", str(options.images)] if options.images else []
    started = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * options.minutes)
    except subprocess.TimeoutExpired:
        return {
            "done": False,
            "lines": [f"not done within {options.minutes:.1f} minutes"],
            "seconds": 60 * options.minutes,
        }
    seconds = time.monotonic() - started
    if done.returncode == UNFINISHED:
        return {"done": False, "lines": ["begun; the next call goes on"], "seconds": seconds}
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return {"done": True, "lines": [f"**failed**: `{said[0][:300]}`"], "seconds": seconds}
    return {"done": True, "lines": json.loads(done.stdout.splitlines()[-1]), "seconds": seconds}


def write(out: Path) -> list[str]:
    """`gpu.md` from the pieces that there are; the names of those that are still to do."""
    found = {name: json.loads(path.read_text("utf-8")) for name in PIECES
             if (path := out / "pieces" / f"{name}.json").is_file()}  # fmt: skip
    lines = ["# On a GPU", "", "`python tests/performance/gpu.py --out DIR --images PATH`, in pieces.", ""]
    for name, one in found.items():
        body = (
            one["lines"]
            if any(line.startswith("|") for line in one["lines"])
            else [f"- {line}" for line in one["lines"]]
        )
        lines += [f"## {TITLES[name]}", "", *body, "", f"({one['seconds']:.0f} s)", ""]
    (out / "gpu.md").write_text("\n".join(lines), "utf-8")
    return [name for name in PIECES if not found.get(name, {}).get("done")]


if __name__ == "__main__":
    main()
