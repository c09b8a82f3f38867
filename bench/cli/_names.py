"""Names that a shell can complete after an option; read from sources, so that a key press waits for nothing heavy."""

from __future__ import annotations

from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

from bench.errors import BenchError

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def plugins(kind: str) -> Completer:
    """Completes names of variants or data sets; a data set can be a file, too."""

    def complete(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        from bench.spec.registry import Registry

        try:
            registry = Registry.discover(context.params.get("plugins") or ())
        except BenchError:
            registry = Registry.discover()
        infos = [registry.info(kind, name) for name in registry.names(kind) if name.startswith(begun)]
        found = [CompletionItem(info.name, help=info.summary) for info in infos]
        return found or ([CompletionItem(begun, type="file")] if kind == "dataset" else [])

    return complete


def metrics(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Completes the last of several names of values, separated by commas."""
    from bench.spec.registry import Registry

    before, comma, last = begun.rpartition(",")
    registry = Registry.discover()
    values = [value for name in registry.names("metric") for value in registry.info("metric", name).values]
    known = {"core": "the usual ones", "all": "every one"} | {value.name: value.summary for value in values}
    return [CompletionItem(before + comma + name, help=text) for name, text in known.items() if name.startswith(last)]


def presets(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Completes names of presets."""
    from bench.spec.presets import preset_names

    return [CompletionItem(name) for name in preset_names() if name.startswith(begun)]
