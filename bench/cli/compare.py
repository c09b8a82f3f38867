"""`aebench compare`: did a change make anything worse? One table and one exit code."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli._once import OnceCommand


@click.command("compare", cls=OnceCommand, short_help="Compare two runs, with an exit code.")
@click.argument("base", metavar="BASE")
@click.argument("new", metavar="NEW")
@click.option(
    "--fail", "rules", multiple=True, metavar="RULE", help="quality[:2%], METRIC:2% or speed:10%. Repeatable."
)
@click.option("--metrics", metavar="NAMES", help="Metrics to compare, separated by commas, or all (the primary ones).")
@click.option("--only-changed", is_flag=True, help="Leave out rows that are the same or inconclusive.")
@click.option("--across-machines", is_flag=True, help="Compare speeds even if the machines differ.")
@click.option("--across-settings", is_flag=True, help="Match by variant, data set and seed, whatever else differs.")
@click.option("-o", "--output", metavar="FILE.md", help="Write the Markdown there, too.")
@click.pass_context
def command(
    context: click.Context,
    base: str,
    new: str,
    rules: tuple[str, ...],
    metrics: str | None,
    only_changed: bool,
    across_machines: bool,
    across_settings: bool,
    output: str | None,
) -> None:
    """Compare the run NEW with the run BASE (directories of runs), cell by cell and paired by seed.

    Marks: + better, - worse, ~ the same, ? inconclusive, x not comparable (with the reason). Quality and speed are
    apart. Exit code 1 when a --fail rule is broken: `quality` (something is shown to be worse), `quality:2%` or
    `METRIC:2%` (something is not shown to be worse by at most 2 %; `quality:margin` takes each metric's smallest effect
    of interest), `speed:10%` (training takes more than 10 % longer); all but the last also where a result of BASE is
    gone. 2 when nothing could be compared.
    """
    from bench.analysis.compare import compare, directed_metrics
    from bench.analysis.fail_rules import judge_gates, parse_gates
    from bench.errors import UsageError
    from bench.files import write_text
    from bench.reports.views.compare_markdown import comparison_markdown

    gates = parse_gates(rules)
    names = None
    if metrics is not None:
        names = directed_metrics(new) if metrics.strip() == "all" else _names(metrics)
        if not names:
            raise UsageError("--metrics names no metric; give all, or names separated by commas")
    extra = [gate.metric for gate in gates if gate.metric]
    comparison = compare(base, new, names, across_machines, extra, across_settings)
    outcome = judge_gates(comparison, gates)
    text = comparison_markdown(comparison, [*outcome.failed, *outcome.undecided], only_changed)
    click.echo(text)
    if output is not None:
        write_text(Path(output), text)
    if outcome.failed:
        context.exit(1)
    if outcome.undecided:
        raise UsageError("; ".join(outcome.undecided))


def _names(text: str) -> list[str]:
    return [name.strip().replace("-", "_") for name in text.split(",") if name.strip()]
