"""`aebench report`: write a run's report again, or that of several runs together, from their files alone."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli._once import OnceCommand

FORMATS = ("md", "csv", "html")
ALL_FORMATS = (*FORMATS, "latex")


@click.command("report", cls=OnceCommand, short_help="Write the report of a run again, or of several together.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--plugins", multiple=True, metavar="PATH", help="Where the run's own metrics lie now. Repeatable.")
@click.option("--format", "formats", metavar="LIST", help="Which files to write, of md,csv,html,latex (md,csv,html).")
@click.option("--export", metavar="DIR", help="Write tables, figures and references for a paper there, nothing else.")
@click.option("-o", "--output", metavar="DIR", help="Where the report of several runs goes.")
def command(
    runs: tuple[str, ...], plugins: tuple[str, ...], formats: str | None, export: str | None, output: str | None
) -> None:
    """Write the report of a finished or unfinished RUN (its directory) and print the paths.

    \b
    aebench report RUN --format latex      tables.tex beside the other files
    aebench report RUN --export paper      a folder for a paper
    aebench report RUN RUN -o DIR          the cells of several runs in one report
    """
    from bench.errors import UsageError, unknown_name

    wanted = tuple(dict.fromkeys(part.strip() for part in (formats or ",".join(FORMATS)).split(",") if part.strip()))
    for name in wanted:
        if name not in ALL_FORMATS:
            raise unknown_name("format", name, ALL_FORMATS)
    if not wanted:
        raise UsageError(f"--format names no format; give some of {','.join(ALL_FORMATS)}")
    for run in runs:
        if not run or not Path(run).is_dir():
            raise UsageError(
                f"{run or 'an empty name'}: no such directory; give the directory of a run, e.g. results/digits-…"
            )
    if (len(runs) > 1) != (output is not None):
        raise UsageError(
            f"{len(runs)} runs are reported together in a folder of their own; give it with -o DIR" if output is None
            else "-o is for the report of several runs; that of one is written into its own directory"
        )  # fmt: skip
    if export is not None and (len(runs) > 1 or formats is not None):
        raise UsageError("--export writes one run for a paper; leave out --format and the other runs")
    for path in _write([Path(run) for run in runs], wanted, plugins, export, output):
        click.echo(path)


def _write(
    runs: list[Path], wanted: tuple[str, ...], plugins: tuple[str, ...], export: str | None, output: str | None
) -> list[Path]:
    from bench.spec.registry import Registry

    Registry.discover(plugins)  # what the user names must be there; what the run names may have gone
    if export is not None:
        from bench.reports.paper import export_paper

        return export_paper(runs[0], export, plugins)
    if output is not None:
        from bench.reports.joined import report_joined

        return report_joined(runs, output, wanted, plugins)
    from bench.reports import write_report

    return write_report(runs[0], wanted, plugins)
