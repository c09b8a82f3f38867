"""Throughput of the sampling-and-loss core: draw z, per-example reconstruction cost and KL, their gradients.

No matrix product takes part: the decoder's output and the gradient it sends back to z are given tensors. `measure`
returns rows, `aebench core` writes them as `core.csv`, `core.md` and `core.svg`; a run stores those of a quick
measurement as `core.csv` in its directory, where the report finds them. `COLUMNS` explains every column. This module
imports without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.core.measuring import measure

#: The file of a run's own measurement, in its directory.
RUN_FILE = "core.csv"
#: Column → what it holds. A row whose status is not "ok" leaves the measured columns empty and says why in `reason`.
COLUMNS = {
    "variant": "ae (cost alone), stochastic-ae (draw and cost), vae (draw, cost and KL)",
    "cost": "squared, bernoulli or gaussian",
    "batch_size": "B, rows",
    "dim": "d, data dimension",
    "latent_dim": "L",
    "device": "cpu or the accelerator's name",
    "threads": "CPU threads of torch",
    "path": "idiom (autograd through torch.nn.functional), losses (bench.losses under autograd) or "
    "one-pass (value and gradient together, buffers reused)",
    "compiler": "inductor or eager: how the path was executed",
    "stage": "forward, or forward+backward",
    "seconds": "median seconds per batch",
    "seconds_low": "first quartile of the same",
    "seconds_high": "third quartile of the same",
    "repeats": "independent timings behind the quartiles",
    "samples_per_second": "B / seconds",
    "gigabytes_per_second": "bytes that must move (every input read once, every result written once) / seconds / 1e9",
    "copy_gigabytes_per_second": "measured bandwidth of copying as many bytes (read + write), median",
    "copy_share": "gigabytes_per_second / copy_gigabytes_per_second",
    "ratio_to_idiom": "how many times faster than the idiom on the same shape and stage, median over rounds",
    "seconds_draw": "of seconds: drawing the noise (one-pass only)",
    "seconds_latent": "of seconds: z, KL and their gradients (one-pass only)",
    "seconds_cost": "of seconds: reconstruction cost and its gradient (one-pass only)",
    "status": "ok, oom or error",
    "reason": "why a row has no numbers",
}

__all__ = ["COLUMNS", "RUN_FILE", "measure"]


def __getattr__(name: str) -> Any:
    if name == "measure":
        from bench.core.measuring import measure

        return measure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
