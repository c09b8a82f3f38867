"""`aebench run`: train, evaluate, store and report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from bench.cli import _names
from bench.cli._once import OnceCommand
from bench.cli._whole import WHOLE, WHOLE_LIST
from bench.spec.training import SETTINGS, Setting

#: Whole numbers are read strictly.
_TYPES: dict[type, Any] = {int: WHOLE}


def _option(name: str, setting: Setting) -> Callable[[Any], Any]:
    """The option that gives a setting of the training."""
    words = [f"-{setting.short}"] if setting.short else []
    one = WHOLE_LIST if setting.several else _TYPES.get(setting.kind, setting.kind)
    kind: dict[str, Any] = {"is_flag": True, "default": None} if setting.kind is bool else {"type": one}
    metavar: dict[str, Any] = {} if setting.kind is bool else {"metavar": setting.metavar}
    return click.option(*words, f"--{name.replace('_', '-')}", **kind, **metavar, help=setting.help)


def _refuse_words(context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> None:
    """Words without an option: names of variants or data sets, or brackets that a shell has taken apart."""
    if words:
        raise click.UsageError(
            f"{words[0]!r} stands alone; variants are named with -m and data sets with -d, brackets in quotes: "
            "-m 'vae[beta=[1, 2]]' -d digits",
            context,
        )


def _training_options(command: Any) -> Any:
    """Adds an option for every setting of the training."""
    for name, setting in reversed(SETTINGS.items()):
        command = _option(name, setting)(command)
    return command


@click.command("run", cls=OnceCommand, short_help="Train, evaluate, store and report.")
@click.option(
    "-m",
    "--variant",
    multiple=True,
    metavar="NAME[p=v]",
    shell_complete=_names.plugins("variant"),
    help="Variant; p=[v1,v2] is a grid. Repeatable.",
)
@click.option(
    "-d",
    "--dataset",
    multiple=True,
    metavar="NAME[p=v]",
    shell_complete=_names.plugins("dataset"),
    help="Data set (digits). Repeatable.",
)
@click.option("--seeds", metavar="N|LIST", help="How many (10 is 0 to 9), or which: 0,3,7.")
@click.option("--splits", metavar="K", help="Random splits of the data, each with every seed (1).")
@_training_options
@click.option("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--metrics",
    metavar="NAMES",
    shell_complete=_names.metrics,
    help="core, all, or names separated by commas; see `aebench list metrics`.",
)
@click.option(
    "--samplers", metavar="NAMES", help="Fitted to training codes, to draw from; see `aebench list samplers`."
)
@click.option("--likelihood-rows", metavar="N|all", help="Held-out rows of IWAE and AIS (auto: as many as are cheap).")
@click.option("--controls", is_flag=True, default=None, help="Also evaluate control models whose scores are known.")
@click.option("--baseline", metavar="VARIANT", help="The variant that the others are compared with.")
@click.option("--select", metavar="METRIC", help="The val_* metric that chooses between settings of one variant.")
@click.option("--hypothesis", multiple=True, metavar="A > B on M", help="What you expect, tested alone. Repeatable.")
@click.option(
    "--preset",
    metavar="NAME",
    shell_complete=_names.presets,
    help="A ready-made run; see `aebench list presets`.",
)
@click.option("--against", metavar="NAME|DIR", help="Reference results to stand among: only -m is run. E.g. zoo.")
@click.option("--config", metavar="FILE.yaml", help="A file of the same keys; the command line wins over it.")
@click.option("-o", "--output", metavar="DIR", help="Where to write (results/<name>-<hash>).")
@click.option(
    "-j", "--n-jobs", metavar="N|auto", help="Processes that share the work (auto: as cores and memory allow)."
)
@click.option(
    "--threads",
    type=WHOLE,
    metavar="N",
    help="Threads of a process (1, unless a few large models leave cores idle).",
)
@click.option("--engine", metavar="NAME", help="What runs the cells: local, dask, or dask=ADDRESS of a scheduler.")
@click.option(
    "--timeout",
    metavar="TIME",
    help="Limit per stack of seeds: 30s, 10m, 2h. Without it, what hangs in loss or load is waited for.",
)
@click.option(
    "--max-minutes",
    type=float,
    metavar="N",
    help="Begin nothing after so many minutes, finish what runs, and report; the same command goes on.",
)
@click.option("-f", "--force", is_flag=True, default=None, help="Redo cells that have results already.")
@click.option("-n", "--dry-run", is_flag=True, default=None, help="Show what would run; write nothing.")
@click.option("--tensorboard", is_flag=True, default=None, help="Also write event files (extra aebench[tensorboard]).")
@click.option("--plugins", multiple=True, metavar="PATH", help="File or folder with your own plugins. Repeatable.")
@click.option("-q", "--quiet", is_flag=True, default=None, help="No progress.")
@click.argument("words", nargs=-1, metavar="", expose_value=False, callback=_refuse_words)
@click.pass_context
def command(context: click.Context, preset: str | None, config: str | None, **given: Any) -> None:
    """Train every variant on every data set with every seed, evaluate on held-out data, and write a report.

    Without arguments: ae, stochastic-ae and vae at three KL weights on digits with ten seeds. A run that is called
    again goes on where it stopped. Put brackets in quotes, because shells expand them.

    A preset's data set keeps its parameters where -d names it again: --preset anchor-linear -d 'mnist[root=PATH]'.

    \b
    aebench run -m ae -m 'vae[beta=[0.5,1,2]]' -d 'file[path=data.csv,label=species]' --latent-dim 4

    Exit codes: 0 all cells have results but those that do not go together, 1 some cells or metrics failed or none has
    a result (the report says which and why), 2 usage, 130 after Ctrl-C, 143 after SIGTERM.
    """
    from bench.cli._running import carry_out

    context.exit(carry_out(preset, config, {key: value for key, value in given.items() if value != ()}))
