"""What commands ask that take one of a run's models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from bench.cli._whole import WHOLE


def of_a_model(output: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that say which model, and that `output` may be written over."""
    options = (
        click.option("--seed", type=WHOLE, metavar="N", help="Which of its models (the first that has one)."),
        click.option("--trained-on", metavar="LABEL", help="Which data set's model, where the run has several."),
        click.option("-f", "--force", is_flag=True, help=f"Write over {output}."),
        click.option("--plugins", multiple=True, metavar="PATH", help="File or folder of the variant. Repeatable."),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
