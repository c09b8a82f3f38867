"""A results directory is untrusted, and what a run writes holds no secrets."""

import json
import os
import random
import shutil
import struct
import subprocess
import warnings

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mutated import mutated, mutated_array, put_device, put_folder, put_pipe
from runs import execute, written

import bench
from bench.analysis.compare import compare
from bench.errors import UsageError
from bench.reports.csv_tables import export
from bench.reports.figures import style
from bench.reports.model import load_report
from bench.reports.views.figure_data import material_of
from bench.reports.views.figure_list import DRAWERS
from bench.reports.views.html import html
from bench.reports.views.markdown import markdown
from bench.runs.cells import training_state
from bench.store import array_files, environment
from bench.store.lock import DirectoryLock, refuse_second_writer
from bench.store.run_store import RunStore

pytestmark = pytest.mark.usefixtures("no_report")


def header(entries):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


class Spec:
    def to_dict(self):
        return {"name": "a"}


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
        path.write_text(written(record | {"cell_id": cell_id}))
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


@pytest.mark.parametrize("name", [".lock", "cells.jsonl", "cells.jsonl.torn"])
@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing"])
def test_nothing_is_written_through_a_link(tmp_path, name, there):
    """Somebody else's run may hold a link to one's own file where a run writes in place."""
    precious, run = tmp_path / "precious", tmp_path / "run"
    run.mkdir()
    (run / "cells.jsonl").write_text("{}\n{cut short")
    if there:
        precious.write_text("keep me")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(precious)
    with pytest.raises(UsageError, match=r"is a link or no regular file; remove it") as caught:
        RunStore.create(run, Spec())
    assert name in str(caught.value) and precious.exists() == there
    assert not there or precious.read_text() == "keep me"


@pytest.mark.parametrize("put", [put_pipe, put_device, put_folder])
def test_a_lock_that_is_no_file_is_one_line(tmp_path, put):
    put(tmp_path / ".lock")
    for take in (DirectoryLock, refuse_second_writer):
        with pytest.raises(UsageError, match=r"\.lock.*(is a link or no regular file|Is a directory)") as caught:
            take(tmp_path)
        assert "\n" not in str(caught.value)


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


