"""From the verdicts on the cells of a run to the stacks that are to run, and what a user should know about that."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

from bench.runs.cells.task import Check, StackTask, group_size
from bench.runs.fingerprints import Fingerprints
from bench.runs.resume import Verdict
from bench.seeding import seed_groups
from bench.spec.cells import CellSpec
from bench.spec.training import DEFAULT_LATENT_DIM
from bench.spec.training_keys import FOLLOWS
from bench.store.run_store import RunStore

#: Names that a note lists before it counts.
_LISTED = 3


def checks_for(
    cells: Sequence[CellSpec], known: Collection[str] = (), checksums: Mapping[tuple[str, int], str] | None = None
) -> list[Check]:
    """One check for every variant and network, then for every data set and batch, of cells that are to be trained.

    Args:
        known: ids of cells that have results already, so that their data need not even be loaded.
        checksums: what data must be, by label and split number; every split of these is looked at.
    """
    checks: list[Check] = []
    seen: set[tuple] = set()
    alone = len({cell.dataset_label for cell in cells}) == 1
    for kind in ("variant", "dataset"):
        for cell in cells:
            with_it = ("network", cell.train.network) if kind == "variant" else (cell.dataset, cell.train.batch_size)
            news = {(kind, getattr(cell, kind)), with_it} - seen
            if news and not cell.is_control and cell.cell_id not in known:
                seen |= news
                expected = (checksums or {}).get((cell.dataset_label, cell.split_number))
                checks.append(Check(kind, cell, alone, expected if kind == "dataset" else None))
    return checks


def plan_tasks(
    cells: Sequence[CellSpec],
    verdicts: Mapping[str, Verdict],
    together: Mapping[str, Sequence[tuple[int, ...]]],
    store: RunStore,
    fingerprints: Fingerprints,
    **settings: Any,
) -> list[StackTask]:
    """The stacks that are still to run, in order.

    Args:
        cells: all planned cells, the seeds of a stack next to each other.
        verdicts: cell_id → verdict.
        together: stack_id → groups of seeds that have trained in one stack so far.
        settings: fields of `StackTask` that are the same for all stacks, `device` among them.
    """
    tasks = []
    for stack_id, group in groupby(cells, key=lambda cell: cell.stack_id):
        due = [cell for cell in group if verdicts[cell.cell_id] is not Verdict.DONE]
        for seeds, part in _by_group(due, together.get(stack_id, []), settings.get("device", "cpu")):
            again = [cell.cell_id for cell in part if verdicts[cell.cell_id] is Verdict.EVALUATE]
            tasks.append(
                StackTask(
                    cells=tuple(part),
                    together=seeds,
                    weights={cell_id: str(store.checkpoint_path(cell_id).absolute()) for cell_id in again},
                    code_hash=fingerprints.code_hash(part[0]),
                    metrics_hash=fingerprints.metrics_hash,
                    **settings,
                )
            )
    return tasks


def _by_group(
    cells: Sequence[CellSpec], groups: Sequence[tuple[int, ...]], device: str
) -> list[tuple[tuple[int, ...], list[CellSpec]]]:
    """`cells` of one stack by the group that their seed trained in before; the others form new groups."""
    found: dict[tuple[int, ...], list[CellSpec]] = {}
    for cell in cells:
        found.setdefault(next((group for group in groups if cell.seed in group), ()), []).append(cell)
    new = found.pop((), [])
    parts = seed_groups(new, group_size(new[0], device)) if new else []
    return [*found.items(), *((tuple(cell.seed for cell in due), list(due)) for due in parts)]


def notes(
    cells: Sequence[CellSpec],
    verdicts: Mapping[str, Verdict],
    before: Mapping[str, Any] | None,
    now: Mapping[str, Any],
    why: Callable[[CellSpec], str] = lambda cell: "",
) -> list[str]:
    """What has changed since an earlier call on the same directory, one line each.

    Args:
        before, now: the spec of the earlier call (None without one) and that of this one.
        why: what changed since a cell was trained, in words.
    """
    lines = []
    if before is not None and before != now:
        changed = [key.replace("_", "-") for key in {**now, **before} if _said(before, key) != _said(now, key)]
        if changed:
            lines.append(f"the directory holds a run with another {listed(changed)}; only what changed is done anew")
    for verdict, text in (
        (Verdict.CHANGED, "trained again, as their code or data changed"),
        (Verdict.DAMAGED, "trained again, as their files are gone or damaged"),
        (Verdict.EVALUATE, "evaluated again, as the metrics or their code changed"),
        (Verdict.RETRY, "tried again, as they failed before"),
    ):
        these = [cell for cell in cells if verdicts[cell.cell_id] is verdict]
        if these:
            found = dict.fromkeys(filter(None, map(why, these))) if verdict is Verdict.CHANGED else {}
            because = f" ({listed(list(found))})" if found else ""
            labels = dict.fromkeys(f"{cell.variant_label} on {cell.dataset_label}" for cell in these)
            lines.append(
                f"{len(these)} {'cell is' if len(these) == 1 else 'cells are'} {text}: {listed(list(labels))}{because}"
            )
    return lines


def _said(spec: Mapping[str, Any], key: str) -> Any:
    """An entry of a spec; L that follows the data is the default, of which cells differ where the data are small."""
    value = spec.get(key)
    return DEFAULT_LATENT_DIM if key == "latent-dim" and value == FOLLOWS else value


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
