"""Lets code of one's own import what lies beside it, without PYTHONPATH, and says where a name means something else.

The folders are put behind everything that Python finds anyway, so that nothing of a library is replaced; a helper whose
name is taken already is refused by name, because the other module would be imported in its stead.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.errors import PluginError

#: What a process of aebench's own executes first, so that nothing else called `bench` takes this package's place.
OWN = "try:\n    import aebench\nexcept ImportError:\n    pass"


def open_folders(plugins: Iterable[str | Path], here: bool = False) -> None:
    """Make modules beside `plugins` importable in this process and in those that it starts.

    Args:
        plugins: files and folders that the user gave. here: whether the working folder counts, too.
    """
    for plugin in plugins:
        path = Path(plugin).expanduser().absolute()
        _append(path if path.is_dir() else path.parent)
    if here:
        _append(Path.cwd())


@contextlib.contextmanager
def folders_open(plugins: Iterable[str | Path], here: bool = False) -> Iterator[None]:
    """The same for a while: as long as plugins are imported and used, or while somebody looks where modules lie."""
    before = list(sys.path)
    open_folders(plugins, here)
    try:
        yield
    finally:
        sys.path[:] = before


def _append(folder: Path) -> None:
    places = [Path(place or os.getcwd()) for place in sys.path]
    if folder.is_dir() and folder not in places:
        sys.path.append(str(folder))
        importlib.invalidate_caches()


def refuse_shadowed(path: Path, content: bytes) -> None:
    """Raise `PluginError` where the plugin in `path` imports a helper beside it that Python finds elsewhere."""
    for name in dict.fromkeys(_imported(content)):
        beside = [
            place for place in (path.parent / f"{name}.py", path.parent / name / "__init__.py") if place.is_file()
        ]
        if not beside or name in sys.stdlib_module_names:
            continue
        found = _found(name)
        if found is None or found.resolve() != beside[0].resolve():
            raise PluginError(
                f"{path} imports {name}, which lies beside it, but Python finds {found or 'something else'} under that "
                "name; rename the helper"
            )


def _found(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


def _imported(content: bytes) -> Iterator[str]:
    """The top-level modules that a source imports at its top level or inside functions."""
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]
