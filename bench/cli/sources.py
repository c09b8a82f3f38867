"""`aebench sources`: the code from outside the package that a run keeps, shown and compared; none of it is run."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli._once import OnceCommand


@click.command("sources", cls=OnceCommand, short_help="Show the plugins and networks that a run keeps.")
@click.argument("run", metavar="RUN")
@click.option("--show", metavar="NAME", help="Print the source of what is called so in the list.")
@click.option("--compare", metavar="PATH", help="What differs in a file, or in the files of a folder, from the run's.")
@click.option("-o", "--output", metavar="DIR", help="Write them all into a new folder, one folder for each.")
def command(run: str, show: str | None, compare: str | None, output: str | None) -> None:
    """List the variants, networks, data sets and metrics from outside the package behind RUN, with their files.

    Their text is in the run, so that a copy of its folder says what was measured. Nothing is imported;
    bench.load_model(RUN, …, trust="stored") runs them on your word. RUN@before lists an earlier version.

    \b
    aebench sources RUN --show mine
    aebench sources RUN --compare mine.py
    """
    from bench.errors import unknown_name
    from bench.reports.stored_sources import differences, stored_sources, write_sources
    from bench.text import printable

    found = stored_sources(run)
    if show is not None and show not in {one.name for one in found}:
        raise unknown_name("source in this run", show, {one.name for one in found})
    for one in [entry for entry in found if show in (None, entry.name)]:
        click.echo(
            printable(f"{one.kind} {one.name} ({one.digest}): {', '.join(one.texts) or 'its text was not kept'}")
        )
        for name, text in one.texts.items() if show is not None else ():
            click.echo(f"--- {printable(name)}\n{_safe(text)}")
        for line in differences(one, Path(compare)) if compare is not None else ():
            click.echo(printable(line))
    if not found:
        click.echo("all code behind this run comes with the package")
    if output is not None:
        click.echo(f"{len(write_sources(found, Path(output)))} files written below {output}")


def _safe(text: str) -> str:
    """A text from anybody's run, without what would steer a terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in text)
