"""The code behind a cell, in parts: what trains, what builds models, the variant, the network, the data set, metrics.

What counts is found from a few roots by their imports, so that no list has to be kept as files come and go. An edit of
the report, of the statistics or of the command line changes no part; an edit of comments changes none either.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from bench.errors import UsageError
from bench.provenance.closure import closure, is_installed, package_file
from bench.provenance.loaded import forget_stale
from bench.provenance.source import Source, source_of
from bench.spec.builtin_tables import network_module
from bench.spec.call import Call
from bench.spec.plugin_file import KINDS, read_source
from bench.spec.plugin_sources import module_path
from bench.spec.registry import ARRAYS, CONTROL, PACKAGE, Registry, builtin_folder

#: Where training begins: what is imported from here, and only that, decides what a training computes.
TRAINING_ROOTS = ("bench.runs.cells.training", "bench.runs.cells.worker_state", "bench.runs.cells.isolation")
#: What turns weights into a model that encodes and decodes, besides its variant and its network.
MODEL_ROOTS = ("bench.networks.build", "bench.contracts.variant", "bench.losses")
#: Where evaluation begins; metrics, which are plugins, count beside it.
EVALUATION_ROOTS = ("bench.runs.cells.evaluation", "bench.runs.cells.isolation")
#: The table of networks leads to all of them; the one that a run uses counts by itself.
NETWORK_TABLE = "bench.networks.factories"
_CONTROL_MODELS, _BASELINES = "bench.evaluate.control_models", "bench.evaluate.baselines"
_BUILTIN = {builtin_folder(kind) for kind in KINDS}


@dataclass(frozen=True)
class Part:
    """Some code: (name of a file, digest of its syntax) for each file, in order.

    Attributes:
        local: (file, digest of its syntax) of those that do not come with this package.
    """

    files: tuple[tuple[str, str], ...]
    local: tuple[tuple[Path, str], ...] = field(default=(), compare=False, repr=False)

    @functools.cached_property
    def digest(self) -> str:
        """16 hex digits of all of it."""
        return hashlib.sha256(repr(self.files).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def training_code(registry: Registry, variant: str, dataset: str, network: Call) -> dict[str, Part]:
    """The parts that decide a training of `variant` (a plugin's name) on `dataset`; of a control, what it computes."""
    data = {"data set": plugin_code(registry, "dataset", dataset)}
    if variant.startswith(CONTROL):
        return {"variant": plugin_code(registry, "variant", variant), **data}
    return {"training": suite_code(TRAINING_ROOTS), **model_code(registry, variant, network), **data}


def model_code(registry: Registry, variant: str, network: Call) -> dict[str, Part]:
    """The parts that decide what a trained model computes from its weights."""
    return {
        "model": suite_code(MODEL_ROOTS),
        "network": network_code(network),
        "variant": plugin_code(registry, "variant", variant),
    }


@functools.cache
def suite_code(roots: tuple[str, ...]) -> Part:
    """The closure of modules of this package, but for the table of networks."""
    files = [path for root in roots if (path := package_file(root))]
    return _part(closure(files, [NETWORK_TABLE]), PACKAGE)


def plugin_code(registry: Registry, kind: str, name: str) -> Part:
    """A plugin's file with everything that it imports of this package and of local files."""
    if kind == "variant" and name.startswith(CONTROL):
        baseline = name.removeprefix(CONTROL) in registry.baselines
        return suite_code((_BASELINES if baseline else _CONTROL_MODELS,))
    if kind == "dataset" and name == ARRAYS and ARRAYS not in registry.names(kind):
        return Part(())
    info = registry.info(kind, name)
    if info.path is None:
        return Part(((str(info.entry_point), ""),))
    return _foreign(info.path.absolute(), f"{info.name}.py" if info.stated else "")


def network_code(call: Call) -> Part:
    """The module of a built-in network, or of a user's `module:factory`, with what it imports."""
    if ":" not in call.name:
        return _builtin_network(call.name)
    module = call.name.partition(":")[0]
    try:
        path = module_path(module)
    except (ImportError, ValueError):
        path = None
    if path is None or is_installed(path.absolute()):
        return Part(((module, _version(module)),))
    return _foreign(path.absolute())


def _foreign(path: Path, called: str = "") -> Part:
    """The closure of a file that need not belong to this package; what is loaded of an earlier version is forgotten.

    Args:
        called: what the file counts as, where its own name does not count.
    """
    files = closure([path], [NETWORK_TABLE])
    forget_stale(path, files)
    return _part(files, path.parent, {path: called} if called else {})


def combined(digests: Iterable[str]) -> str:
    """16 hex digits of several digests."""
    return hashlib.sha256("\0".join(digests).encode()).hexdigest()[:16]


def differences(before: Mapping[str, str], now: Part) -> list[str]:
    """The files that changed, came or went between a stored part (file → digest) and the present one."""
    present: dict[str, str] = dict(now.files)
    return sorted(name for name in {**before, **present} if before.get(name) != present.get(name))


@functools.cache
def _builtin_network(name: str) -> Part:
    """The network's own module, and the table for itself, without the other networks that it leads to."""
    table, own = package_file(NETWORK_TABLE), package_file(network_module(name))
    assert table is not None and own is not None
    return _part({**closure([own], [NETWORK_TABLE]), table: source_of(table)}, PACKAGE)


def _part(files: Mapping[Path, Source], home: Path, called: Mapping[Path, str] = MappingProxyType({})) -> Part:
    named = ((called.get(path) or _shown(path, home), source.digest) for path, source in files.items())
    local = ((path, source.digest) for path, source in files.items() if not _of_package(path))
    return Part(tuple(sorted(named)), tuple(local))


def _of_package(path: Path) -> bool:
    return path.is_relative_to(PACKAGE) or path.parent in _BUILTIN


def texts_of(part: Part) -> dict[str, str]:
    """The text of a part's local files, as a folder on Python's path would hold them (`pkg/module.py`).

    A file that is not any more what the part says, or is no text, is left out.
    """
    found = {}
    for path, digest in part.local:
        with contextlib.suppress(OSError, UsageError, UnicodeDecodeError):
            content = read_source(path)
            if source_of(path).digest == digest:
                found[_importable(path)] = content.decode("utf-8")
    return found


def _importable(path: Path) -> str:
    home = path.parent
    while (home / "__init__.py").is_file() and home != home.parent:
        home = home.parent
    return path.relative_to(home).as_posix()


def _shown(path: Path, home: Path) -> str:
    """A file's name as it is kept: from this package's folder on, from the folder of what imports it, or the last."""
    base = PACKAGE.parent if _of_package(path) else home
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name


def _version(module: str) -> str:
    try:
        return importlib.metadata.version(module.partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return ""
