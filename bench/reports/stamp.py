"""Whether a run's report still holds: a stamp says what it was made from and which files it is.

Never a stale report: any difference in a record, the plan, the spec, this package's code, a plugin, a library or a file
of the report itself means that it is drawn again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.files import write_text
from bench.reports.beside import FOLDER, HERE
from bench.store.hypotheses import FILE as HYPOTHESES
from bench.store.references import DESCRIPTION, RESULTS
from bench.store.run_store import RunStore
from bench.store.throughput_table import RUN_FILE

FILE = ".report.json"
_PACKAGE = Path(__file__).resolve().parents[1]
#: Small files of a run that go into its report, by content, as every call may write them again.
_SOURCES = ("plan.json", "spec.yaml", "metrics.json", "environment.json", HYPOTHESES, RUN_FILE)
_LIBRARIES = ("matplotlib", "pandas", "numpy", "scipy", "jinja2")
_CODE = (".py", ".j2", ".css", ".js", ".yaml")


def made_from(directory: Path) -> dict[str, Any]:
    """What the report of the run in `directory` depends on; take it before the report is loaded."""
    plugins = RunStore.open(directory).spec.get("plugins") or []
    return {
        "cells": _mark(directory / "cells.jsonl"),
        "arrays": _mark(directory / "arrays"),
        "files": {name: _digest([directory / name]) for name in _SOURCES},
        "against": {name: _digest([directory / FOLDER / name]) for name in (HERE, DESCRIPTION, RESULTS)},
        "plugins": _digest(_files(Path(path) for path in plugins if isinstance(path, str))),
        "code": _digest(_files([_PACKAGE])),
        "libraries": [metadata.version(name) for name in _LIBRARIES],
    }


def write_stamp(directory: Path, sources: dict[str, Any], written: Sequence[Path], findings: Sequence[str]) -> None:
    """Remember that the files `written`, and those in `figures`, are the report made from `sources`."""
    own = {str(path.relative_to(directory)): _mark(path) for path in [*written, *_figures(directory)]}
    content = {"sources": sources, "written": own, "findings": list(findings)}
    write_text(directory / FILE, json.dumps(content, sort_keys=True), parents=False)


def findings_of_current(directory: Path) -> list[str] | None:
    """What to take, data set by data set, where the report still holds; None where it has to be drawn."""
    directory = Path(directory)
    try:
        stamp = json.loads((directory / FILE).read_text(encoding="utf-8"))
        written, findings = dict(stamp["written"]), stamp["findings"]
        if not written or stamp["sources"] != json.loads(json.dumps(made_from(directory))):
            return None
        now = {name: _mark(directory / name) for name in written}
        figures = {str(path.relative_to(directory)) for path in _figures(directory)}
    except (OSError, ValueError, KeyError, TypeError, UsageError):
        return None
    same = now == written and figures <= set(written)
    return findings if same and all(isinstance(line, str) for line in findings) else None


def _figures(directory: Path) -> list[Path]:
    folder = directory / "figures"
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _mark(path: Path) -> list[int] | None:
    """Size and time of a file or folder; None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inner = path.rglob("*") if path.is_dir() else [path]
        found += sorted(one for one in inner if one.suffix in _CODE and one.is_file())
    return found


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]
