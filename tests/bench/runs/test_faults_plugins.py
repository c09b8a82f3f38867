"""Misbehaving variants and data sets: each yields its row with a reason, and no neighbour's number moves by a bit."""

import re

import numpy as np
import pytest
import torch
from faulty import DATASETS, FATAL_VARIANTS, HOSTILE_VARIANTS, VARIANTS, write_plugins
from runs import execute, finish, records, start, table

from bench.errors import UsageError
from bench.runs.engines import process
from bench.spec.registry import Registry

pytestmark = pytest.mark.usefixtures("one_thread", "no_report")

FINE = (
    "leaves-hooks",
    "leaves-modes",
    "leaves-flags",
    "prints",
    "threads",
    "raising-numpy",
    "other-folder",
    "changes-data",
    "changes-data-in-encode",
)
EXPECTED = {
    "raises-on-import": ("error", "cannot be imported: RuntimeError: import broke"),
    "exits-on-import": ("error", "cannot be imported: SystemExit: 3"),
    "raises-in-init": ("error", "raises-in-init cannot be built: RuntimeError: init broke"),
    "exits-in-init": ("error", "exits-in-init cannot be built: SystemExit: 3"),
    "raises-in-loss": ("error", "RuntimeError: loss broke"),
    "exits-in-loss": ("error", "SystemExit: 0"),
    "wrong-shape": ("error", "term 'loss' has shape (3,), expected (50,)"),
    "wrong-type": ("error", "term 'loss' has type torch.int64, expected a floating-point type"),
    "not-a-tensor": ("error", "term 'loss' is a float, not a tensor of shape (50,)"),
    "not-a-dict": ("error", "loss must return a dict with the key 'loss', not Tensor"),
    "nan-loss": ("diverged", "non-finite at step 0"),
    "constant-loss": ("error", "does not require grad"),
    "claims-no-memory": ("oom", "MemoryError: no more"),
    "default-type": ("error", "must have the same dtype"),
    "default-device": ("error", "meta"),
    "no-gradients": ("error", "does not require grad"),
    "interrupts": ("error", "its code raised KeyboardInterrupt, and nobody pressed Ctrl-C"),
    "interrupts-in-init": ("error", "its code raised KeyboardInterrupt, and nobody pressed Ctrl-C"),
    "wide-code": ("error", "shapes cannot be multiplied"),
    "seeds": ("error", "the global generator of random"),
    **{name: ("ok", None) for name in FINE},
}
EXPECTED_HOSTILE = {
    "sleeps": ("timeout", "not done after 6 s (--timeout)"),
    "sleeps-in-init": ("timeout", "not done after 6 s (--timeout)"),
    "allocates": (
        "oom",
        "above the ceiling of 1.0 GiB (80% of the memory available at the start)",
    ),
    "dies": ("killed", "ended by itself, with exit code 9"),
    "crashes": ("killed", "ended by signal 11 (SIGSEGV)"),
    "closes-files": ("killed", "its process lost its connection to the run"),
    "forks": ("error", "RuntimeError: after fork"),
}
EXPECTED_DATA = {
    "data-raise-on-import": "cannot be imported: RuntimeError: import broke",
    "data-raise": "failed to load: RuntimeError: load broke",
    "data-exit": "failed to load: SystemExit: 0",
    "data-not-a-split": "returned a ndarray; return a Split",
    "data-nan": "row 7, column 2 is nan",
    "data-double": "values of type float64; expected float32",
    "data-text": "expected float32",
    "data-one-dimension": "expected (N, D), (N, C, T) or (N, C, H, W)",
    "data-uneven": "rows of shape (3,) where train has (6,)",
    "data-without-test": "the test part has no rows",
}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    return write_plugins(tmp_path_factory.mktemp("faulty") / "plugins")


def interleaved(names):
    """ae, then each misbehaving variant followed by a well-behaved one that no other shares."""
    return ["ae", *(one for rank, name in enumerate(names) for one in (name, f"vae[beta={rank + 2}]"))]


def behaved(directory, faulty):
    frame = table(directory)
    return frame[~frame.variant.isin(faulty) & ~frame.dataset.isin(faulty)].reset_index(drop=True)


def global_state():
    return (torch.get_default_dtype(), torch.empty(0).device, torch.get_num_threads(), torch.is_grad_enabled(),
            np.geterr(), np.random.get_state()[1].sum(), torch.initial_seed())  # fmt: skip


