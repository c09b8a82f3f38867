"""Which code a process runs, so that a cluster's workers can be held to the driver's."""

from __future__ import annotations

import functools
import hashlib
import platform
from collections.abc import Mapping
from importlib import metadata

from bench.provenance.code import plugin_code
from bench.spec.plugin_file import KINDS
from bench.spec.registry import PACKAGE, Registry, builtin_folder

#: What models, data and metrics are computed and read with.
_LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas", "safetensors")


def code_facts(plugins: tuple[str, ...] = ()) -> dict[str, str]:
    """What must agree between processes that work on one run: Python, libraries, this package, and every plugin.

    Plugins are read anew each time, as child processes do; the package is what this process has loaded.

    Raises:
        UsageError: a path of `plugins` does not exist here.
    """
    registry = Registry.discover(plugins)
    facts = {"python": ".".join(platform.python_version_tuple()[:2]), "aebench": _package_hash()}
    facts |= {name: metadata.version(name) for name in _LIBRARIES}
    for kind in KINDS:
        facts |= {f"{kind} {name}": plugin_code(registry, kind, name).digest for name in registry.names(kind)}
    return facts


@functools.cache
def _package_hash() -> str:
    """12 hex digits of the package's sources, but for the plugins that may lie in it."""
    folders = [builtin_folder(kind) for kind in ("variant", "dataset", "sampler")]
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        if not any(path.is_relative_to(folder) for folder in folders):
            digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """What differs between a driver's facts and a worker's, in words; "" when nothing does."""
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    shown = [f"{name} {theirs.get(name, 'missing')} there, {ours.get(name, 'missing')} here" for name in names[:3]]
    return "; ".join(shown) + (f"; and {len(names) - 3} more" if len(names) > 3 else "")
