"""`aebench reference`: write a finished run as reference results, or check some that were contributed."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli._once import OnceCommand


@click.command("reference", cls=OnceCommand, short_help="Write a run as reference results, or check some.")
@click.argument("path", metavar="RUN|DIR")
@click.option("-o", "--output", metavar="DIR", help="Where to write; its name is that of the reference results.")
@click.option("--check", is_flag=True, help="Check the reference results in DIR; a line for everything that is wrong.")
@click.pass_context
def command(context: click.Context, path: str, output: str | None, check: bool) -> None:
    """Write the finished RUN as reference results, which `aebench run -m … --against DIR` shows beside others.

    \b
    aebench reference results/zoo-1085ec83 -o results/reference/zoo
    aebench reference --check results/reference/zoo

    Exit codes: 0 written, or nothing is wrong; 1 something is wrong with what was checked; 2 usage.
    """
    from bench.errors import UsageError

    if check == (output is not None):
        raise UsageError("give either -o DIR to write a run as reference results, or --check to check some")
    if check:
        context.exit(_check(path))
    from bench.runs.references import write_reference

    for written in write_reference(Path(path), Path(output or "")):
        click.echo(written)


def _check(path: str) -> int:
    from bench.store.references import problems, read_reference

    found = problems(path)
    for problem in found:
        click.echo(problem)
    if not found:
        reference = read_reference(path)
        cells, metrics = reference.data.cells, reference.data.metrics
        n_variants = cells["variant_label"].nunique()
        click.echo(f"{reference.name} is fine: {n_variants} rows, {len(cells)} cells, {len(metrics)} metrics")
    return 1 if found else 0
