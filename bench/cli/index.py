"""`aebench index`: one page over the runs of a folder."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli._once import OnceCommand


@click.command("index", cls=OnceCommand, short_help="One page over the runs of a folder.")
@click.argument("folder", metavar="DIR", default="results")
def command(folder: str) -> None:
    """Write DIR/index.html (results/ if DIR is left out) and print its path: every run below DIR with its report."""
    from bench.reports.index import write_index

    page, runs = write_index(Path(folder))
    unread = [run for run in runs if run.fault]
    for run in unread:
        click.echo(f"{run.name} cannot be read: {run.fault}", err=True)
    click.echo(f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}: {page}")
