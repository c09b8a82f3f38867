"""Stores what cells leave: weights and arrays first, then the record that says they are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.errors import one_line
from bench.provenance.data_files import digest_of
from bench.runs.cells.task import CellResult
from bench.runs.fingerprints import Fingerprints
from bench.runs.resume import FINAL, History, Verdict, has_failed_metric, judge
from bench.spec.run import CellSpec
from bench.store import environment
from bench.store.run_store import RunStore
from bench.store.source_texts import save
from bench.store.versions import forget, keep_aside, other_version, version_of

#: Entries of a record that describe its cell; they are kept when its results cannot be stored.
_IDENTITY = (
    "cell_id", "stack_id", "variant", "variant_params", "variant_label", "dataset", "dataset_params", "dataset_label",
    "seed", "engine", "device", "num_threads", "started_at",
)  # fmt: skip


class Keeper:
    """The only writer of a run's results.

    Args:
        store: open for writing.
        fingerprints: of code and metrics.
        cells: all planned cells.
        history: of earlier calls.
        force: whether earlier results count for nothing.
        kept: hears every record once its cell's results are stored.
        threads: that torch uses where stacks run; None where that is not known.

    Attributes:
        verdicts: cell_id → what was to be done when this call began.
        statuses: cell_id → status, of every cell with a record that counts.
        incomplete: ids of the cells with a result that a metric of theirs failed on.
    """

    def __init__(
        self,
        store: RunStore,
        fingerprints: Fingerprints,
        cells: Sequence[CellSpec],
        history: History,
        force: bool,
        kept: Callable[[dict[str, Any]], Any] = lambda record: None,
        threads: int | None = None,
    ) -> None:
        self._store, self._fingerprints = store, fingerprints
        self._kept = kept
        self._cells = cells
        records = history.latest
        verdicts = judge(cells, history, store, fingerprints)
        self.verdicts = dict.fromkeys(verdicts, Verdict.TRAIN) if force else verdicts
        self.statuses = {
            cell_id: records[cell_id]["status"]
            for cell_id, verdict in self.verdicts.items()
            if verdict in (Verdict.DONE, Verdict.RETRY)
        }
        done = [cell_id for cell_id, verdict in self.verdicts.items() if verdict is Verdict.DONE]
        self.incomplete = {cell_id for cell_id in done if records[cell_id].get("incomplete")}
        evaluated_again = [cell_id for cell_id, verdict in self.verdicts.items() if verdict is Verdict.EVALUATE]
        self._latest = dict(records)
        self._earlier = {cell_id: records[cell_id] for cell_id in evaluated_again}
        self._sources = store.sources()
        facts = environment.describe_environment()
        facts |= {"torch_threads": threads, "accelerator": facts.get("accelerator")} if threads else {}
        self._provenance: dict[str, Any] = {
            "run_id": store.directory.name,
            "env_hash": environment.env_hash(facts),
            "git_sha": (facts.get("git") or {}).get("sha"),
        }
        store.save_environment(facts, self._provenance["env_hash"])

    def keep(self, result: CellResult) -> dict[str, Any]:
        """Store one result and return its record; one that cannot be stored as it is becomes a failed cell.

        Raises:
            UsageError: full disk, directory not writable.
        """
        record = self._keep_or_refuse(result)
        self._kept(record)
        return record

    def _keep_or_refuse(self, result: CellResult) -> dict[str, Any]:
        try:
            return self._keep(result)
        except (ValueError, TypeError) as error:
            record = {name: result.record.get(name) for name in _IDENTITY}
            record |= {
                "status": "error",
                "reason": f"its results cannot be stored: {one_line(error)}",
                "error_type": type(error).__name__,
                "error": one_line(error, bare=True),
            }
            return self._keep(CellResult(record))

    def _keep(self, result: CellResult) -> dict[str, Any]:
        record, store = result.record, self._store
        cell_id = record["cell_id"]
        earlier = self._earlier.get(cell_id)
        marks = {**self._fingerprints.of_record(record), "data_hash": self._save_sources(result)}
        if (before := self._latest.get(cell_id)) and other_version(before, marks):
            keep_aside(store.directory, cell_id, version_of(before))
            forget(store.directory, cell_id, version_of(marks))
        self._latest[cell_id] = marks
        if result.tensors is not None:
            store.save_checkpoint(cell_id, result.tensors, result.meta)
        if result.arrays:
            history = {} if earlier is None else store.load_arrays(cell_id, "history_")
            store.save_arrays(cell_id, {**history, **result.arrays})
        if earlier is not None and record["status"] == "ok":
            record = self._fingerprints.carry_over(earlier, record)
        store.append({**record, **self._provenance, **marks})
        self.statuses[cell_id] = record["status"]
        if has_failed_metric(record):
            self.incomplete.add(cell_id)
        return record

    def _save_sources(self, result: CellResult) -> str | None:
        """Note the files of code and data behind a result; returns the hash of the latter, None without any."""
        entries = self._fingerprints.files_of(result.record)
        new = [self._sources.add("code", key, files) for key, files in entries.items()]
        data = digest_of(result.data_files) or None
        if data:
            new.append(self._sources.add("data", data, [entry.to_dict() for entry in result.data_files]))
        new += self._save_texts(result)
        if any(new):
            self._store.save_sources(self._sources)
        return data

    def _save_texts(self, result: CellResult) -> list[bool]:
        """Keep the text of the code from outside this package, once for each version of it."""
        texts = self._fingerprints.texts_of(result.record, self._sources["text"])
        new = [self._sources.add("text", key, save(self._store.directory, found)) for key, found in texts.items()]
        metrics = {name: part.digest for name, part in self._fingerprints.metrics_code.items()}
        if metrics:
            new.append(self._sources.add("metrics", self._fingerprints.metrics_hash, metrics))
        return new

    def unfinished(self) -> set[str]:
        """Ids of the stacks that have a cell which another call would try again."""
        return {cell.stack_id for cell in self._cells if self.statuses.get(cell.cell_id) not in (*FINAL, "error")}
