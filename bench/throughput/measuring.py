"""`measure`: rows of throughput figures, one per variant, cost, batch size, dimension, path and stage."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from bench.cores import Reading, undisturbed
from bench.errors import UsageError, unknown_name
from bench.losses import ReconstructionCost
from bench.memory import refuse_more_than_there_is
from bench.store.environment import cpu_model
from bench.store.throughput_table import BUSY, COLUMNS
from bench.text import printable
from bench.throughput.timing import FULL, QUICK, Effort, Spread, interleaved, ratio
from bench.throughput.workload import VARIANTS, Inputs, OnePass, Shape, idiom, losses
from bench.train.device import keep_freed_memory, out_of_memory
from bench.train.replay.compiler import Compiler, compiler_for

STAGES = {"forward": False, "forward+backward": True}
#: float32 buffers of (B, d) that all paths of one shape hold at once, at most.
_BUFFERS = 12


def measure(
    variants: Sequence[str] = VARIANTS,
    costs: Sequence[ReconstructionCost] = (ReconstructionCost("squared"), ReconstructionCost("bernoulli")),
    batch_sizes: Sequence[int] = (128, 512, 4096),
    dims: Sequence[int] = (784,),
    latent_dim: int = 20,
    device: torch.device | str = "cpu",
    compile: str = "auto",
    quick: bool = False,
    note: Callable[[str], Any] = lambda text: None,
) -> list[dict[str, Any]]:
    """Rows with the keys of `bench.store.throughput_table.COLUMNS`.

    Args:
        variants: of "ae", "stochastic-ae", "vae".
        costs: reconstruction costs.
        batch_sizes, dims, latent_dim: B, d and L.
        device: "cpu", "cuda" or "cuda:N"; a GPU is timed with CUDA graphs and events.
        compile: "auto" compiles the one-pass kernels where a compiler works, "never" does not.
        quick: a few seconds at most for two batch sizes: eager kernels, forward+backward only, fewer timings.
        note: hears a line before each shape.

    Raises:
        UsageError: an unknown variant or a number out of range. A shape that does not fit into memory is a row.
    """
    device = torch.device(device)
    for name in variants:
        if name not in VARIANTS:
            raise unknown_name("core variant", name, VARIANTS)
    for name, sizes in {"batch size": batch_sizes, "dimension": dims, "latent dimension": [latent_dim]}.items():
        for size in sizes:
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise UsageError(f"{name} {size!r} is not a whole number of at least 1")
    compiler = compiler_for(device, "never" if quick else compile)
    effort, stages = (QUICK, {"forward+backward": True}) if quick else (FULL, STAGES)
    shapes = [Shape(v, c, b, d, latent_dim) for v, c, d, b in itertools.product(variants, costs, dims, batch_sizes)]
    session = _Session(device, compiler, stages, effort, note)
    began = Reading()
    for shape in shapes:
        session.attempt(shape, session.time_kernels)
    keep_freed_memory()  # from here on memory is managed as in training
    for shape in shapes:
        session.attempt(shape, session.time_losses)
    quiet = undisturbed(began, Reading(), session.threads)
    return [row if quiet or row["status"] != "ok" else row | {"reason": BUSY} for row in session.rows(shapes)]


class _Session:
    """One call of `measure`: the timings so far, and what failed.

    The idiom and the one-pass kernels are timed with the allocator as the process has it, which for `aebench core` is
    as users of the idiom have it; `bench.losses` is timed with the allocator that training sets.
    """

    def __init__(
        self, device: torch.device, compiler: Compiler, stages: dict[str, bool], effort: Effort, note: Callable
    ) -> None:
        self.device, self.compiler, self.stages, self.effort, self.note = device, compiler, stages, effort, note
        self.threads = torch.get_num_threads()
        self.spreads: dict[tuple[Shape, str], dict[str, Spread]] = {}
        self.failures: dict[Shape, dict[str, Any]] = {}

    def attempt(self, shape: Shape, work: Callable[[Shape], None]) -> None:
        """Do `work` on a shape that has not failed; running out of memory fails this shape only."""
        if shape in self.failures:
            return
        try:
            _check_memory(shape, self.device)
            work(shape)
        except (RuntimeError, MemoryError) as error:
            self.failures[shape] = _failure(error)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def time_kernels(self, shape: Shape) -> None:
        """Copy, idiom and one-pass kernels with their phases, in turns."""
        self.note(f"{shape.variant}, {shape.cost}, batch {shape.batch_size}, dimension {shape.dim}")
        inputs = Inputs(shape, self.device)
        for stage, backward in self.stages.items():
            if self.compiler.works:
                torch.compiler.reset()  # kernels have fixed shapes; old ones would count against the compiler's limits
            one_pass = OnePass(inputs, backward, self.compiler)
            functions: dict[str, Callable[[], object]] = {
                "idiom": idiom(inputs, backward),
                "one-pass": one_pass,
                "cost": one_pass.cost,
            }
            if shape.draws:
                functions |= {"draw": one_pass.draw, "latent": one_pass.latent}
            self._time(shape, stage, functions)

    def time_losses(self, shape: Shape) -> None:
        """`bench.losses` under autograd."""
        inputs = Inputs(shape, self.device)
        for stage, backward in self.stages.items():
            self._time(shape, stage, {"losses": losses(inputs, backward)})

    def _time(self, shape: Shape, stage: str, functions: dict[str, Callable[[], object]]) -> None:
        copy = copy_of(shape.bytes_moved(self.stages[stage]), self.device)
        spreads = interleaved({"copy": copy, **functions}, self.device, self.threads, self.effort)
        own = {f"copy for {name}": spreads["copy"] for name in functions} | spreads
        self.spreads.setdefault((shape, stage), {}).update(own)

    def rows(self, shapes: Sequence[Shape]) -> list[dict[str, Any]]:
        """One row per shape, stage and path; one per failed shape."""
        rows = []
        for shape in shapes:
            common = _common(shape, self.device) | {"threads": self.threads}
            if shape in self.failures:
                rows.append(common | self.failures[shape])
                continue
            for stage, path in itertools.product(self.stages, ("idiom", "losses", "one-pass")):
                spreads = self.spreads[shape, stage]
                row = common | {"path": path, "compiler": "eager", "stage": stage}
                row |= _figures(shape, self.stages[stage], spreads, path)
                if path == "one-pass":
                    row |= {"compiler": self.compiler.name, **_phases(spreads)}
                rows.append(row)
        return [{name: row.get(name) for name in COLUMNS} for row in rows]


def copy_of(moved: int, device: torch.device) -> Callable[[], object]:
    """Copies tensors so large that reading and writing them moves `moved` bytes."""
    source = torch.ones(max(1, moved // 8), device=device)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


def _figures(shape: Shape, backward: bool, spreads: dict[str, Spread], path: str) -> dict[str, Any]:
    own, copy, moved = spreads[path], spreads[f"copy for {path}"], shape.bytes_moved(backward)
    low, high = own.quartiles
    return {
        "seconds": own.median,
        "seconds_low": low,
        "seconds_high": high,
        "repeats": len(own.seconds),
        "samples_per_second": shape.batch_size / own.median,
        "gigabytes_per_second": moved / own.median / 1e9,
        "copy_gigabytes_per_second": moved / copy.median / 1e9,
        "copy_share": ratio(copy, own),
        "ratio_to_idiom": ratio(spreads["idiom"], own),
        "status": "ok",
    }


def _phases(spreads: dict[str, Spread]) -> dict[str, float]:
    phases = {"seconds_cost": spreads["cost"].median}
    if "draw" in spreads:
        draw = spreads["draw"].median
        phases |= {"seconds_draw": draw, "seconds_latent": max(spreads["latent"].median - draw, 0.0)}
    return phases


def _common(shape: Shape, device: torch.device) -> dict[str, Any]:
    return {
        "variant": shape.variant,
        "cost": str(shape.cost),
        "batch_size": shape.batch_size,
        "dim": shape.dim,
        "latent_dim": shape.latent_dim,
        "device": device_name(device),
    }


def device_name(device: torch.device) -> str:
    """The name that rows give a device: "cpu", or the accelerator's."""
    return printable(torch.cuda.get_device_name(device), 100) if device.type == "cuda" else device.type


def _check_memory(shape: Shape, device: torch.device) -> None:
    """Raise `MemoryError` before an allocation that a CPU's memory cannot hold (the system might kill the process)."""
    if device.type != "cpu":
        return
    needed = 4 * shape.batch_size * (_BUFFERS * shape.dim + 2 * _BUFFERS * shape.latent_dim)
    refuse_more_than_there_is(needed, "this shape", "use a smaller batch")


def _failure(error: Exception) -> dict[str, Any]:
    reason = printable(str(error).strip().partition("\n")[0], 200)
    return {"status": "oom" if out_of_memory(error) else "error", "reason": reason}


def facts_of(device: torch.device, compile: str) -> dict[str, str]:
    """Device, threads, versions and how the one-pass kernels were made."""
    capability = torch.backends.cpu.get_cpu_capability()
    processor = f"{cpu_model() or 'CPU'}, {capability}, {torch.get_num_threads()} threads"
    return {
        "device": processor if device.type == "cpu" else device_name(device),
        "torch": torch.__version__.partition("+")[0],
        "one-pass kernels": compiler_for(device, compile).reason,
    }
