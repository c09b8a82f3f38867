"""Finds plugins: the built-in files, installed packages' entry points, and what `--plugins` names.

Names and signatures come from the source alone (`bench.spec.plugin_file`); a plugin's code runs only in
`Registry.load`, under a module name of its own, so that no plugin folder ever owns a top-level name.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import itertools
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts.metric import of_sampler, source_tag
from bench.errors import PluginError, UsageError, unknown_name
from bench.spec.call import Call, format_value, parse_call, split_list
from bench.spec.path_given import path_given
from bench.spec.plugin_file import KINDS, PluginInfo, describe_file, kebab, read_source
from bench.spec.plugin_path import folders_open, refuse_shadowed
from bench.spec.plugin_sources import entry_point_infos, installed_entry_points, python_files
from bench.spec.signature import fill_parameters

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints, SelectableGroups

    from bench.contracts.metric import Value

PACKAGE = Path(__file__).resolve().parents[1]
#: Name of the data set that stands for arrays given to `bench.run`; its parameter is the checksum of their content.
ARRAYS = "arrays"
#: Prefix of the control models' names where a variant's name is expected.
CONTROL = "control:"


class Registry:
    """All plugins by kind (`KINDS`) and kebab-case name."""

    def __init__(self, foreign: Sequence[PluginInfo] = (), plugins: Sequence[str] = ()) -> None:
        self.plugins = tuple(plugins)
        self._given = tuple(foreign)
        self._tables: dict[str, dict[str, PluginInfo]] = {}
        self._refused: list[PluginInfo] = []

    @classmethod
    def discover(cls, plugins: Sequence[str | Path] = ()) -> Registry:
        """Built-in plugins, those of installed packages, and those in `plugins` (files or folders).

        Raises:
            UsageError: a path that does not exist or holds no plugin, or a name that is taken already.
        """
        found: dict[Path, PluginInfo] = {}
        for plugin in plugins:
            for info in _read_given(Path(plugin)):
                assert info.path is not None
                found.setdefault(info.path.resolve(), info)
        registry = cls(tuple(found.values()), tuple(str(Path(plugin).resolve()) for plugin in plugins))
        for kind in {info.kind for info in registry._given}:
            registry._table(kind)
        return registry

    @classmethod
    def discover_present(cls, plugins: Sequence[str | Path]) -> Registry:
        """As `discover`, for the plugins that a run names: one that is gone, or whose name is taken, is left out."""
        kept: list[str | Path] = []
        for plugin in plugins:
            with contextlib.suppress(UsageError):
                cls.discover([*kept, plugin])
                kept.append(plugin)
        return cls.discover(kept)

    def names(self, kind: str) -> list[str]:
        """The names of all plugins of `kind`, broken ones included, sorted."""
        return sorted(self._table(kind))

    def refused(self, kind: str) -> list[PluginInfo]:
        """Installed plugins whose name is taken already, with the reason in `broken`."""
        self._table(kind)
        return [info for info in self._refused if info.kind == kind]

    def info(self, kind: str, name: str) -> PluginInfo:
        """What is known of one plugin; an unknown name raises `UsageError` with the nearest ones."""
        table = self._table(kind)
        if kebab(name) not in table:
            raise path_given(kind, name) or unknown_name({"dataset": "data set"}.get(kind, kind), name, table)
        return table[kebab(name)]

    def resolve(self, kind: str, call: Call) -> Call:
        """`call` with the canonical name and every parameter filled in.

        Raises:
            UsageError: unknown name or parameter (with the nearest ones), missing parameter, value of a wrong type.
            PluginError: the plugin is broken.
        """
        if kind == "variant" and call.name.startswith(CONTROL):
            return self._control(call)
        if kind == "dataset" and call.name == ARRAYS and ARRAYS not in self._table(kind):
            return call
        info = self._usable(kind, call.name)
        return fill_parameters(info.name, Call(info.name, call.params, call.typed), info.parameters)

    def label(self, kind: str, resolved: Call) -> str:
        """How tables name a resolved call: only the parameters that differ from their defaults."""
        table = self._table(kind)
        if resolved.name not in table:
            return resolved.name
        defaults = table[resolved.name].signature
        changed = {key: value for key, value in resolved.params.items() if defaults.get(key, self) != value}
        listed = ",".join(f"{key}={format_value(value)}" for key, value in changed.items())
        return f"{resolved.name}[{listed}]" if listed else resolved.name

    def load(self, kind: str, name: str) -> Any:
        """The class of a variant, metric or sampler, or a data set's `load`; runs the plugin's file.

        Raises:
            PluginError: the plugin is broken; the message has its file and the reason.
        """
        info = self._usable(kind, name)
        try:
            module = self._module(info)
            return getattr(module, info.attribute) if info.attribute else module.load
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise PluginError(f"{kind} {info.name!r} ({info.origin}) cannot be imported: {reason}") from error

    def metrics_for(self, wanted: str | Sequence[str], samplers: Sequence[Call] = ()) -> list[tuple[str, list[str]]]:
        """Metric plugins with the value names wanted of each, in a fixed order.

        Args:
            wanted: "core", "all", or names of values or of whole metric plugins (a list, or separated by commas); a
                plugin can be given options: `NAME[p=v]`.
            samplers: resolved; what is wanted of "fit" is wanted of them, too.

        Raises:
            UsageError: an unknown name, or none at all; samplers of which nothing is wanted; options that cannot be
                given (`metric_options`).
        """
        self.metric_options(wanted)
        names = [_plain_name(part) for part in _parts(wanted)]
        if not names:
            raise UsageError("no metric is named; give core, all, or names separated by commas")
        declared = self.values_of_metrics(samplers)
        known = _by_word(declared)
        for name in names:
            if name not in known:
                raise unknown_name("metric", name, known)
        chosen = set().union(*(known[name] for name in names))
        wanted_values = [value for values in declared.values() for value in values if value.name in chosen]
        of_fit = [value for value in wanted_values if value.drawn_from == "fit"]
        chosen |= {of_sampler(value, call.name).name for value in of_fit for call in samplers}
        listed = {name: [value for value in values if value.name in chosen] for name, values in declared.items()}
        _refuse_idle(samplers, {value.drawn_from for values in listed.values() for value in values})
        return [(name, [value.name for value in values]) for name, values in listed.items() if values]

    def values_of_metrics(self, samplers: Sequence[Call] = ()) -> dict[str, list[Value]]:
        """The values of each usable metric, and what they measure of draws from `samplers`.

        One that a metric declares itself, as of the mixture, stands for what it would be.

        Raises:
            UsageError: the value of a sampler has the name of another one.
        """
        usable = [info for name in self.names("metric") if not (info := self.info("metric", name)).broken]
        found = {info.name: {value.name: value for value in info.values} for info in usable}
        owners = {name: metric for metric, values in found.items() for name in values}
        for info, call in itertools.product(usable, samplers):
            for value in (of_sampler(value, call.name) for value in info.values if value.drawn_from == "fit"):
                owner = owners.setdefault(value.name, info.name)
                known = found[owner].setdefault(value.name, value)
                if known.drawn_from != value.drawn_from:
                    taken = f"sampler {call.name} would report {value.name}, which metric {owner} reports already"
                    raise UsageError(f"{taken}; give the sampler another name")
        return {metric: list(values.values()) for metric, values in found.items()}

    def samplers_for(self, calls: Sequence[Call]) -> tuple[Call, ...]:
        """Samplers with canonical names and all parameters filled in.

        Raises:
            UsageError: as `resolve`; one sampler with two sets of parameters.
        """
        resolved = tuple(dict.fromkeys(self.resolve("sampler", call) for call in calls))
        names = [call.name for call in resolved]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"sampler {twice[0]} is given twice; a run draws from it with one set of parameters")
        return resolved

    def metric_options(self, wanted: str | Sequence[str]) -> dict[str, dict[str, Any]]:
        """What `wanted` gives metric plugins for their parameters, by plugin, all parameters filled in.

        Plugins without options are left out.

        Raises:
            UsageError: options of something that is no metric plugin, different ones of one plugin, an unknown
                parameter, a value of a wrong type.
        """
        found: dict[str, dict[str, Any]] = {}
        for call in (parse_call(part) for part in _parts(wanted) if "[" in part):
            if kebab(call.name) not in self._table("metric"):
                owners = [name for name in self.names("metric") if _plain_name(call.name) in self._values_of(name)]
                hint = f"; give them to the metric itself: {owners[0]}[…]" if owners else ""
                raise UsageError(f"{call.name} takes no options, because it is no metric plugin{hint}")
            resolved = self.resolve("metric", call)
            if found.setdefault(resolved.name, dict(resolved.params)) != dict(resolved.params):
                raise UsageError(f"metric {resolved.name} has two sets of options; a run measures with one of them")
        return found

    def _values_of(self, metric: str) -> set[str]:
        return {value.name for value in self.info("metric", metric).values}

    @cached_property
    def controls(self) -> tuple[str, ...]:
        """Names of the control models."""
        from bench.spec.builtin_tables import control_names

        return control_names()

    @cached_property
    def baselines(self) -> tuple[str, ...]:
        """Names of the models that are no autoencoders: rows of a report, as controls are, where a run names them."""
        from bench.spec.builtin_tables import baseline_names

        return baseline_names()

    def _control(self, call: Call) -> Call:
        name = kebab(call.name.removeprefix(CONTROL))
        if name not in (known := (*self.controls, *self.baselines)):
            raise unknown_name("control", name, known)
        if call.params:
            raise UsageError(f"{call.name} takes no parameters")
        return Call(CONTROL + name)

    def _usable(self, kind: str, name: str) -> PluginInfo:
        info = self.info(kind, name)
        if info.broken:
            raise PluginError(f"{kind} {info.name!r} ({info.origin}) is broken: {info.broken}")
        return info

    def _module(self, info: PluginInfo) -> Any:
        if info.entry_point:
            return importlib.import_module(info.entry_point.partition(":")[0])
        assert info.path is not None
        if info.path.parent == PACKAGE / "metrics":
            return importlib.import_module(f"bench.metrics.{info.path.stem}")
        content = read_source(info.path)
        mark = hashlib.sha256(str(info.path.resolve()).encode() + b"\0" + content).hexdigest()[:16]
        unique = f"aebench_{info.kind}_{info.path.stem}_{mark}"
        if unique in sys.modules:
            return sys.modules[unique]
        loader = None if is_builtin(info) else _AsItStands(unique, str(info.path))
        spec = importlib.util.spec_from_file_location(unique, info.path, loader=loader)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[unique] = module
        try:
            if is_builtin(info):
                spec.loader.exec_module(module)
            else:
                with folders_open([info.path]):
                    refuse_shadowed(info.path, content)
                    spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(unique, None)
            raise
        return module

    @cached_property
    def _installed(self) -> EntryPoints | SelectableGroups:
        return installed_entry_points()

    def _table(self, kind: str) -> dict[str, PluginInfo]:
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} is not one of {', '.join(KINDS)}")
        if kind not in self._tables:
            table = {info.name: info for path in builtin_files(kind) if (info := describe_file(path, kind))}
            for info in entry_point_infos(kind, self._installed):
                if clash := _clash(info, table):
                    self._refused.append(PluginInfo(info.name, info.kind, info.path, info.entry_point, broken=clash))
                else:
                    table[info.name] = info
            for info in self._given:
                if info.kind != kind:
                    continue
                if clash := _clash(info, table):
                    raise UsageError(clash)
                table.setdefault(info.name, info)
            self._tables[kind] = table
        return self._tables[kind]


def _by_word(declared: Mapping[str, Sequence[Value]]) -> dict[str, set[str]]:
    """What each word of a list of metrics stands for: "core", "all", names of plugins and of values."""
    known: dict[str, set[str]] = {"core": set(), "all": set()}
    for metric, values in declared.items():
        for value in values:
            for key in (metric.replace("-", "_"), value.name, "all", *(("core",) if value.core else ())):
                known.setdefault(key, set()).add(value.name)
    return known


def _refuse_idle(samplers: Sequence[Call], measured: set[str]) -> None:
    """Raise `UsageError` for the first of `samplers` of whose draws nothing is measured."""
    for call in samplers:
        if source_tag(call.name) not in measured:
            tag = source_tag(call.name)
            raise UsageError(
                f"sampler {call.name} is asked for and nothing that is measured is about its draws; add a metric that "
                f"is, e.g. energy_{tag}, or leave the sampler out"
            )


class _AsItStands(importlib.machinery.SourceFileLoader):
    """Reads a file's source and never its byte code, which is stale where an edit keeps second and length."""

    def path_stats(self, path: Any) -> Any:
        """Nothing to compare byte code with."""
        raise OSError(path)


