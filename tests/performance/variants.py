"""What a training step of each variant costs relative to one of the VAE: the zoo's own networks, batch and stack.

    python tests/performance/variants.py [--only rae,vq] [--threads 1] [--seeds 10] [--rounds 21] [--steps 10]

Ten stacked seeds of 64-256-8 on random data with labels, batch 128, squared cost: the arithmetic of the preset `zoo`.
Of each variant, at its default parameters, so many steps run in turns with as many of the VAE, and as many of the VAE
once more as a control, whose ratio shows the noise. Medians over rounds, with a distribution-free interval; rounds in
which the process was kept waiting for its core are thrown away. Prints a Markdown table as it goes, beside the price
that the prototype of each had, and whether it is within 1.2 times that. Needs a checkout and an idle machine.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]
#: Step cost of the prototypes, × VAE, rough; of a range its upper end.
PROTOTYPES = {
    "denoising": 0.9, "contractive": 3.3, "sparse-kl": 0.9, "top-k": 0.9, "rae": 1.4, "rae-sn": 1.4,
    "capacity-vae": 1.0, "free-bits": 1.0, "beta-tcvae": 2.4, "factor-vae": 3.8, "dip-vae": 1.1, "info-vae": 4.5,
    "wae-mmd": 4.5, "sliced-wae": 1.9, "cramer-wold": 1.4, "adversarial-ae": 5.6, "acai": 2.6, "iwae": 6.0,
    "vamp-prior": 1.3,
    "mixture-prior": 1.3, "conditional-prior": 1.3, "vq": 1.3, "fsq": 1.1, "lookup-free": 1.1, "categorical": 2.0,
    "von-mises-fisher": 1.9, "poincare": 1.9, "planar": 1.4, "iaf": 1.4, "hamiltonian": 2.8, "ladder": 1.5,
    "sigma-vae": 1.0, "geco": 1.0,
}  # fmt: skip
#: How much more than its prototype a variant may cost.
MARGIN = 1.2
HEAD = "| Variant | Step, × vae | Interval | vae against itself | Prototype | Within 1.2 × |\n|---|--:|--:|--:|--:|---|"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", help="comma-separated variants; all built-in ones without it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=10, help="stacked seeds")
    parser.add_argument("--rounds", type=int, default=21, help="undisturbed pairs per ratio")
    parser.add_argument("--steps", type=int, default=10, help="steps per timing")
    options = parser.parse_args()
    if min(options.threads, options.seeds, options.rounds, options.steps) < 1:
        parser.error("numbers must be at least 1")
    from bench.errors import UsageError
    from bench.spec.registry import Registry

    registry = Registry.discover()
    try:
        names = [registry.info("variant", name).name for name in (options.only or "").split(",") if name]
    except UsageError as error:
        parser.error(str(error))
    import torch

    torch.set_num_threads(options.threads)
    print(HEAD)
    for name in names or [name for name in registry.names("variant") if name != "vae"]:
        print(row(name, options), flush=True)


def row(name: str, options: argparse.Namespace) -> str:
    """The line of a variant; one that cannot be trained so says why."""
    from loops import Job, suite_step
    from paired import compare, repeated

    try:
        step = suite_step(Job(variant=name, width=options.seeds, classes=10))
    except Exception as error:  # a line of the table, and the next variant follows
        return f"| {name} | cannot be timed: {type(error).__name__}: {' '.join(str(error).split())} | | | | |"
    reference = repeated(suite_step(Job(width=options.seeds, classes=10)), options.steps)
    found = compare(repeated(step, options.steps), reference, math.inf, options.rounds, attempts=1)
    return line(name, found.ratio, found.interval, found.control)


def line(name: str, ratio: float, interval: tuple[float, float], control: tuple[float, float]) -> str:
    """A row of the table; ratios that too few undisturbed rounds stand for are told as such."""
    if math.isnan(ratio):
        return f"| {name} | too few undisturbed rounds | | | | |"
    goal = PROTOTYPES.get(name)
    within = "" if goal is None else "yes" if ratio <= MARGIN * goal else "no"
    shown = "" if goal is None else f"{goal:g}"
    spread = f"{interval[0]:.2f} to {interval[1]:.2f}"
    return f"| {name} | {ratio:.2f} | {spread} | {control[0]:.2f} to {control[1]:.2f} | {shown} | {within} |"


if __name__ == "__main__":
    main()
