"""`aebench eval`: tomorrow's rows through a trained model."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli._model import of_a_model
from bench.cli._once import OnceCommand
from bench.cli._written import writable


@click.command("eval", cls=OnceCommand, short_help="Tomorrow's rows through a trained model: errors and drift.")
@click.argument("run", metavar="RUN")
@click.option(
    "-d", "--data", required=True, metavar="FILE", help="A file of new rows, of the kind that was trained on."
)
@click.option("-m", "--variant", metavar="NAME", help="Which model (the one that the report recommends).")
@click.option("-o", "--output", metavar="FILE.csv", help="Write each row's error there.")
@of_a_model("an existing FILE.csv")
def command(
    run: str,
    data: str,
    variant: str | None,
    seed: int | None,
    trained_on: str | None,
    output: str | None,
    force: bool,
    plugins: tuple[str, ...],
) -> None:
    """Give the rows of FILE to a model of RUN: the error of each, and how the rows differ from the training rows.

    They are read, filled and scaled as the training rows decided; columns that are missing or in another order are
    refused by name. Nothing is trained, and the folder of the run is not touched.

    \b
    aebench eval results/measurements-1a2b3c4d -d tomorrow.csv -o errors.csv
    """
    target = None if output is None else writable(Path(output), Path(run), force, [Path(data)])
    from bench.trained.best import model_of
    from bench.trained.evaluation import evaluate_new, lines, write_errors

    model = model_of(run, variant, trained_on, seed, plugins)
    found = evaluate_new(model, data)
    click.echo(
        f"{model.info['variant_label']} with seed {model.info['seed']}, trained on {model.info['dataset_label']}"
    )
    for line in lines(found):
        click.echo(line)
    if target is not None:
        click.echo(f"errors of {len(found.errors):,} rows: {write_errors(found, target)}")