def _parts(wanted: str | Sequence[str]) -> list[str]:
    """The entries of a list of metrics, each as it was written."""
    return [part for text in ([wanted] if isinstance(wanted, str) else wanted) for part in split_list(text)]


def _plain_name(part: str) -> str:
    """A metric's name in snake_case, without its options."""
    return part.partition("[")[0].strip().replace("-", "_").lower()


def builtin_folder(kind: str) -> Path:
    """Where the built-in plugins of `kind` lie: inside the package when installed, beside it in a checkout."""
    folder = f"{kind}s"
    inside = PACKAGE / folder
    return inside if kind == "metric" or inside.is_dir() else PACKAGE.parent / folder


def builtin_files(kind: str) -> list[Path]:
    """The built-in plugin files of `kind`."""
    return python_files(builtin_folder(kind))


def is_builtin(info: PluginInfo) -> bool:
    """Whether a plugin comes with this package."""
    return info.path is not None and info.path.parent == builtin_folder(info.kind)


def _read_given(path: Path) -> list[PluginInfo]:
    try:
        files = python_files(path) if path.is_dir() else [path]
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder; give a .py file of a plugin or a folder of such")
        if not path.is_dir() and path.suffix != ".py":
            raise UsageError(f"{path}: a plugin is a .py file or a folder of such files")
    except OSError as error:
        raise UsageError(f"{path} cannot be read for plugins: {error.strerror}") from error
    infos = [info for file in files if (info := describe_file(file))]
    if not infos:
        raise UsageError(
            f"{path}: no plugin found; a file holds one class derived from Variant, GaussianVariant, "
            "ElboVariant, Metric or Sampler, or a function load"
        )
    return infos


def _clash(info: PluginInfo, table: dict[str, PluginInfo]) -> str | None:
    """Why `info` cannot stand beside the plugins of `table`: its name, or that of a value, is taken; or None."""
    others = [other for other in table.values() if not _same_file(info, other)]
    if any(other.name == info.name for other in others):
        return f"{info.kind} {info.name!r} of {info.origin} has the name of {table[info.name].origin}; rename the file"
    names = {value.name for value in info.values}
    for other in others:
        if taken := [value.name for value in other.values if value.name in names]:
            return f"metric {info.name!r} of {info.origin} reports {taken[0]}, as {other.origin} does; rename the value"
    return None


def _same_file(info: PluginInfo, other: PluginInfo) -> bool:
    return bool(info.path and other.path and info.path.resolve() == other.path.resolve())
