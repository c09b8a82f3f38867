"""The files that decide what a module computes: itself and what it imports, found without running anything.

Of this package, imports are followed file by file; a package's `__init__` counts, and leads to where the names that are
asked of it come from. Of other code only what is local is followed: what lies in the folder of the file that imports
it, in the working folder or on the path, outside the standard library and outside where packages are installed.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from bench.provenance.source import KEPT, Import, Source, source_of
from bench.spec.registry import PACKAGE

#: Rooms that say what is asked, store and print: what they decide stands in a cell's identity, or is no number.
ASIDE = (
    "bench.spec", "bench.store", "bench.errors", "bench.text", "bench.files", "bench.untrusted", "bench.safe_yaml",
    "bench.provenance",
)  # fmt: skip
_FACE = PACKAGE / "__init__.py"
_INSTALLED = tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def closure(roots: Iterable[Path], without: Iterable[str] = ()) -> dict[Path, Source]:
    """Every file that the files `roots` come down to, the roots among them, in order of their paths.

    Args:
        without: modules of this package that are neither counted nor followed, beside those of `ASIDE`.
    """
    walk = _Walk(tuple(_aside(name) for name in (*ASIDE, *without)))
    for root in roots:
        walk.add(root, _home(root))
    while walk.todo:
        walk.follow(*walk.todo.pop())
    KEPT.save()
    return dict(sorted(walk.found.items()))


def package_file(module: str) -> Path | None:
    """The file of a module of this package by its dotted name; None where there is none."""
    return _below(PACKAGE, module.split(".")[1:]) if module.split(".")[0] == "bench" else None


class _Walk:
    """What has been found, and what is still to be followed with the folder whose files count as local."""

    def __init__(self, without: tuple[str, ...]) -> None:
        self.found: dict[Path, Source] = {}
        self.todo: list[tuple[Path, Path | None]] = []
        self._without = without
        self._followed: set[Path] = set()

    def add(self, path: Path, home: Path | None, follow: bool = True) -> None:
        """Count `path`, unless it stands aside; follow what it imports."""
        text = str(path)
        if path == _FACE or any(text == place or text.startswith(place + os.sep) for place in self._without):
            return
        if path not in self.found:
            self.found[path] = source_of(path)
        if follow and path not in self._followed:
            self._followed.add(path)
            self.todo.append((path, home))

    def follow(self, path: Path, home: Path | None) -> None:
        """Add what `path` imports."""
        for statement in self.found[path].imports:
            self._add(statement, path, home)

    def _add(self, statement: Import, importer: Path, home: Path | None) -> None:
        base, parts = _place(statement, importer, home)
        if base is None:
            return
        for depth in range(len(parts)):
            init = base.joinpath(*parts[:depth], "__init__.py")
            if init.is_file():
                self.add(init, home, follow=False)
        target = _below(base, parts)
        if statement.names is None or target is None or target.name != "__init__.py":
            if target is not None:
                self.add(target, home)
            for name in statement.names or () if target is None else ():  # a folder without __init__
                self._member(base.joinpath(*parts), name, home)
            return
        for name in statement.names:
            self._name(target, name, home)

    def _member(self, folder: Path, name: str, home: Path | None) -> bool:
        path = _below(folder, [name])
        if path is not None:
            self.add(path, home)
        return path is not None

    def _name(self, init: Path, name: str, home: Path | None) -> None:
        """Add what `name` is, asked of the package of `init`: a module, what `init` imports, or `init`'s own."""
        if self._member(init.parent, name, home):
            self.add(init, home, follow=False)
            return
        source = source_of(init)
        for statement in (*source.imports, *(source.typing if init == _FACE else ())):
            if statement.names is not None and name in statement.bound:
                self.add(init, home, follow=False)
                one = statement.names[statement.bound.index(name)]
                self._add(statement._replace(names=(one,), bound=(name,)), init, home)
                return
        self.add(init, home)


def _place(statement: Import, importer: Path, home: Path | None) -> tuple[Path | None, list[str]]:
    """The folder below which a statement's module lies, and the parts of its name there; None for foreign code."""
    parts = [part for part in statement.module.split(".") if part]
    if statement.level:
        above = tuple(importer.parents)
        return (above[statement.level - 1] if statement.level <= len(above) else None), parts
    if not parts:
        return None, parts
    if parts[0] == "bench":
        return PACKAGE, parts[1:]
    if parts[0] in sys.stdlib_module_names:
        return None, parts
    base = _top_level(parts[0], tuple(sys.path))
    for place in (base,) if base is not None else (importer.parent, Path.cwd()):
        if _exists(place, parts[0]) and (not is_installed(place / parts[0]) or place == home):
            return place, parts
    return None, parts


@functools.lru_cache(maxsize=1024)
def _top_level(name: str, path: tuple[str, ...]) -> Path | None:
    """The folder that holds the top-level module `name`, as the import system finds it on `path`."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):  # what is loaded says nothing of where it comes from
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).absolute().parent
    return Path(spec.origin).absolute().parent if spec.origin and spec.origin.endswith(".py") else Path(os.devnull)


def is_installed(path: Path) -> bool:
    """Whether a file belongs to the standard library or to an installed package."""
    return any(path.is_relative_to(place) for place in _INSTALLED) or "site-packages" in path.parts


def _home(root: Path) -> Path | None:
    """Where the package of an installed `root` lies, whose other files count as local; None for local files."""
    if not is_installed(root):
        return None
    folder = root.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _below(base: Path, parts: list[str]) -> Path | None:
    place = base.joinpath(*parts)
    for path in (place / "__init__.py", place.with_name(f"{place.name}.py") if parts else place):
        if path.is_file():
            return path
    return None


def _exists(place: Path, name: str) -> bool:
    return (place / name).is_dir() or (place / f"{name}.py").is_file()


def _aside(module: str) -> str:
    place = PACKAGE.joinpath(*module.split(".")[1:])
    return str(place if place.is_dir() else place.with_suffix(".py"))
