"""One HTML page over the runs below a folder: what each compared, how it went, who wins, and the way to its report."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.errors import UsageError
from bench.files import write_text
from bench.reports.stamp import FILE
from bench.store.run_store import RunStore
from bench.text import printable
from bench.untrusted import read_json

#: The page's name in the folder that it is about.
PAGE = "index.html"
#: Levels of folders that are looked through.
DEPTH = 3
_MOST_TEXT = 300


@dataclass(frozen=True)
class IndexedRun:
    """One run as the page shows it.

    Attributes:
        name: its folder, relative to that of the page. link: of its report or folder, quoted.
        started: when its first cell began, ISO 8601, or "".
        datasets, variants: labels. seeds: how many.
        statuses: cells by status, e.g. {"ok": 50}.
        findings: who wins most, a line per data set, as its last report says.
        fault: why it cannot be read, or "".
    """

    name: str
    link: str = ""
    started: str = ""
    datasets: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    seeds: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    fault: str = ""


def write_index(folder: Path) -> tuple[Path, list[IndexedRun]]:
    """Write the page over all runs below `folder` into it; the page's path, and the runs, newest first.

    Raises:
        UsageError: no such folder, no run in it, or an `index.html` that is not of this command.
    """
    if not folder.is_dir():
        raise UsageError(f"{printable(folder)}: no such directory; give a folder that holds runs, e.g. results")
    page = folder / PAGE
    if page.exists() and b'name="generator" content="aebench index"' not in page.read_bytes()[:1000]:
        raise UsageError(f"{printable(page)} is not a page of aebench index and is left as it is; move it away")
    found = [_indexed(run, folder) for run in _runs(folder, DEPTH)]
    if not found:
        raise UsageError(f"there is no run below {printable(folder)}; give a folder that holds runs")
    found.sort(key=lambda run: run.started, reverse=True)
    return write_text(page, _html(found), parents=False), found


def _runs(folder: Path, depth: int) -> Iterator[Path]:
    """Folders with records, up to `depth` levels down; a run's own folders are not looked into."""
    if (folder / "cells.jsonl").is_file():
        yield folder
    elif depth:
        with os.scandir(folder) as entries:
            inner = sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
        for path in inner:
            if os.access(path, os.R_OK | os.X_OK):
                yield from _runs(path, depth - 1)


def _indexed(run: Path, folder: Path) -> IndexedRun:
    name = run.relative_to(folder).as_posix()
    try:
        records = [*RunStore.open(run).records().values()]
    except UsageError as error:
        return IndexedRun(printable(name, 200), fault=printable(str(error), _MOST_TEXT))
    report = "report.html" if (run / "report.html").is_file() else ""
    return IndexedRun(
        printable(name, 200),
        quote(f"{name}/{report}"),
        min((str(record["started_at"] or "") for record in records), default=""),
        _labels(records, "dataset_label"),
        _labels(records, "variant_label"),
        len({record["seed"] for record in records}),
        Counter(record["status"] for record in records),
        _findings(run),
    )


def _labels(records: list[dict[str, Any]], key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(printable(record[key], 100) for record in records))


def _findings(run: Path) -> tuple[str, ...]:
    """What the last report of a run says; () where there is none."""
    try:
        lines = read_json(run / FILE).get("findings") if (run / FILE).is_file() else []
    except (UsageError, AttributeError):
        return ()
    lines = lines if isinstance(lines, list) else []
    return tuple(printable(line, _MOST_TEXT) for line in lines if isinstance(line, str))


def _html(runs: list[IndexedRun]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = FileSystemLoader(Path(__file__).resolve().parent / "views" / "templates")
    environment = Environment(loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("index.html.j2").render(runs=runs)
