"""Puts the text that a run keeps of plugins and networks where Python can import it, on the user's word."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.spec.call import parse_call
from bench.spec.plugin_file import describe_file, kebab
from bench.spec.plugin_path import open_folders
from bench.store import source_texts
from bench.store.run_store import RunStore

#: Run and parts → the folder that holds their text in this process.
_FOLDERS: dict[tuple[str, ...], Path] = {}


def unpacked(store: RunStore, record: Mapping[str, Any], variant: str) -> list[Path]:
    """The plugin file of a cell's variant out of what its run keeps; [] where that comes with the package.

    Its network, and what both import, lie beside it and can be imported from now on, behind everything else.

    Args:
        variant: the call that the checkpoint names.

    Raises:
        UsageError: a stored text is damaged.
    """
    kept, code = store.sources()["text"], record.get("code") or {}
    parts = [part for name in ("variant", "network") if (part := code.get(name)) in kept]
    if not parts:
        return []
    key = (str(store.directory.absolute()), *parts)
    if key not in _FOLDERS:
        folder = Path(tempfile.mkdtemp(prefix="aebench-sources-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        for part in parts:
            source_texts.write_out(source_texts.read(store.directory, kept[part]), folder)
        _FOLDERS[key] = folder
    folder = _FOLDERS[key]
    open_folders([folder])
    name = kebab(parse_call(variant).name)
    files = sorted(folder.rglob("*.py"))
    return [path for path in files if (info := describe_file(path, "variant")) is not None and info.name == name][:1]
