"""`aebench run`: train, evaluate, store and report."""

from __future__ import annotations

from typing import Any

import click

_NUMBER = {"type": int, "metavar": "N"}


@click.command("run", short_help="Train, evaluate, store and report.")
@click.option("-m", "--variant", multiple=True, metavar="NAME[p=v]", help="Variant; p=[v1,v2] is a grid. Repeatable.")
@click.option("-d", "--dataset", multiple=True, metavar="NAME[p=v]", help="Data set (digits). Repeatable.")
@click.option("--seeds", metavar="N|LIST", help="How many (10 is 0 to 9), or which: 0,3,7.")
@click.option("--epochs", **_NUMBER, help="Length of training in epochs.")
@click.option("--steps", **_NUMBER, help="Length of training in steps (1500).")
@click.option("--latent-dim", type=int, metavar="L", help="Dimension of the code (8).")
@click.option("--network", metavar="NAME[p=v]", help="'mlp[hidden=[256]]', 'conv[channels=[32,64]]' or module:factory.")
@click.option("--recon", metavar="COST", help="squared, bernoulli or 'gaussian[scale=1]'.")
@click.option("--optimizer", metavar="NAME[p=v]", help="'adam[lr=3e-3]', adamw, sgd or rmsprop.")
@click.option(
    "--schedule", metavar="NAME", help="Learning rate: cosine, constant or 'stages[lengths=[1,3],factor=0.1]'."
)
@click.option("--early-stopping", type=int, metavar="PATIENCE", help="Epochs without gain until a seed stops.")
@click.option("-b", "--batch-size", type=int, metavar="B", help="Examples per step (128).")
@click.option("--precision", metavar="NAME", help="Of products in training: float32, tf32 (GPU only) or bf16.")
@click.option("--compile", is_flag=True, default=None, help="Compile training steps (needs a compiler; for long runs).")
@click.option("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N.")
@click.option("--metrics", metavar="NAMES", help="core, all, or names separated by commas; see `aebench list metrics`.")
@click.option("--controls", is_flag=True, default=None, help="Also evaluate control models whose scores are known.")
@click.option("--baseline", metavar="VARIANT", help="The variant that the others are compared with.")
@click.option("--select", metavar="METRIC", help="The val_* metric that chooses between settings of one variant.")
@click.option("--preset", metavar="NAME", help="A ready-made run; see `aebench list presets`.")
@click.option("--config", metavar="FILE.yaml", help="A file of the same keys; the command line wins over it.")
@click.option("-o", "--output", metavar="DIR", help="Where to write (results/<name>-<hash>).")
@click.option("-j", "--n-jobs", type=int, metavar="N", help="Stacks trained at the same time (1).")
@click.option("--engine", metavar="NAME", help="What runs the cells: local, dask, or dask=ADDRESS of a scheduler.")
@click.option("--timeout", metavar="TIME", help="Limit per stack of seeds: 30s, 10m, 2h.")
@click.option("-f", "--force", is_flag=True, default=None, help="Redo cells that have results already.")
@click.option("-n", "--dry-run", is_flag=True, default=None, help="Show what would run; write nothing.")
@click.option("--tensorboard", is_flag=True, default=None, help="Also write event files (extra aebench[tensorboard]).")
@click.option("--plugins", multiple=True, metavar="PATH", help="File or folder with your own plugins. Repeatable.")
@click.option("-q", "--quiet", is_flag=True, default=None, help="No progress.")
@click.pass_context
def command(context: click.Context, preset: str | None, config: str | None, **given: Any) -> None:
    """Train every variant on every data set with every seed, evaluate on held-out data, and write a report.

    Without arguments: ae, stochastic-ae and vae at three KL weights on digits with ten seeds. A run that is called
    again goes on where it stopped. Put brackets in quotes, because shells expand them.

    A preset's data set keeps its parameters where -d names it again: --preset anchor-linear -d 'mnist[root=PATH]'.

    \b
    aebench run -m ae -m 'vae[beta=[0.5,1,2]]' -d 'file[path=data.csv,label=species]' --latent-dim 4

    Exit codes: 0 all cells have results, 1 some cells failed (the report says which and why), 2 usage.
    """
    from bench.cli._running import carry_out
    from bench.errors import UsageError

    if given["steps"] is not None and given["epochs"] is not None:
        raise UsageError("both --steps and --epochs are given; give one of them")
    context.exit(carry_out(preset, config, {key: value for key, value in given.items() if value != ()}))
