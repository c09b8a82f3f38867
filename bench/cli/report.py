"""`aebench report`: write a run's report again, from its files alone."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli._once import OnceCommand

FORMATS = ("md", "csv", "html")


@click.command("report", cls=OnceCommand, short_help="Write the report of a run again.")
@click.argument("run", metavar="RUN")
@click.option("--plugins", multiple=True, metavar="PATH", help="Where the run's own metrics lie now. Repeatable.")
@click.option("--format", "formats", default=",".join(FORMATS), metavar="md,csv,html", help="Which files to write.")
def command(run: str, plugins: tuple[str, ...], formats: str) -> None:
    """Write the report of a finished or unfinished RUN (its directory) and print the paths."""
    from bench.errors import UsageError, unknown_name

    wanted = tuple(dict.fromkeys(part.strip() for part in formats.split(",") if part.strip()))
    for name in wanted:
        if name not in FORMATS:
            raise unknown_name("format", name, FORMATS)
    if not wanted:
        raise UsageError("--format names no format; give some of md,csv,html")
    if not run or not Path(run).is_dir():
        raise UsageError(
            f"{run or 'an empty name'}: no such directory; give the directory of a run, e.g. results/digits-…"
        )
    from bench.reports import write_report
    from bench.spec.registry import Registry

    Registry.discover(plugins)  # what the user names must be there; what the run names may have gone
    for path in write_report(Path(run), wanted, plugins):
        click.echo(path)
