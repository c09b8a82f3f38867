"""A results directory is untrusted, and what a run writes holds no secrets."""

import json
import os
import struct
import subprocess

import numpy as np
import pytest
from runs import execute

from bench.errors import UsageError
from bench.runs.cells import training_state
from bench.store import array_files, environment
from bench.store.run_store import RunStore

pytestmark = pytest.mark.usefixtures("no_report")


def header(entries):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


HOSTILE = {
    "huge header": struct.pack("<Q", 1 << 60) + b"{}",
    "long header": struct.pack("<Q", 200_000_000) + b"{" * 1000,
    "huge shape": header({"w": {"dtype": "F32", "shape": [1 << 40, 1 << 20], "data_offsets": [0, 1 << 62]}}),
    "overflowing shape": header({"w": {"dtype": "F64", "shape": [1 << 62, 4], "data_offsets": [0, 0]}}),
    "beyond the end": header({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}) + b"\0" * 8,
    "overlapping": header(
        {name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in ("v", "w")}
    ) + b"\0" * 8,
    "deeply nested": struct.pack("<Q", 100_000) + b"[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_absurd_sizes_in_checkpoints_are_one_line_and_take_no_memory(tmp_path, case):
    path = tmp_path / "a.safetensors"
    path.write_bytes(HOSTILE[case])
    with pytest.raises(UsageError, match="is no checkpoint of aebench"):
        array_files.load_tensors(path)
    assert training_state.TrainingCheckpoint(path, "mark", 0.0).load() is None


def test_ids_of_records_never_name_files_elsewhere(tmp_path):
    execute(tmp_path / "run", variant=["ae"], seeds=1)
    path = tmp_path / "run" / "cells.jsonl"
    record = json.loads(path.read_text())
    for cell_id in ("../../outside", "/etc/passwd", "a/b", "..", "", "a\0b", "x" * 65, 7, None):
        path.write_text(json.dumps(record | {"cell_id": cell_id}) + "\n")
        store = RunStore.open(tmp_path / "run")
        assert list(store.iter_records()) == [] and "no valid cell_id" in str(store.damage)
    outcome = execute(tmp_path / "run", variant=["ae"], seeds=1)
    assert outcome.n_run == 1 and outcome.n_failed == 0


def test_a_link_in_a_results_directory_leads_nowhere(tmp_path):
    execute(tmp_path / "run", variant=["ae"], seeds=1)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "token").write_text("keep me")
    (tmp_path / "run" / "progress").symlink_to(precious)
    training_state.tidy(tmp_path / "run")
    with pytest.raises(UsageError, match="is a link to somewhere else"):
        execute(tmp_path / "run", variant=["ae"], seeds=1)
    assert (precious / "token").read_text() == "keep me"


def test_tidying_deletes_only_files_of_its_own_making(tmp_path):
    place = training_state.open_place(tmp_path)
    state = tmp_path / "progress" / f"{'a' * 16}-{'b' * 16}.safetensors"
    training_state.TrainingCheckpoint(state, "mark", 0.0).save({"w": np.zeros(2)})
    (tmp_path / "progress" / "notes.txt").touch()
    training_state.tidy(tmp_path)
    assert [path.name for path in (tmp_path / "progress").iterdir()] == ["notes.txt"]
    assert not place.is_here


def test_no_secret_of_the_environment_is_written(tmp_path, monkeypatch):
    secrets = {"API_TOKEN": "s3cr3t-t0k3n", "AWS_SECRET_ACCESS_KEY": "s3cr3t-key", "PASSWORD": "s3cr3t-pass"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    remote = "https://me:s3cr3t-remote@example.org/repo.git?token=s3cr3t-query"
    for arguments in (["init", "-q"], ["remote", "add", "origin", remote]):
        subprocess.run(["git", *arguments], cwd=checkout, check=True)
    (checkout / "bench").mkdir()
    (checkout / "pyproject.toml").touch()
    monkeypatch.setattr(environment, "__file__", str(checkout / "bench" / "environment.py"))
    execute(tmp_path / "run", variant=["ae", "raises"], seeds=1, plugins=[_raising(tmp_path)])
    written = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(written) > 5
    for path in written:
        content = path.read_bytes()
        assert b"s3cr3t" not in content, path
        assert os.environ["HOME"].encode() not in content or path.suffix in (".jsonl", ".csv"), path
    assert "https://example.org/repo.git" in (tmp_path / "run" / "environment.json").read_text()


def _raising(folder):
    path = folder / "raises.py"
    path.write_text(
        "from bench.contracts.variant import Variant\n\n\nclass Raises(Variant):\n"
        "    def loss(self, batch, draw):\n        raise RuntimeError('no')\n"
    )
    return path
