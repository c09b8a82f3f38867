"""Keeps a process that lives on, such as a notebook, from running an earlier version of code that was edited since."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.provenance.source import Source
from bench.spec.registry import PACKAGE

#: Root of a closure → the digests of its local files when they were last looked at.
_SEEN: dict[Path, dict[str, str]] = {}


def forget_stale(root: Path, files: Mapping[Path, Source]) -> None:
    """Forget the loaded modules of a closure's local files where one of them is not what was loaded.

    The next import then runs what the files hold now, which is what a fingerprint of them says.

    Args:
        root: the file that the closure begins with.
        files: the closure; files of this package in it stay as they are.
    """
    local = {str(path): source.digest for path, source in files.items() if not path.is_relative_to(PACKAGE)}
    before, _SEEN[root] = _SEEN.get(root), local
    if before == local:
        return
    files_of = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    loaded = {name: file for name, file in files_of.items() if file in local}
    imported = {file for name, file in loaded.items() if not name.startswith("aebench_")}  # those know their content
    if before is not None or (imported and _edited_since_start(imported)):
        for name in loaded:
            if name != "__main__":
                del sys.modules[name]


def _edited_since_start(paths: Iterable[str]) -> bool:
    """Whether a file was written after this process began, so that what was imported may be older."""
    import psutil

    started = psutil.Process().create_time()
    return any(os.stat(path).st_mtime > started for path in paths)
