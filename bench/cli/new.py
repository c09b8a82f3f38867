"""`aebench new`: a working plugin file to start from."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

import click


@click.command("new", short_help="Write a working plugin file to start from.")
@click.argument("kind", type=click.Choice(["variant", "dataset"]))
@click.argument("name", metavar="NAME")
def command(kind: str, name: str) -> None:
    """Write a plugin NAME into this folder: one file that runs as it is and explains what to change."""
    from bench.cli import _templates
    from bench.errors import UsageError
    from bench.plugin_index import kebab
    from bench.registry import Registry

    name = kebab(name)
    stem = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,60}", stem) or keyword.iskeyword(stem):
        raise UsageError(f"{name!r} is not a plugin name; give letters, digits and -, e.g. my-{kind}")
    registry = Registry.discover()
    if name in registry.names(kind):
        raise UsageError(f"there is a {kind} {name!r} already ({registry.info(kind, name).origin}); give another name")
    words = stem.split("_")
    template = _templates.VARIANT if kind == "variant" else _templates.DATASET
    text = template.format(
        name=name, title=" ".join(words).capitalize(), cls="".join(word.capitalize() for word in words)
    )
    path = Path(f"{stem}.py")
    try:
        with open(path, "x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists already and is left as it is; give another name") from None
    except OSError as error:
        raise UsageError(f"cannot write {path} into this folder: {error.strerror or error}") from error
    option = "-m" if kind == "variant" else "-d"
    click.echo(f"{path} written; try it:")
    click.echo(f"  aebench check {path}")
    click.echo(f"  aebench run --plugins {path} {option} {name} --seeds 3 --steps 300")
