"""`aebench validity`: do metrics put real data first, and which degradations of real data do they see?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli._once import OnceCommand
from bench.errors import PluginError, UsageError, one_line

if TYPE_CHECKING:
    from bench.contracts.dataset import Split
    from bench.contracts.metric import Metric
    from bench.spec.call import Call
    from bench.spec.registry import Registry


@click.command("validity", cls=OnceCommand, short_help="Sweeps that a metric must pass to rank models.")
@click.option("-d", "--dataset", required=True, metavar="NAME[p=v]", help="The data set whose rows are degraded.")
@click.option("--metrics", default="all", show_default=True, help="core, all, or names of values, separated by commas.")
@click.option(
    "--rows", type=click.IntRange(min=100), default=2000, show_default=True, help="Most held-out rows (at random)."
)
@click.option("--plugins", multiple=True, metavar="PATH", help="File or folder with your own plugins. Repeatable.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=None, help="Directory; results/validity-NAME.")
@click.option("-q", "--quiet", is_flag=True, help="Only name the files.")
@click.pass_context
def command(context: click.Context, dataset, metrics, rows, plugins, output, quiet) -> None:
    """Put averaged, blurred, noisy, fewer, copied and shifted real data to metrics instead of models' samples.

    A metric that ranks models must score real data best, beyond noise, and get steadily worse in every sweep that it
    claims to see; exit code 1 if one does not. Writes validity.csv, validity.md and validity.png.
    """
    from bench.files import refuse_unwritable
    from bench.spec.registry import Registry
    from bench.validity.document import failures, write_files
    from bench.validity.measure import sweep_all
    from bench.validity.models import ROWS_SEED

    registry = Registry.discover(plugins)
    chosen = registry.metrics_for(metrics)
    call = _data_set(registry, dataset)
    split = _loaded(registry, call)
    options = registry.metric_options(metrics)
    instances = [_built(registry, name, options.get(name, {})) for name, _ in chosen]
    directory = output or Path("results") / f"validity-{call.name}"
    refuse_unwritable(directory)
    wanted = {value for _, values in chosen for value in values}
    note = (lambda text: None) if quiet else (lambda text: click.echo(f"measuring {text}", err=True))
    curves = sweep_all(split, instances, wanted, rows, note)
    title = f"{call.name}, {min(rows, len(split.test)):,} held-out rows, drawn at random with seed {ROWS_SEED}"
    for path in write_files(curves, title, directory):
        click.echo(path)
    broken = failures(curves)
    for line in broken:
        click.echo(line)
    click.echo("every metric that ranks keeps its claims" if not broken else f"{len(broken)} fail")
    context.exit(1 if broken else 0)


def _data_set(registry: Registry, text: str) -> Call:
    """The one data set that `text` names, with all its parameters."""
    from bench.spec.values import read_calls

    calls = read_calls("dataset", text)
    if len(calls) > 1:
        raise UsageError(f"-d {text} names {len(calls)} data sets; sweeps are of one: give one value per parameter")
    return registry.resolve("dataset", calls[0])


def _loaded(registry: Registry, call: Call) -> Split:
    """The data, as a run loads and checks them."""
    from bench.runs.cells.worker_state import Workshop
    from bench.spec.cells import CellSpec
    from bench.spec.training import TrainSettings

    return Workshop(registry).split(CellSpec(call, call, 0, TrainSettings()))


def _built(registry: Registry, name: str, options: dict[str, Any]) -> Metric:
    kind = registry.load("metric", name)
    try:
        return kind(**options)
    except Exception as error:
        raise PluginError(f"metric {name!r} cannot be built: {one_line(error)}") from error