def test_every_misbehaving_variant_yields_its_row_and_moves_no_neighbour(plugins, tmp_path, capsys):
    assert set(EXPECTED) == set(VARIANTS)
    variants = interleaved(VARIANTS)
    before = global_state()
    outcome = execute(tmp_path / "bad", variant=variants, plugins=[plugins])
    assert global_state() == before
    assert capsys.readouterr().out == ""
    found = records(tmp_path / "bad")
    assert outcome.n_cells == len(found) == 2 * len(variants)
    for name, (status, reason) in EXPECTED.items():
        for seed in (0, 1):
            record = found[name, seed]
            assert (name, record["status"]) == (name, status)
            assert reason is None or reason in record["reason"]
            assert (record["traceback"] or "").count("Traceback") >= (status in ("error", "oom"))
    assert outcome.n_failed == 2 * sum(status != "ok" for status, _ in EXPECTED.values())
    execute(tmp_path / "good", variant=[name for name in variants if name not in VARIANTS])
    assert behaved(tmp_path / "bad", VARIANTS).equals(behaved(tmp_path / "good", VARIANTS))


def test_what_hangs_allocates_or_dies_is_ended_and_takes_only_its_own_cells(plugins, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "memory_ceiling", lambda n_jobs: 1 << 30)
    names = list(EXPECTED_HOSTILE)
    variants = interleaved(names)
    execute(tmp_path / "bad", variant=variants, plugins=[plugins], n_jobs=2, timeout=6, seeds=1)
    found = records(tmp_path / "bad")
    for name, (status, reason) in EXPECTED_HOSTILE.items():
        assert (name, found[name, 0]["status"]) == (name, status)
        assert reason in found[name, 0]["reason"]
    execute(tmp_path / "good", variant=[name for name in variants if name not in names], seeds=1)
    assert behaved(tmp_path / "bad", names).equals(behaved(tmp_path / "good", names))
    assert not table(tmp_path / "bad").reason[lambda reason: reason.str.contains("signal 9")].any()


EXPECTED_FATAL = {
    "dies-on-import": ("killed", "it ended its process with exit code 9, when it was imported and built on trial"),
    "dies-in-init": ("killed", "it ended its process with exit code 9, when it was imported and built on trial"),
    "hangs-on-import": ("timeout", "it did not come back within 8 s, when it was imported and built on trial"),
    "holds-the-interpreter": ("timeout", "it did not come back within 8 s"),
}


