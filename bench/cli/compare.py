"""`aebench compare`: did a change make anything worse? One table and one exit code."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare", short_help="Compare two runs, with an exit code.")
@click.argument("base", metavar="BASE")
@click.argument("new", metavar="NEW")
@click.option("--fail", "rules", multiple=True, metavar="RULE", help="quality, speed:10% or METRIC:2%. Repeatable.")
@click.option("--metrics", metavar="NAMES", help="Metrics to compare, separated by commas, or all (the primary ones).")
@click.option("--only-changed", is_flag=True, help="Leave out rows that are the same or inconclusive.")
@click.option("--across-machines", is_flag=True, help="Compare speeds even if the machines differ.")
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
    output: str | None,
) -> None:
    """Compare the run NEW with the run BASE (directories of runs), cell by cell and paired by seed.

    Marks: + better, - worse, ~ the same, ? inconclusive, x not comparable (with the reason). Quality and speed are
    apart. Exit code 1 when a --fail rule is broken: `quality` (something is worse, or a cell has no result any more),
    `METRIC:2%` (that metric is worse by more than 2 %), `speed:10%` (training takes more than 10 % longer); 2 when the
    comparison cannot be made.
    """
    from bench.analysis.compare import compare, directed_metrics
    from bench.analysis.fail_rules import parse_gates, violations
    from bench.files import write_text
    from bench.reports.views.compare_markdown import comparison_markdown

    gates = parse_gates(rules)
    names = None
    if metrics:
        names = directed_metrics(new) if metrics.strip() == "all" else _names(metrics)
    extra = [gate.metric for gate in gates if gate.metric]
    comparison = compare(base, new, names, across_machines, extra)
    failed = violations(comparison, gates)
    text = comparison_markdown(comparison, failed, only_changed)
    if output:
        write_text(Path(output), text)
    click.echo(text)
    context.exit(1 if failed else 0)


def _names(text: str) -> list[str]:
    return [name.strip().replace("-", "_") for name in text.split(",") if name.strip()]
