"""`aebench list`: what there is, read from the sources without importing torch."""

from __future__ import annotations

import click

_KINDS = {"variants": "variant", "datasets": "dataset", "metrics": "metric"}


@click.command("list", short_help="List variants, datasets, metrics and presets.")
@click.argument("what", required=False, type=click.Choice([*_KINDS, "presets"]), metavar="[variants|datasets|…]")
@click.option("-v", "--verbose", is_flag=True, help="Everything known; also tries to import foreign plugins.")
@click.option("--plugins", multiple=True, metavar="PATH", help="File or folder with your own plugins. Repeatable.")
def command(what: str | None, verbose: bool, plugins: tuple[str, ...]) -> None:
    """List variants, datasets, metrics or presets (all of them without an argument)."""
    from bench.cli import _listing
    from bench.registry import Registry

    registry = Registry.discover(plugins)
    blocks = []
    for title, kind in _KINDS.items():
        if what in (None, title):
            lines = _listing.metric_lines(registry, verbose) if kind == "metric" else None
            blocks.append((title, lines if lines is not None else _listing.plugin_lines(registry, kind, verbose)))
    if what in (None, "presets"):
        blocks.append(("presets", _listing.preset_lines(verbose)))
    for place, (title, lines) in enumerate(blocks):
        if what is None:
            click.echo(("\n" if place else "") + title)
        for line in lines:
            click.echo(line)
