"""Finds what `aebench check` is to check and runs the suite of its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.errors import PluginError, UsageError, unknown_name
from bench.grammar import Call, parse_call
from bench.plugin_index import KINDS, kebab
from bench.registry import Registry


def find_plugins(plugin: str, plugins: Sequence[str]) -> tuple[Registry, list[tuple[str, Call]]]:
    """The registry and (kind, call) of everything that `plugin` names: a path, or NAME[p=v].

    Raises:
        UsageError: nothing is there.
    """
    if plugin.endswith(".py") or "/" in plugin or Path(plugin).is_dir():
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
    """The outcome of each check (`bench.conformance.Check`); a plugin that cannot be loaded fails the first one.

    Raises:
        UsageError: `call` gives an unknown parameter or a value that the plugin refuses.
    """
    from bench.conformance import Check, check_variant

    try:
        loaded = registry.load(kind, call.name)
        params = {} if kind == "metric" else dict(registry.resolve(kind, call).params)
    except PluginError as error:
        return [Check("the plugin can be imported and built from its defaults", False, str(error))]
    if kind == "variant":
        _refuse_values(loaded, params)
        return check_variant(loaded, params)
    if kind == "dataset":
        from bench.conformance_dataset import check_dataset

        return check_dataset(loaded, params)
    from bench.conformance_metric import check_metric

    return check_metric(loaded, registry.info(kind, call.name))


def _refuse_values(build: Callable[..., Any], params: dict[str, Any]) -> None:
    """Raises the `UsageError` with which a plugin refuses its values; its own defects are left to the checks."""
    try:
        build(**params)
    except UsageError:
        raise
    except Exception:
        return
