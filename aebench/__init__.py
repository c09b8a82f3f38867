"""The package `bench` under the name of its command: `import aebench` gives what `import bench` gives.

`bench` is taken from beside this package, so that a folder or file of the user's called `bench` stands in nobody's way.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parents[1] / "bench"


def _own() -> Any:
    """The package `bench` that belongs to this one, imported under its name.

    Raises:
        ImportError: another module is in use as `bench` in this process already.
    """
    there = sys.modules.get("bench")
    if there is not None:
        if Path(getattr(there, "__file__", None) or "").resolve().parent != _FOLDER:
            raise ImportError(
                f"another module is in use as 'bench' already ({getattr(there, '__file__', None)}); import aebench "
                "before it, or give it another name"
            )
        return there
    spec = importlib.util.spec_from_file_location(
        "bench", _FOLDER / "__init__.py", submodule_search_locations=[str(_FOLDER)]
    )
    assert spec is not None and spec.loader is not None
    sys.modules["bench"] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules["bench"]
        raise
    return module


_BENCH = _own()
__all__ = list(_BENCH.__all__)


def main() -> None:
    """The command `aebench`."""
    importlib.import_module("bench.cli").main()


def __getattr__(name: str) -> Any:
    try:
        return getattr(_BENCH, name)
    except AttributeError:
        if importlib.util.find_spec(f"bench.{name}") is None:
            raise AttributeError(f"module 'aebench' has no attribute {name!r}") from None
        return importlib.import_module(f"bench.{name}")


def __dir__() -> list[str]:
    return dir(_BENCH)
