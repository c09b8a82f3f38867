"""The plugins and networks from outside the package whose text a run keeps, read without running any of it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.store import source_texts
from bench.store.run_store import RunStore
from bench.text import printable

#: Lines of one difference that are shown.
_MOST_LINES = 400


@dataclass(frozen=True)
class StoredSource:
    """One piece of foreign code behind the cells of a run.

    Attributes:
        kind: "variant", "network", "data set", "metric" or "sampler". name: as the run names it.
        digest: of its syntax with all that it imports. texts: content by file name.
    """

    kind: str
    name: str
    digest: str
    texts: Mapping[str, str] = field(default_factory=dict)


def stored_sources(run: Path | str) -> list[StoredSource]:
    """What the latest records of the planned cells were made with, each once.

    Raises:
        UsageError: no run, or a stored text that is damaged.
    """
    store = RunStore.open(run)
    sources = store.sources()
    found: dict[tuple[str, str, str], None] = {}
    plan = store.load_plan()
    wanted = None if plan is None else {cell["cell_id"] for cell in plan}
    for cell_id, record in store.records().items():
        if wanted is None or cell_id in wanted:
            found |= dict.fromkeys(_behind(record, sources["metrics"], str(store.spec.get("network", ""))))
    kept = sources["text"]
    return [
        StoredSource(*key, source_texts.read(store.directory, kept.get(key[2], {})))
        for key in sorted(found)
        if key[2] in kept
    ]


def _behind(record: Mapping[str, Any], metrics: Mapping[str, Any], network: str) -> list[tuple[str, str, str]]:
    """(kind, name, part) of all code behind a record."""
    code: Mapping[str, Any] = record.get("code") or {}
    names = {"variant": record["variant"], "data set": record["dataset"], "network": network.partition("[")[0]}
    parts = [(kind, names[kind], code[kind]) for kind in names if isinstance(code.get(kind), str)]
    own = metrics.get(record.get("metrics_hash") or "", {})
    for name, part in own.items():
        kind, _, sampler = name.rpartition(" ")  # metrics by their names, samplers as "sampler NAME"
        parts += [(kind or "metric", sampler, part)] if isinstance(part, str) else []
    return parts


def differences(source: StoredSource, path: Path) -> list[str]:
    """What differs in a file, or in the files of a folder, from those of the same name that a run keeps.

    Raises:
        UsageError: the path does not exist or cannot be read.
    """
    if not path.exists():
        raise UsageError(f"--compare {printable(path)}: no such file or folder")
    lines = []
    for name, stored in source.texts.items():
        present = path / name if path.is_dir() else path
        if not path.is_dir() and path.name != Path(name).name:
            continue
        if not present.is_file():
            lines.append(f"  {name} is not in {path}")
            continue
        now = _text(present)
        found = list(
            difflib.unified_diff(stored.splitlines(), now.splitlines(), f"run/{name}", str(present), "", "", 2)
        )
        lines += [*map(str.rstrip, found[:_MOST_LINES])] or [f"  {name} is the same"]
    return lines or [f"  none of its files is called {path.name}"]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{printable(path)} cannot be read: {printable(error)}") from error


def write_sources(found: Sequence[StoredSource], folder: Path) -> list[Path]:
    """Write every text below a new folder, one folder for each kind and name.

    Raises:
        UsageError: something is there already, or it cannot be written.
    """
    if folder.exists():
        raise UsageError(f"{printable(folder)} exists already; give a new folder")
    written = []
    for one in found:
        safe = "".join(char if char.isalnum() or char in "-_." else "-" for char in f"{one.kind} {one.name}").strip(".")
        written += source_texts.write_out(one.texts, folder / f"{safe[:80]}-{one.digest[:8]}")
    return written
