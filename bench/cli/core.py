"""`aebench core`: throughput of the sampling-and-loss core."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli._once import OnceCommand
from bench.cli._whole import WHOLE

_COSTS = ("squared", "bernoulli", "gaussian")
_VARIANTS = ("ae", "stochastic-ae", "vae")


@click.command("core", cls=OnceCommand, short_help="Throughput of sampling and losses.")
@click.option("-m", "--variant", "variants", multiple=True, type=click.Choice(_VARIANTS), help="Repeatable; all three.")
@click.option("--recon", "costs", multiple=True, type=click.Choice(_COSTS), help="Repeatable; squared and bernoulli.")
@click.option("-b", "--batch-size", "batch_sizes", multiple=True, type=WHOLE, help="Repeatable; 128, 512, 4096.")
@click.option("--dim", "dims", multiple=True, type=WHOLE, help="Data dimension. Repeatable; 784.")
@click.option("--latent-dim", type=WHOLE, default=20, show_default=True, help="Latent dimension.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--compile", "compile_choice", type=click.Choice(["auto", "never"]), default="auto", show_default=True,
              help="Compile the one-pass kernels where a compiler works.")  # fmt: skip
@click.option("--quick", is_flag=True, help="A few seconds: eager kernels, fewer timings.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=None, help="Directory; results/core-<device>.")
@click.option("-q", "--quiet", is_flag=True, help="Only name the files.")
def command(variants, costs, batch_sizes, dims, latent_dim, device, compile_choice, quick, output, quiet) -> None:
    """Measure samples/s and GB/s of drawing z, reconstruction cost and KL, with their gradients.

    Against the common PyTorch idiom and against copying as many bytes, per variant, cost, batch size and dimension.
    Timings need an otherwise idle machine.
    """
    import torch

    from bench.files import refuse_unwritable
    from bench.losses import ReconstructionCost
    from bench.spec.run import check_device
    from bench.throughput import document, measure
    from bench.throughput.measuring import facts_of
    from bench.train.device import resolve_device

    check_device(device)
    chosen = torch.device(resolve_device(device))
    directory = output or Path("results") / f"core-{chosen.type}"
    refuse_unwritable(directory)
    rows = measure(
        variants=variants or _VARIANTS,
        costs=[ReconstructionCost(name) for name in costs or _COSTS[:2]],
        batch_sizes=batch_sizes or (128, 512, 4096),
        dims=dims or (784,),
        latent_dim=latent_dim,
        device=chosen,
        compile=compile_choice,
        quick=quick,
        note=(lambda text: None) if quiet else (lambda text: click.echo(f"measuring {text}", err=True)),
    )
    facts = facts_of(chosen, "never" if quick else compile_choice)
    paths = document.write_files(rows, facts, directory)
    if not quiet:
        click.echo(document.markdown(rows, facts))
    for path in paths:
        click.echo(path)
