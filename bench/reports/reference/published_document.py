"""The comparison of published numbers with ours as one Markdown page, from run files alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.analysis.numbers import seconds
from bench.reports.reference.printing import print_document
from bench.reports.studies.published_numbers import (
    COLUMNS,
    FAIL,
    NOT_RUN,
    PASS,
    Anchor,
    Verdict,
    anchor_names,
    not_run,
    read_anchor,
    rows,
    verdicts,
)
from bench.spec.call import parse_call
from bench.store.run_store import RunStore
from bench.text import escape, printable, table


def section(found: Sequence[Verdict], anchor: Anchor) -> list[str]:
    """Markdown lines on one anchor: the table, the source, the set-up, remarks."""
    lines = table(COLUMNS, [tuple(map(escape, row)) for row in rows(found)], left=1)
    lines += [f"Source: {escape(anchor.source)}", ""]
    return lines + [line for text in (anchor.setup, anchor.remarks) if text for line in (escape(text), "")]


def document(directories: Sequence[Path]) -> str:
    """All anchors, those without a run in `directories` as not run.

    Raises:
        UsageError: a directory that holds no run.
    """
    runs: dict[str, Path] = {}
    for directory in directories:
        found = verdicts(directory)
        if found:
            runs[found[0].anchor] = directory
    anchors = {name: anchor for name in anchor_names() if (anchor := read_anchor(name)) is not None}
    results = {name: verdicts(runs[name]) if name in runs else not_run(anchor) for name, anchor in anchors.items()}
    summary = [(f"[{name}](#{name})", *map(escape, row)) for name, found in results.items() for row in rows(found)]
    judged = [verdict for found in results.values() for verdict in found if verdict.quantity.tolerance is not None]
    counts = {status: sum(verdict.status == status for verdict in judged) for status in (PASS, FAIL, NOT_RUN)}
    lines = ["# Published numbers and ours", ""]
    lines += [
        "Tolerances and set-ups are those of the presets `anchor-*`; they were fixed before the runs. "
        "Ours is the mean over seeds ± half its 95 % t interval. A number without a tolerance is only put beside. "
        f"{counts[PASS]} pass, {counts[FAIL]} fail, {counts[NOT_RUN]} not run.",
        "",
    ]
    lines += table(("Anchor", *COLUMNS), summary, left=2)
    for name, anchor in anchors.items():
        lines += [f"## {name}", "", escape(anchor.description), "", *section(results[name], anchor)]
        lines += _run_lines(runs[name]) if name in runs else []
    return "\n".join(lines).rstrip() + "\n"


def _run_lines(directory: Path) -> list[str]:
    """The hardware and versions, the cost and the command of a run."""
    store = RunStore.open(directory)
    records = list(store.records().values())
    environments = store.environments()
    hashes = [record.get("env_hash", "") for record in records]
    used = {key: environments.get(key, {}) for key in hashes}
    lines = []
    for facts in used.values():
        git: dict[str, Any] = found if isinstance(found := facts.get("git"), dict) else {}
        packages: dict[str, Any] = found if isinstance(found := facts.get("packages"), dict) else {}
        told = [facts.get("cpu"), f"{facts.get('cpu_count')} cores", facts.get("accelerator")]
        told += [f"torch {packages['torch']}"] if "torch" in packages else []
        told += [f"commit {str(git['sha'])[:12]}"] if git.get("sha") else []
        lines.append(escape(printable(", ".join(str(part) for part in told if part))))
    trained, evaluated = (sum(_seconds(record, key) for record in records) for key in ("t_train", "t_eval"))
    lines.append(
        f"{len(records)} cell{'' if len(records) == 1 else 's'}: {seconds(trained)} of training, "
        f"{seconds(evaluated)} of evaluation."
    )
    return [f"- {line}" for line in lines] + ["", "```sh", _command(store.spec), "```", ""]


def _seconds(record: dict[str, Any], key: str) -> float:
    value = record.get(key)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _command(spec: dict[str, Any]) -> str:
    """The command that repeats a run, with PATH for the place of its data."""
    data = parse_call(spec["dataset"][0]) if isinstance(spec.get("dataset"), list) else None
    where = f" -d '{data.name}[root=PATH]'" if data is not None and "root" in data.params else ""
    return f"aebench run --preset {spec['name']}{where}"


def main(arguments: Sequence[str]) -> int:
    """Print the comparison of the runs in the directories `arguments` as Markdown; 2 when one of them is no run."""

    return print_document(document, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