def test_what_would_take_the_run_along_when_imported_or_built_takes_only_its_own_cells(plugins, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.spec.trial.LIMIT", 8.0)
    assert set(EXPECTED_FATAL) == set(FATAL_VARIANTS)
    variants = interleaved(EXPECTED_FATAL)
    outcome = execute(tmp_path / "bad", variant=variants, plugins=[plugins], seeds=1)
    found = records(tmp_path / "bad")
    for name, (status, reason) in EXPECTED_FATAL.items():
        assert (name, found[name, 0]["status"]) == (name, status)
        assert f"variant {name}: {reason}" in found[name, 0]["reason"]
    assert outcome.n_failed == len(EXPECTED_FATAL)
    execute(tmp_path / "good", variant=[name for name in variants if name not in EXPECTED_FATAL], seeds=1)
    assert behaved(tmp_path / "bad", EXPECTED_FATAL).equals(behaved(tmp_path / "good", EXPECTED_FATAL))


def test_workers_without_a_timeout_do_not_wait_for_what_hangs_when_imported(plugins, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.spec.trial.LIMIT", 4.0)
    outcome = execute(tmp_path / "bad", variant=["hangs-on-import", "ae"], plugins=[plugins], n_jobs=2, seeds=1)
    found = records(tmp_path / "bad")
    assert found["hangs-on-import", 0]["status"] == "timeout"
    assert "hangs-on-import: it did not come back within 4 s" in found["hangs-on-import", 0]["reason"]
    assert (found["ae", 0]["status"], outcome.n_failed) == ("ok", 1)


LEAVES = """
import multiprocessing
import subprocess
import sys
import time

from bench.contracts.variant import Variant


class Leaves(Variant):
    def __init__(self):
        super().__init__()
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        multiprocessing.get_context("fork").Process(target=time.sleep, args=(3600,)).start()

    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}

    def encode(self, x):
        return self.encoder(x)
"""


def test_a_process_that_a_plugin_leaves_behind_ends_with_the_command(tmp_path):
    (tmp_path / "leaves.py").write_text(LEAVES)
    process = start(tmp_path / "run", variant=["leaves"], plugins=[tmp_path / "leaves.py"], seeds=1)
    code, out, err = finish(process, timeout=120)  # the pipes of its output close only when nobody holds them
    assert (code, "Traceback" in err) == (0, False), err
    assert "1 cell: 1 with results" in out


def test_seeds_that_were_done_before_their_process_died_are_kept(plugins, tmp_path):
    settings = {"variant": ["dies-at-the-second", "ae"], "plugins": [plugins], "seeds": 3}
    assert set(HOSTILE_VARIANTS) - set(EXPECTED_HOSTILE) == {"dies-at-the-second"}
    execute(tmp_path / "bad", n_jobs=2, **settings)
    found = records(tmp_path / "bad")
    assert [found["dies-at-the-second", seed]["status"] for seed in range(3)] == ["ok", "killed", "killed"]
    assert [found["ae", seed]["status"] for seed in range(3)] == ["ok"] * 3
    assert (found["ae", 0]["workers"], found["ae", 0]["num_threads"]) == (2, 1)
    (plugins / "dies_at_the_second.py.tame").touch()
    for directory in ("bad", "good"):
        execute(tmp_path / directory, **settings)
    assert behaved(tmp_path / "bad", ()).equals(behaved(tmp_path / "good", ()))
    assert set(table(tmp_path / "bad").status) == {"ok"}


def test_every_misbehaving_data_set_yields_its_rows_and_moves_no_neighbour(plugins, tmp_path):
    good = [f"linear-gaussian[d=6,n={300 + rank}]" for rank in range(len(DATASETS))]
    data = [one for pair in zip(DATASETS, good, strict=True) for one in pair]
    before = global_state()
    execute(tmp_path / "bad", variant=["ae"], dataset=data, plugins=[plugins], seeds=1)
    assert global_state() == before
    rows = {row.dataset: row for row in table(tmp_path / "bad").itertuples()}
    for name, reason in EXPECTED_DATA.items():
        assert (name, rows[name].status, rows[name].metric) == (name, "error", "")
        assert reason in rows[name].reason
    assert {rows[name].status for name in set(DATASETS) - set(EXPECTED_DATA)} == {"ok"}
    execute(tmp_path / "good", variant=["ae"], dataset=good, seeds=1)
    assert behaved(tmp_path / "bad", DATASETS).equals(behaved(tmp_path / "good", DATASETS))


def load(**parameters):
    return Registry.discover().load("dataset", "linear-gaussian")(**parameters)


def test_incompatible_pairs_are_skipped_with_the_reason_and_are_no_failure(tmp_path):
    outcome = execute(tmp_path / "run", variant=["ae"], recon="bernoulli", seeds=1)
    assert (outcome.n_skipped, outcome.n_failed) == (1, 0)
    (row,) = table(tmp_path / "run").itertuples()
    assert (row.status, row.metric) == ("skipped", "")
    assert "bernoulli cost does not fit linear-gaussian" in row.reason
    low, high = map(float, re.search(r"its values lie in \[(\S+), (\S+)\], not in \[0, 1\]", row.reason).groups())
    data = np.concatenate([getattr(load(d=6, n=300), part) for part in ("train", "validation", "test")])
    assert (low, high) == pytest.approx((data.min(), data.max()), rel=1e-5)
    assert row.reason.endswith("; give --recon squared, or data in [0, 1] (scale=unit for files and arrays)")
    outcome = execute(tmp_path / "conv", variant=["ae"], network="conv", seeds=1)
    assert (outcome.n_skipped, outcome.n_failed) == (1, 0)
    assert "conv" in table(tmp_path / "conv").reason[0]
    assert "(6,); give --network mlp" in table(tmp_path / "conv").reason[0]


def test_why_a_pair_is_skipped_is_said_once_while_the_run_goes(tmp_path, capsys):
    execute(tmp_path / "run", variant=["ae"], recon="bernoulli", quiet=False)
    assert capsys.readouterr().err.count("skipped: ae on linear-gaussian") == 1


def test_compiling_without_a_compiler_is_one_line_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("AEBENCH_COMPILE", "never")
    with pytest.raises(UsageError) as caught:
        execute(tmp_path / "run", compile=True, device="cpu")
    message = str(caught.value)
    assert message.startswith("--compile needs a working compiler (not compiled (AEBENCH_COMPILE=never)")
    assert message.endswith("; install one or leave --compile out") and "\n" not in message
    assert not (tmp_path / "run").exists()


def test_tf32_without_a_gpu_is_one_line_and_nothing_is_written(tmp_path):
    with pytest.raises(UsageError, match="precision tf32 needs a GPU"):
        execute(tmp_path / "run", precision="tf32", device="cpu")
    assert not (tmp_path / "run").exists()
