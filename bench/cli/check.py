"""`aebench check`: the conformance suite for one's own plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bench.cli._once import OnceCommand
from bench.cli._whole import WHOLE
from bench.errors import PluginError, UsageError, one_line, unknown_name
from bench.spec.call import Call, parse_call
from bench.spec.plugin_file import KINDS, kebab
from bench.spec.plugin_path import folders_open
from bench.spec.registry import Registry
from bench.spec.values import read_call

#: The kinds of plugins that an option says something to.
_CONCERNED = {
    "network": {"variant"},
    "dataset": {"variant", "metric"},
    "latent_dim": {"variant", "metric", "sampler"},
}


@click.command("check", cls=OnceCommand, short_help="Check a plugin of your own.")
@click.argument("plugin", metavar="PLUGIN")
@click.option("--latent-dim", type=WHOLE, metavar="L", help="Dimension of the code to try with (3; 2 for metrics).")
@click.option("--network", metavar="NAME[p=v]", help="Networks to try a variant with ('mlp[hidden=[8]]').")
@click.option("-d", "--dataset", metavar="NAME[p=v]", help="Data to try with, instead of small random ones.")
@click.option("--plugins", multiple=True, metavar="PATH", help="File or folder that holds the PLUGIN named.")
@click.pass_context
def command(context: click.Context, plugin: str, plugins: tuple[str, ...], **given: Any) -> None:
    """Check PLUGIN, a .py file, a folder of such files, or NAME[p=v] of a known plugin.

    Exit code 1 if a check fails, or could not be tried because plugin, code dimension, network and data do not go
    together.

    \b
    aebench check my_variant.py
    aebench check 'my-variant[weight=0.5]' --plugins my_variant.py --latent-dim 4 --dataset digits
    """
    from bench.text import printable

    registry, targets = find_plugins(plugin, plugins)
    checks = []
    with folders_open(registry.plugins, here=given["network"] is not None):
        settings = trial_settings(registry, targets, given)
        for kind, call in targets:
            click.echo(f"{kind} {call}")
            for check in check_plugin(registry, kind, call, settings):
                mark = "pass" if check.passed else "n/a " if check.passed is None else "FAIL"
                detail = f": {printable(check.detail)}" if check.detail else ""
                click.echo(f"  {mark if check.ran else 'none'}  {check.name}{detail}")
                checks.append(check)
            if kind == "variant" and all(check.passed is not False and check.ran for check in checks):
                click.echo(f"  cost  {_stacking_cost(registry, call, settings)}")
    failed, not_run = (sum(map(of, checks)) for of in (lambda c: c.passed is False, lambda c: not c.ran))
    click.echo(_conclusion(failed, not_run, sum(check.passed is None and check.ran for check in checks)))
    context.exit(1 if failed or not_run else 0)


def _stacking_cost(registry: Registry, call: Call, settings: Mapping[str, Any]) -> str:
    """What stacking costs a variant that passed its checks; a training that cannot be timed is none of its faults."""
    from bench.conformance.stacking import stacking_cost
    from bench.conformance.variant import Subject

    params = dict(registry.resolve("variant", call).params)
    try:
        return stacking_cost(Subject(registry.load("variant", call.name), params, **settings))
    except Exception as error:
        return f"stacking could not be timed ({one_line(error)})"


def _conclusion(failed: int, not_run: int, inapplicable: int) -> str:
    """The last line: what `failed`, what could not be tried, what does not apply."""
    if not failed and not not_run:
        rest = f" that apply passed ({inapplicable} does not)" if inapplicable else " passed"
        return f"all checks{rest}"
    parts = [f"{failed} {'check' if failed == 1 else 'checks'} failed"] if failed else []
    parts += [f"{not_run} could not be tried; give another --latent-dim, --network or --dataset"] if not_run else []
    return ", ".join(parts)


def trial_settings(registry: Registry, targets: Sequence[tuple[str, Call]], given: dict[str, Any]) -> dict[str, Any]:
    """What plugins are tried with, by keyword of the `check_…` of each kind; without what was not given.

    Raises:
        UsageError: an option that concerns none of the `targets`, or a value that cannot be used.
    """
    kinds = {kind for kind, _ in targets}
    settings: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    for key in settings:
        if not kinds & _CONCERNED[key]:
            word = key.replace("_", "-")
            raise UsageError(f"--{word} says nothing to the check of a {' or '.join(sorted(kinds))}; leave it out")
    if not settings:
        return {}
    from bench.spec.training import TrainSettings

    train = TrainSettings(**{key: settings[key] for key in ("latent_dim", "network") if key in settings})
    if "network" in settings:
        settings["network"] = train.network
    if "dataset" in settings:
        settings["split"] = _loaded(registry, settings.pop("dataset"))
    return settings


def _loaded(registry: Registry, text: str) -> Any:
    """The data set that `text` names."""
    from bench.data.check_split import check_split
    from bench.errors import BenchError, one_line

    call = registry.resolve("dataset", read_call("dataset", text))
    try:
        split = registry.load("dataset", call.name)(**call.params)
    except BenchError:
        raise
    except Exception as error:
        raise UsageError(f"--dataset {text} failed to load: {one_line(error)}") from error
    check_split(split, text)
    return split


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
        if not found:
            raise UsageError(f"{plugin} holds no plugin of its own; give the file or folder that does")
        return registry, [(info.kind, Call(info.name)) for info in found]
    registry, call = Registry.discover(plugins), parse_call(plugin)
    kinds = [kind for kind in KINDS if kebab(call.name) in registry.names(kind)]
    if not kinds:
        raise unknown_name("plugin", call.name, {name for kind in KINDS for name in registry.names(kind)})
    return registry, [(kind, call) for kind in kinds]


def check_plugin(registry: Registry, kind: str, call: Call, settings: Mapping[str, Any] | None = None) -> list[Any]:
    """The outcome of each check (`bench.conformance.variant.Check`); one that cannot be loaded fails the first.

    Args:
        settings: as `trial_settings` gives them.

    Raises:
        UsageError: `call` gives an unknown parameter or a value that the plugin refuses.
    """
    from bench.conformance.variant import Check, check_variant
    from bench.spec.trial import failures

    first, settings = "the plugin can be imported and built from its defaults", dict(settings or {})
    try:
        params = dict(registry.resolve(kind, call).params)
        for _, why in failures(registry, [(kind, Call(call.name, params))]).values():
            return [Check(first, False, why)]
        loaded = registry.load(kind, call.name)
    except PluginError as error:
        return [Check(first, False, str(error))]
    if kind == "dataset":
        from bench.conformance.dataset import check_dataset

        return check_dataset(loaded, params)
    _refuse_values(loaded, params)
    if kind == "sampler":
        from bench.conformance.sampler import check_sampler

        try:
            return [Check(first, True), *check_sampler(loaded(**params), settings.get("latent_dim"))]
        except Exception as error:
            return [Check(first, False, one_line(error))]
    if kind == "variant":
        return check_variant(loaded, params, **settings)
    from bench.conformance.metric import check_metric

    settings.pop("network", None)
    return check_metric(loaded, registry.info(kind, call.name), params, **settings)


def _refuse_values(build: Callable[..., Any], params: dict[str, Any]) -> None:
    """Raises the `UsageError` with which a plugin refuses its values; its own defects are left to the checks."""
    try:
        build(**params)
    except UsageError:
        raise
    except Exception:
        return
