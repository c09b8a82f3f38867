"""`aebench list`: what there is, read from the sources without importing torch."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence

import click

from bench.cli._once import OnceCommand
from bench.contracts.metric import Value
from bench.errors import PluginError
from bench.spec.call import Call, format_value
from bench.spec.plugin_file import PluginInfo
from bench.spec.registry import Registry, is_builtin
from bench.spec.signature import REQUIRED
from bench.text import printable

_KINDS = {"variants": "variant", "datasets": "dataset", "metrics": "metric", "samplers": "sampler"}


@click.command("list", cls=OnceCommand, short_help="List variants, datasets, metrics, samplers and presets.")
@click.argument("what", required=False, type=click.Choice([*_KINDS, "presets"]), metavar="[variants|datasets|…]")
@click.option("-v", "--verbose", is_flag=True, help="Everything known; also tries to import foreign plugins.")
@click.option("--plugins", multiple=True, metavar="PATH", help="File or folder with your own plugins. Repeatable.")
def command(what: str | None, verbose: bool, plugins: tuple[str, ...]) -> None:
    """List variants, datasets, metrics, samplers or presets (all of them without an argument)."""
    from bench.spec.registry import Registry

    registry = Registry.discover(plugins)
    blocks = []
    for title, kind in _KINDS.items():
        if what in (None, title):
            lines = metric_lines(registry, verbose) if kind == "metric" else None
            blocks.append((title, lines if lines is not None else plugin_lines(registry, kind, verbose)))
    if what in (None, "presets"):
        blocks.append(("presets", preset_lines(verbose)))
    for place, (title, lines) in enumerate(blocks):
        if what is None:
            click.echo(("\n" if place else "") + title)
        for line in lines:
            click.echo(line)


def plugin_lines(registry: Registry, kind: str, verbose: bool) -> list[str]:
    """One line per plugin, or its signature, origin and documentation; foreign ones are imported if `verbose`."""
    infos = [*(registry.info(kind, name) for name in registry.names(kind)), *registry.refused(kind)]
    if not verbose:
        return _table((info.name, "broken; see -v" if info.broken else info.summary) for info in infos)
    blocks, failed = [], _import_failures(registry, infos)
    for info in infos:
        broken = info.broken or failed.get(info.name)
        lines = [signature(info), f"    from {printable(info.origin)}"]
        stated = {"family": info.family, "reference": info.reference, "labels": "used" if info.uses_labels else ""}
        lines += [f"    {key}: {printable(text)}" for key, text in stated.items() if text]
        lines += [f"    broken: {printable(broken)}"] if broken else []
        lines += [f"    {printable(line)}".rstrip() for line in info.doc.splitlines()]
        blocks.append("\n".join(lines))
    return ["\n\n".join(blocks)] if blocks else []


def metric_lines(registry: Registry, verbose: bool) -> list[str]:
    """One line per value that a metric reports, or everything it declares."""
    infos = [registry.info("metric", name) for name in registry.names("metric")]
    broken = [info for info in (*infos, *registry.refused("metric")) if info.broken]
    failures = [f"{info.name}  broken: {printable(info.broken)}" for info in broken]
    values = [(info, value) for info in infos if not info.broken for value in info.values]
    values.sort(key=lambda pair: (not pair[1].primary, not pair[1].core))
    if not verbose:
        listed = ((value.name, f"{_set_of(value):<9}{value.summary}") for _, value in values)
        return [*_table(listed), *failures]
    blocks = []
    for info, value in values:
        facts = declared(info, value)
        name = value.name + ("[…]" if value.vector else "")
        lines = [name, *(f"    {line}" for line in textwrap.wrap(printable(value.summary), _width() - 4))]
        lines += [f"    {key + ':':<11}{printable(text)}" for key, text in facts.items() if text]
        blocks.append("\n".join(lines))
    return ["\n\n".join([*blocks, *failures])]


def _set_of(value: Value) -> str:
    return "primary" if value.primary else "core" if value.core else ""


def declared(info: PluginInfo, value: Value) -> dict[str, str]:
    """What a metric declares of one of its values, by the words of `aebench list metrics -v`; "" where it is silent."""
    from bench.analysis.validity_sweeps import seen_text

    direction = {True: "higher is better", False: "lower is better", None: "descriptive"}[value.higher_is_better]
    return {
        "family": f"{info.family} ({info.name})",
        "direction": direction if value.target is None else f"best at {value.target:g}",
        "unit": value.unit,
        "range": value.range,
        "formula": value.formula,
        "needs": ", ".join(value.needs),
        "sweeps": seen_text(value, info.family),
        "gauge": f"{value.gauge} under a change of latent coordinates",
        "set": "core" if value.core else "all",
    }


def preset_lines(verbose: bool) -> list[str]:
    """One line per preset, or its settings."""
    from bench.spec.presets import preset_description, preset_names, read_preset

    if not verbose:
        return _table((name, preset_description(name)) for name in preset_names())
    blocks = []
    for name in preset_names():
        settings = read_preset(name)
        shown = {key: value for key, value in settings.items() if key not in ("name", "description", "anchor")}
        lines = [name, f"    {settings.get('description', '')}"]
        lines += [f"    {key.replace('_', '-')}: {_shown(value)}" for key, value in shown.items()]
        lines += _published_lines(settings.get("anchor"))
        blocks.append("\n".join(lines))
    return ["\n\n".join(blocks)]


def _published_lines(anchor: dict | None) -> list[str]:
    """The published numbers that a preset reproduces, with their tolerances and source."""
    if anchor is None:
        return []
    lines = [f"    reproduces: {anchor['source']}"]
    for entry in anchor["values"]:
        published = entry["published"] if isinstance(entry["published"], list) else [entry["published"]]
        tolerance = f" ± {entry['tolerance']:g}" if "tolerance" in entry else ""
        lines.append(f"        {entry['quantity']}: {' to '.join(f'{value:.10g}' for value in published)}{tolerance}")
    return lines


def signature(info: PluginInfo) -> str:
    """`NAME[p=default,…]`; a parameter that must be given reads `p=…`."""
    pairs = (
        f"{key}={'…' if default is REQUIRED else format_value(default)}" for key, default in info.signature.items()
    )
    return f"{info.name}[{','.join(pairs)}]" if info.signature else info.name


def _import_failures(registry: Registry, infos: Sequence[PluginInfo]) -> dict[str, str]:
    """Why foreign plugins cannot be imported, by name; each is tried in a process of its own first."""
    from bench.spec.trial import failures

    foreign = [info for info in infos if not info.broken and not is_builtin(info)]
    tried = failures(registry, [(info.kind, Call(info.name)) for info in foreign]) if foreign else {}
    found = {foreign[place].name: reason for place, (_, reason) in tried.items()}
    for info in foreign:
        if info.name not in found:
            try:
                registry.load(info.kind, info.name)
            except PluginError as error:
                found[info.name] = str(error)
    return found


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Two columns, the second one cut to the terminal's width."""
    rows = [(printable(name), printable(text)) for name, text in rows]
    first = max((len(name) for name, _ in rows), default=0)
    return [f"{name:<{first}}  {printable(text, max(20, _width() - first - 2))}".rstrip() for name, text in rows]


def _width() -> int:
    return shutil.get_terminal_size((120, 24)).columns
