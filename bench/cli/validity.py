"""`aebench validity`: do metrics put real data first, and which degradations of real data do they see?"""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli._once import OnceCommand


@click.command("validity", cls=OnceCommand, short_help="Sweeps that a metric must pass to rank models.")
@click.option("-d", "--dataset", required=True, metavar="NAME[p=v]", help="The data set whose rows are degraded.")
@click.option("--metrics", default="all", show_default=True, help="core, all, or names of values, separated by commas.")
@click.option("--rows", type=click.IntRange(min=100), default=2000, show_default=True, help="Most held-out rows.")
@click.option("--plugins", multiple=True, metavar="PATH", help="File or folder with your own plugins. Repeatable.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=None, help="Directory; results/validity-NAME.")
@click.option("-q", "--quiet", is_flag=True, help="Only name the files.")
@click.pass_context
def command(context: click.Context, dataset, metrics, rows, plugins, output, quiet) -> None:
    """Put averaged, blurred, noisy, fewer, copied and shifted real data to metrics instead of models' samples.

    A metric that ranks models must score real data best, beyond noise, and get steadily worse in every sweep that it
    claims to see; exit code 1 if one does not. Writes validity.csv, validity.md and validity.png.
    """
    from bench.data.check_split import check_split
    from bench.spec.call import parse_call
    from bench.spec.registry import Registry
    from bench.validity.document import failures, write_files
    from bench.validity.measure import sweep_all

    registry = Registry.discover(plugins)
    chosen = registry.metrics_for(metrics)
    call = registry.resolve("dataset", parse_call(dataset))
    split = check_split(registry.load("dataset", call.name)(**call.params), call.name)
    options = registry.metric_options(metrics)
    instances = [registry.load("metric", name)(**options.get(name, {})) for name, _ in chosen]
    wanted = {value for _, values in chosen for value in values}
    note = (lambda text: None) if quiet else (lambda text: click.echo(f"measuring {text}", err=True))
    curves = sweep_all(split, instances, wanted, rows, note)
    title = f"{call.name}, {min(rows, len(split.test)):,} held-out rows"
    for path in write_files(curves, title, output or Path("results") / f"validity-{call.name}"):
        click.echo(path)
    broken = failures(curves)
    for line in broken:
        click.echo(line)
    click.echo("every metric that ranks keeps its claims" if not broken else f"{len(broken)} fail")
    context.exit(1 if broken else 0)
