"""Where plugin sources lie: files of a folder, and the modules that installed packages' entry points name.

An entry point's module is located without running it or its parent packages.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from bench.spec.plugin_file import PluginInfo, describe_file, kebab

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints, SelectableGroups


def python_files(folder: Path) -> list[Path]:
    """The plugin files directly in `folder`, sorted; names that start with `_` or `.` are helpers, not plugins."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.glob("*.py") if path.is_file() and path.name[0] not in "_.")


def installed_entry_points() -> EntryPoints | SelectableGroups:
    """What all installed packages declare, read once for all kinds."""
    from importlib.metadata import entry_points  # takes as long as a command's first line of help

    return entry_points()


def entry_point_infos(kind: str, installed: EntryPoints | SelectableGroups) -> list[PluginInfo]:
    """The plugins of `kind` that installed packages declare under `aebench.<kind>s`, in order of their names."""
    points = installed.select(group=f"aebench.{kind}s")
    return [_describe(kind, point) for point in sorted(points, key=lambda point: (point.name, point.value))]


def _describe(kind: str, point: EntryPoint) -> PluginInfo:
    name = kebab(point.name)
    try:
        module, attribute = point.module, point.attr or ""
        path = module_path(module)
    except (ImportError, AttributeError, ValueError) as error:
        return PluginInfo(name, kind, None, point.value, broken=f"entry point {point.value!r}: {error}")
    if path is None:
        return PluginInfo(
            name, kind, None, point.value, broken=f"module {module!r} has no source file that can be read"
        )
    info = describe_file(path, kind, name=name, entry_point=point.value, attribute=attribute)
    if info is None:
        return PluginInfo(name, kind, path, point.value, broken=f"{path} holds no {kind} {attribute}".rstrip())
    return info


def module_path(module: str) -> Path | None:
    """The source file of a dotted module name, found without importing anything; None where there is no .py file.

    Raises:
        ImportError: no such module.
    """
    first, *rest = module.split(".")
    spec = importlib.util.find_spec(first)
    if spec is None:
        raise ImportError(f"no module named {module!r}")
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    for part in rest[:-1]:
        places = [place / part for place in places]
    for place in places:
        for path in (place / rest[-1] / "__init__.py", place / f"{rest[-1]}.py"):
            if path.is_file():
                return path
    raise ImportError(f"no module named {module!r}")