DOCUMENTS = ("spec.yaml", "plan.json", "environment.json")
SEEDS = st.integers(0, 2**32).map(random.Random)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A run of two variants and two seeds as it was written."""
    patch = pytest.MonkeyPatch()
    patch.setattr("bench.runs.runner.report_run", lambda directory: [])
    patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
    directory = tmp_path_factory.mktemp("good") / "run"
    execute(directory, variant=["ae", "vae"], metrics="test_mse,kl,coverage_fit")
    (directory / "core.csv").write_text("variant,batch_size\n")
    patch.undo()
    return directory


@pytest.fixture(scope="module")
def edited(good, tmp_path_factory):
    """A copy of it that a test may write to; `restored` puts its documents back."""
    return shutil.copytree(good, tmp_path_factory.mktemp("edited") / "run")


def restored(edited, good):
    for name in (*DOCUMENTS, "cells.jsonl", "core.csv"):
        (edited / name).unlink() if not (edited / name).is_dir() else (edited / name).rmdir()
        shutil.copy(good / name, edited / name)
    return edited


def read_every_way(directory, good):
    """Everything that reads a run, but for the drawing of figures: each answers, or in one line."""
    for reader in (lambda: all_tables(directory), lambda: bench.load(directory), lambda: compare(good, directory)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # what is left out is told
                reader()
        except UsageError as error:
            assert str(error) and "\n" not in str(error)


def all_tables(directory):
    report = load_report(directory)
    markdown(report, [])
    html(report, [])
    export(report.store, report.data, report.history)


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(DOCUMENTS))
def test_an_edited_document_is_read_or_refused_in_one_line(good, edited, rng, name):
    text = (good / name).read_text()
    changed = mutated(yaml.safe_load(text) if name == "spec.yaml" else json.loads(text), rng)
    written = json.dumps(changed) if name != "spec.yaml" else yaml.dump(changed, allow_unicode=True)
    (restored(edited, good) / name).write_text(written, encoding="utf-8", errors="surrogatepass")
    read_every_way(edited, good)


def line_of(entry):
    """A line as a stranger writes it, with a checksum that fits where it is a record at all."""
    return written(entry) if isinstance(entry, dict) else json.dumps(entry) + "\n"


@settings(max_examples=20)
@given(SEEDS, st.booleans())
def test_an_edited_record_is_read_or_refused_in_one_line(good, edited, rng, alone):
    lines = [json.loads(line) for line in (good / "cells.jsonl").read_text().splitlines()]
    place = rng.randrange(len(lines))
    lines[place] = mutated(lines[place], rng)
    kept = [lines[place]] if alone else lines
    (restored(edited, good) / "cells.jsonl").write_text("".join(map(line_of, kept)))
    read_every_way(edited, good)


@settings(max_examples=4)
@given(SEEDS)
def test_edited_arrays_give_figures_or_none(good, edited, rng):
    restored(edited, good)
    for path in sorted((good / "arrays").iterdir())[::2]:
        arrays = array_files.load_arrays(path)
        for name in rng.sample(sorted(arrays), min(3, len(arrays))):
            arrays[name] = mutated_array(arrays[name], rng)
        array_files.save_arrays(edited / "arrays" / path.name, arrays)
    lines = [json.loads(line) for line in (good / "cells.jsonl").read_text().splitlines()]
    (edited / "cells.jsonl").write_text(written(*(line | {"files": {}} for line in lines)))  # of an earlier version
    report = load_report(edited)
    with style.look():
        drawn = [found for draw in DRAWERS for found in draw(material_of(report, report.sections[0]))]
    assert len(drawn) > 3


PLACES = ("spec.yaml", "plan.json", "environment.json", "core.csv", "cells.jsonl")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("put", [put_pipe, put_device, put_folder])
def test_a_pipe_a_device_or_a_folder_in_place_of_a_file_is_one_line(good, edited, put):
    for name in PLACES:
        put(restored(edited, good) / name)
        read_every_way(edited, good)
        if name == "core.csv":
            assert load_report(edited).core == []
        elif name == "environment.json":
            assert any("hardware and versions are not known" in note for note in load_report(edited).notes)
        else:
            with pytest.raises(UsageError, match=r"is not a regular file|Is a directory|holds no run"):
                load_report(edited)
    restored(edited, good)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("put", [put_pipe, put_device, put_folder])
def test_a_pipe_or_device_in_place_of_arrays_weights_or_plugins_is_one_line(good, tmp_path, put):
    directory = shutil.copytree(good, tmp_path / "run")
    store = RunStore.open(directory)
    cell = next(iter(store.records()))
    for read, path in (
        (store.load_arrays, store.arrays_path(cell)),
        (store.load_checkpoint, store.checkpoint_path(cell)),
    ):
        put(path)
        with pytest.raises(UsageError, match=r"is not a regular file|Is a directory"):
            read(cell)
    put(tmp_path / "mine.py")
    spec = yaml.safe_load((directory / "spec.yaml").read_text()) | {"plugins": [str(tmp_path / "mine.py")]}
    (directory / "spec.yaml").write_text(yaml.safe_dump(spec))
    assert load_report(directory).title == "linear-gaussian"


def test_what_takes_too_long_to_read_is_refused_by_its_size_or_kind(good, edited):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for key in ("name", "network", "variant", "baseline", "preset"):
        (restored(edited, good) / "spec.yaml").write_text(f"{bomb}{key}: *i\n")
        with pytest.raises(UsageError, match="aliases"):
            load_report(edited)
    (edited / "spec.yaml").write_text("seeds:\n" + "- 1234567\n" * 1_500_000)
    with pytest.raises(UsageError, match="larger than 1 MB"):
        load_report(edited)
    restored(edited, good)


@pytest.mark.parametrize(
    "entry",
    ["seeds: [.nan]", "seeds: [a]", "seeds: 3", "steps: many", "steps: [1]", f"steps: {10**400}", "plugins: 3",
     "plugins: [3]", "variant: {a: 1}", "network: [mlp]", "controls: 7", "baseline: 3", "steps: -1", "name: [1]"],
)  # fmt: skip
def test_a_spec_of_wrong_types_names_the_key_and_what_is_expected(good, edited, entry):
    path = restored(edited, good) / "spec.yaml"
    values = yaml.safe_load(path.read_text()) | yaml.safe_load(entry)
    path.write_text(yaml.safe_dump(values))
    for reader in (load_report, bench.load):
        with pytest.raises(
            UsageError, match=rf"spec\.yaml is damaged \({entry.partition(':')[0]} is .*, expected .*\)"
        ):
            reader(edited)
    restored(edited, good)


@pytest.mark.parametrize(
    "entry",
    [{"flops": -1e299}, {"flops": 1.5}, {"n_params": 1e299}, {"seed": 2**63 - 1}, {"seed": -1}, {"stack_seeds": 3},
     {"stack_seeds": [[1]]}, {"peak_rss": -3}, {"steps_run": 2**63}],
)  # fmt: skip
def test_a_record_with_a_number_that_no_table_holds_is_named_and_left_out(good, edited, entry):
    lines = (good / "cells.jsonl").read_text().splitlines()
    lines[0] = written(json.loads(lines[0]) | entry).strip()
    (restored(edited, good) / "cells.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.warns(UserWarning, match="line 1: "):
        frame = bench.load(edited)
    assert len(frame.cell_id.unique()) == len(lines) - 1
    assert any(f"line 1: {next(iter(entry))} is not" in note for note in load_report(edited).notes)
    if "stack_seeds" in entry:
        assert execute(edited, variant=["ae", "vae"], metrics="test_mse,kl,coverage_fit").n_failed == 0
    restored(edited, good)
