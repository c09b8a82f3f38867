"""Stores what cells leave: weights and arrays first, then the record that says they are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.errors import UsageError, one_line
from bench.provenance.data_files import digest_of
from bench.runs.cells.task import CellResult
from bench.runs.fingerprints import Fingerprints
from bench.runs.resume import FINAL, History, Verdict, has_failed_metric, judge
from bench.spec.cells import CellSpec
from bench.store import environment
from bench.store.checksums import mark_of
from bench.store.run_store import RunStore
from bench.store.source_texts import save
from bench.store.versions import forget, keep_aside, other_version, version_of

#: Entries of a record that describe its cell; they are kept when its results cannot be stored.
_IDENTITY = (
    "cell_id", "stack_id", "variant", "variant_params", "variant_label", "dataset", "dataset_params", "dataset_label",
    "seed", "split_number", "engine", "device", "num_threads", "started_at",
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
        outdated: ids of the cells whose earlier result stands, because evaluating them again failed.
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
        good = [key for key, verdict in self.verdicts.items() if verdict in (Verdict.EVALUATE, Verdict.DAMAGED)]
        self._latest = dict(records)
        self._earlier = {cell_id: records[cell_id] for cell_id in good}
        self.outdated: set[str] = set()
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
            refused = CellResult(record)
            kept = self._keep(refused)
            result.note = refused.note
            return kept

    def _keep(self, result: CellResult) -> dict[str, Any]:
        record, store = result.record, self._store
        cell_id = record["cell_id"]
        earlier = self._earlier.get(cell_id)
        if earlier is not None and record["status"] != "ok":
            self._let_stand(result)
            return record
        marks = {**self._fingerprints.of_record(record), "data_hash": self._save_sources(result)}
        if (before := self._latest.get(cell_id)) and other_version(before, marks):
            keep_aside(store.directory, cell_id, version_of(before))
            forget(store.directory, cell_id, version_of(marks))
        self._latest[cell_id] = marks
        # weights that the process did not see were trained anew: what came before is the history of others
        again = earlier is not None and result.tensors is None  # its weights stay what they were
        files = self._weights_of(cell_id, earlier) if again and earlier else {}
        if result.tensors is not None:
            files["checkpoint"] = store.save_checkpoint(cell_id, result.tensors, result.meta)
        if result.arrays:
            history = store.load_history(cell_id) if again else {}
            files["arrays"] = store.save_arrays(cell_id, {**history, **result.arrays})
        record = {**record, **self._provenance}
        if again and earlier:
            record = self._fingerprints.carry_over(earlier, record)
        store.append({**record, **marks, "files": files})
        self.statuses[cell_id] = record["status"]
        if has_failed_metric(record):
            self.incomplete.add(cell_id)
        return record

    def _let_stand(self, result: CellResult) -> None:
        """A good result is not superseded by a failed attempt to get it anew; another call tries again."""
        record = result.record
        self.statuses[record["cell_id"]] = "ok"
        self.outdated.add(record["cell_id"])
        result.note = (
            f"the earlier result of {record['variant_label']} on {record['dataset_label']} with seed {record['seed']} "
            f"stands, because doing it again failed: {record.get('reason')}"
        )

    def _weights_of(self, cell_id: str, earlier: Mapping[str, Any]) -> dict[str, str]:
        """The mark of a cell's checkpoint, from its earlier record or, where that has none, from the file itself."""
        known = earlier.get("files", {}).get("checkpoint")
        path = self._store.checkpoint_path(cell_id)
        if known is None and path.is_file():
            known = mark_of(path)
        return {"checkpoint": known} if known else {}

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

    def on_disk(self) -> dict[str, str]:
        """`statuses` as the folder has them, read anew: without the cells whose record or files are not there."""
        try:
            latest = History.read(RunStore.open(self._store.directory)).latest
        except (UsageError, OSError):
            return {}
        found = {cell_id: latest.get(cell_id, {}) for cell_id in self.statuses}
        lost = self._store.damaged_files
        return {
            cell_id: record["status"]
            for cell_id, record in found.items()
            if record.get("status") == self.statuses[cell_id] and not lost(cell_id, record["files"])
        }

    def unfinished(self) -> set[str]:
        """Ids of the stacks that have a cell which another call would try again."""
        return {cell.stack_id for cell in self._cells if self.statuses.get(cell.cell_id) not in (*FINAL, "error")}
