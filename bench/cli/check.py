"""`aebench check`: the conformance suite for one's own plugin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from bench.errors import PluginError, UsageError, unknown_name
from bench.spec.call import Call, parse_call
from bench.spec.plugin_file import KINDS, kebab
from bench.spec.registry import Registry


@click.command("check", short_help="Check a plugin of your own.")
@click.argument("plugin", metavar="PLUGIN")
@click.option("--plugins", multiple=True, metavar="PATH", help="File or folder that holds the PLUGIN named.")
@click.pass_context
def command(context: click.Context, plugin: str, plugins: tuple[str, ...]) -> None:
    """Check PLUGIN, a .py file, a folder of such files, or NAME[p=v] of a known plugin; exit code 1 if a check fails.

    \b
    aebench check my_variant.py
    aebench check 'my-variant[weight=0.5]' --plugins my_variant.py
    """
    from bench.text import printable

    registry, targets = find_plugins(plugin, plugins)
    failures = 0
    for kind, call in targets:
        click.echo(f"{kind} {call}")
        for check in check_plugin(registry, kind, call):
            mark = {True: "pass", False: "FAIL", None: "n/a "}[check.passed]
            detail = f": {printable(check.detail)}" if check.detail else ""
            click.echo(f"  {mark}  {check.name}{detail}")
            failures += check.passed is False
    click.echo("all checks passed" if not failures else f"{failures} {'check' if failures == 1 else 'checks'} failed")
    context.exit(1 if failures else 0)


def find_plugins(plugin: str, plugins: Sequence[str]) -> tuple[Registry, list[tuple[str, Call]]]:
    """The registry and (kind, call) of everything that `plugin` names: a path, or NAME[p=v].

    Raises:
        UsageError: nothing is there.
    """
    if plugin.endswith(".py") or "/" in plugin or (plugin and Path(plugin).is_dir()):
        registry = Registry.discover([plugin, *plugins])
        inside = Path(plugin).resolve()
        infos = [registry.info(kind, name) for kind in KINDS for name in registry.names(kind)]
        found = [info for info in infos if info.path and inside in (info.path.resolve(), info.path.resolve().parent)]
        return registry, [(info.kind, Call(info.name)) for info in found]
    registry, call = Registry.discover(plugins), parse_call(plugin)
    kinds = [kind for kind in KINDS if kebab(call.name) in registry.names(kind)]
    if not kinds:
        raise unknown_name("plugin", call.name, {name for kind in KINDS for name in registry.names(kind)})
    return registry, [(kind, call) for kind in kinds]


def check_plugin(registry: Registry, kind: str, call: Call) -> list[Any]:
    """The outcome of each check (`bench.conformance.variant.Check`); one that cannot be loaded fails the first.

    Raises:
        UsageError: `call` gives an unknown parameter or a value that the plugin refuses.
    """
    from bench.conformance.variant import Check, check_variant
    from bench.spec.trial import failures

    first = "the plugin can be imported and built from its defaults"
    try:
        params = {} if kind == "metric" else dict(registry.resolve(kind, call).params)
        for _, why in failures(registry, [(kind, Call(call.name, params))]).values():
            return [Check(first, False, why)]
        loaded = registry.load(kind, call.name)
    except PluginError as error:
        return [Check(first, False, str(error))]
    if kind == "variant":
        _refuse_values(loaded, params)
        return check_variant(loaded, params)
    if kind == "dataset":
        from bench.conformance.dataset import check_dataset

        return check_dataset(loaded, params)
    from bench.conformance.metric import check_metric

    return check_metric(loaded, registry.info(kind, call.name))


def _refuse_values(build: Callable[..., Any], params: dict[str, Any]) -> None:
    """Raises the `UsageError` with which a plugin refuses its values; its own defects are left to the checks."""
    try:
        build(**params)
    except UsageError:
        raise
    except Exception:
        return
