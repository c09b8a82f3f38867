"""`aebench export`: a trained model as a file that runs without this package."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli._model import of_a_model
from bench.cli._once import OnceCommand
from bench.cli._written import writable


@click.command("export", cls=OnceCommand, short_help="A trained model as a file of torch or ONNX, checked.")
@click.argument("run", metavar="RUN")
@click.argument("model", metavar="MODEL")
@click.option("--format", "kind", type=click.Choice(["torch", "onnx"]), help="What is written (as FILE ends).")
@click.option("-o", "--output", required=True, metavar="FILE", help="Where; FILE.decoder is written beside it.")
@of_a_model("existing files")
def command(
    run: str,
    model: str,
    kind: str | None,
    output: str,
    seed: int | None,
    trained_on: str | None,
    force: bool,
    plugins: tuple[str, ...],
) -> None:
    """Write MODEL (a variant's label in RUN) as FILE, rows to codes and reconstructions, and its decoder beside it.

    Rows are taken as they stand in the training data, so that the scaling is inside; what made numbers of a table's
    text is not. The files are loaded again and compared with the model on held-out rows; one that differs is an error,
    and nothing is written. `torch` files need torch alone (torch.export.load), `onnx` files any runtime.

    \b
    aebench export results/measurements-1a2b3c4d vae --format torch -o vae.pt2
    """
    from bench.trained.export import FORMATS, TOLERANCE, decoder_path, export

    path = Path(output)
    kind = kind or next((name for name, ending in FORMATS.items() if path.suffix == ending), None)
    if kind is None:
        endings = " or ".join(f"{ending} ({name})" for name, ending in FORMATS.items())
        raise click.UsageError(f"-o {output}: a model's file ends in {endings}")
    if path.suffix != FORMATS[kind]:
        raise click.UsageError(f"-o {output}: a file of --format {kind} ends in {FORMATS[kind]}")
    for one in (path, decoder_path(path)):
        writable(one, Path(run), force)
    from bench.trained.best import model_of

    for made in export(model_of(run, model, trained_on, seed, plugins), path, kind):
        click.echo(f"{made.path}: {made.takes} -> {made.gives}")
        click.echo(f"  loaded again, largest difference {made.difference:.1e} on {made.rows} (tolerance {TOLERANCE:g})")
