"""The folder is the truth: what a run counts is what is there, and damage stays where it is."""

import contextlib
import json
import shutil

import numpy as np
import pytest
from runs import assert_same_tables, execute, records

from bench.errors import UsageError
from bench.model_loading import load_model
from bench.reports.csv_tables import export
from bench.runs.result_writer import Keeper
from bench.store import array_files
from bench.store.run_store import RunStore

pytestmark = pytest.mark.usefixtures("no_report")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A run of two variants and two seeds as it was written."""
    directory = tmp_path_factory.mktemp("good") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda store: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        execute(directory)
    return directory


@pytest.fixture
def run(good, tmp_path):
    """A copy of it."""
    return shutil.copytree(good, tmp_path / "run")


def after(monkeypatch, n, happens):
    """Let `happens` happen once so many results are stored."""
    keep, count = Keeper.keep, iter(range(1, 100))

    def kept(self, result):
        record = keep(self, result)
        if next(count) == n:
            happens()
        return record

    monkeypatch.setattr(Keeper, "keep", kept)


@pytest.mark.parametrize("accident", ["folder removed", "records removed", "folder moved", "weights removed"])
@pytest.mark.parametrize("n", [1, 4])
def test_what_vanishes_while_a_run_writes_ends_it_in_one_line(tmp_path, monkeypatch, accident, n):
    run = tmp_path / "run"
    happens = {
        "folder removed": lambda: shutil.rmtree(run),
        "records removed": (run / "cells.jsonl").unlink,
        "folder moved": lambda: run.rename(tmp_path / "moved"),
        "weights removed": lambda: shutil.rmtree(run / "checkpoints"),
    }[accident]
    with monkeypatch.context() as patch:
        after(patch, n, happens)
        with pytest.raises(UsageError, match=r"is gone: it was removed, moved or replaced"):
            execute(run)
    assert not run.exists() or accident in ("records removed", "weights removed")
    if accident == "folder moved":
        assert len(records(tmp_path / "moved")) == n
    assert execute(run).n_failed == 0


def test_results_and_files_that_are_not_there_at_the_end_are_not_counted(run, monkeypatch, capsys):
    """Records cut out of the file, and weights and arrays removed one by one, leave every folder what it was."""
    store = RunStore.open(run)
    ids = [record["cell_id"] for record in store.records().values()]

    def happens():
        lines = store.cells_path.read_bytes().splitlines(keepends=True)
        with open(store.cells_path, "rb+") as file:
            file.truncate(0)
            file.write(b"".join(line for line in lines if ids[0].encode() not in line))
        store.checkpoint_path(ids[1]).unlink()
        array_files.save_arrays(store.arrays_path(ids[2]), {"history_step": np.arange(3)})

    with monkeypatch.context() as patch:
        after(patch, 4, happens)
        outcome = execute(run, force=True)
    assert (outcome.n_run, outcome.n_failed) == (4, 3)
    assert f"3 of the cells' results, or their files, are no longer in {run}" in capsys.readouterr().err
    outcome = execute(run, quiet=False)
    assert (outcome.n_run, outcome.n_failed) == (3, 0)
    said = capsys.readouterr().err
    assert "2 cells are trained again, as their files are gone or damaged: " in said and "2 of 4 cells have" not in said


def test_a_record_edited_by_hand_is_said_and_its_cell_done_again(run, good, capsys):
    path = run / "cells.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    entry = json.loads(lines[1])
    value = json.dumps(entry["metrics"]["test_mse"]["value"])
    path.write_text("".join([lines[0], lines[1].replace(value, "0.001"), *lines[2:]]))
    outcome = execute(run)
    assert outcome.n_run == 1 and outcome.n_failed == 0
    assert (
        "1 unreadable record(s) in cells.jsonl ignored (line 2: changed after it was written" in capsys.readouterr().err
    )
    assert records(run)["ae", 1]["metrics"] == records(good)["ae", 1]["metrics"]


def plain(run):
    """The run as an earlier version would have written it: without checksums and ids of cells in checkpoints."""
    path = run / "cells.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    unwanted = ("checksum", "files")
    path.write_text("".join(json.dumps({k: v for k, v in e.items() if k not in unwanted}) + "\n" for e in entries))
    for file in (run / "checkpoints").iterdir():
        with contextlib.suppress(UsageError):
            tensors, meta = array_files.load_tensors(file)
            array_files.save_tensors(file, tensors, {k: v for k, v in meta.items() if k != "cell_id"})
    return run


def other_seed(run, path):
    shutil.copy(RunStore.open(run).checkpoint_path(records(run)["ae", 1]["cell_id"]), path)


def other_variant(run, path):
    shutil.copy(RunStore.open(run).checkpoint_path(records(run)["vae", 0]["cell_id"]), path)


def changed(change):
    def happens(run, path):
        tensors, meta = array_files.load_tensors(path)
        name = next(name for name in tensors if name.endswith("weight"))
        array_files.save_tensors(path, change(dict(tensors), name), meta)

    return happens


DAMAGE = {
    "another seed": (other_seed, "is the checkpoint of ae on .* with seed 1, not of ae on .* with seed 0"),
    "another variant": (other_variant, r"is the checkpoint of vae.* with seed 0, not of ae"),
    "NaN weights": (changed(lambda t, n: t | {n: t[n] * np.nan}), "weight holds values that are not finite"),
    "another type": (changed(lambda t, n: t | {n: t[n].astype(np.float64)}), "is torch.float64, not torch.float32"),
    "another shape": (changed(lambda t, n: t | {n: t[n][:1]}), "does not fit the model|holds other networks"),
    "a weight too few": (changed(lambda t, n: {k: v for k, v in t.items() if k != n}), "fit the model|other networks"),
    "no shift": (changed(lambda t, n: {k: v for k, v in t.items() if k != "data.shift"}), r"data\.shift"),
    "NaN shift": (changed(lambda t, n: t | {"data.shift": np.full(1, np.nan)}), r"data\.shift"),
    "NaN scale": (changed(lambda t, n: t | {"data.scale": np.full(1, np.nan)}), r"data\.scale"),
    "garbage": (lambda run, path: path.write_bytes(b"garbage"), "is no checkpoint of aebench"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_checkpoint_that_is_not_its_cells_or_not_whole_is_refused(run, damage):
    happens, said = DAMAGE[damage]
    path = RunStore.open(run).checkpoint_path(records(run)["ae", 0]["cell_id"])
    happens(run, path)
    with pytest.raises(UsageError, match=r"is not the file that its cell's record names"):
        load_model(run, "ae")
    with pytest.raises(UsageError, match=said):  # an earlier version's run knows what the file says of itself
        load_model(plain(run), "ae")
    assert load_model(run, "vae").info["seed"] == 0


def test_an_infinite_scale_is_that_of_a_constant_column(run):
    path = RunStore.open(run).checkpoint_path(records(run)["ae", 0]["cell_id"])
    changed(lambda t, n: t | {"data.scale": np.where(np.arange(6) == 2, np.inf, 1.0)})(run, path)
    codes = load_model(plain(run), "ae").encode(np.zeros((3, 6)))
    assert np.isfinite(codes).all()


@pytest.mark.parametrize("damage", ["another seed", "NaN weights", "NaN scale", "garbage"])
@pytest.mark.parametrize("version", ["this", "an earlier one"])
def test_one_damaged_checkpoint_costs_its_cell_alone_when_all_are_evaluated_again(
    run, good, tmp_path, capsys, damage, version
):
    path = RunStore.open(run).checkpoint_path(records(run)["ae", 0]["cell_id"])
    before = records(run)
    if version == "an earlier one":
        plain(run)
    DAMAGE[damage][0](run, path)
    outcome = execute(run, metrics="test_mse,test_fvu", quiet=False)
    said = capsys.readouterr().err
    assert (outcome.n_run, outcome.n_failed, outcome.n_outdated) == (4, 0, 0)
    if version == "this":
        assert "1 cell is trained again, as their files are gone or damaged: ae on" in said
    else:
        assert said.count("that cell is trained again") == 1 and str(path) in said
    after_it = records(run)
    assert {record["status"] for record in after_it.values()} == {"ok"}
    same = [key for key in before if after_it[key]["t_train"] == before[key]["t_train"]]
    assert sorted(same) == [("ae", 1), ("vae", 0), ("vae", 1)]  # these were not trained again
    fresh = tmp_path / "fresh"
    execute(fresh, metrics="test_mse,test_fvu")
    assert_same_tables(run, fresh)
    np.testing.assert_array_equal(load_model(run, "ae").encode(np.eye(6)), load_model(fresh, "ae").encode(np.eye(6)))


def test_a_good_result_is_not_superseded_by_a_failed_evaluation(run, good, monkeypatch, capsys):
    from bench.runs.cells import stack_run

    real = stack_run.variant_result

    def failing(task, workshop, cell, *rest):
        if (cell.variant.name, cell.seed) == ("ae", 1):
            raise RuntimeError("no luck")
        return real(task, workshop, cell, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(stack_run, "variant_result", failing)
        outcome = execute(run, metrics="test_mse,test_fvu")
    assert (outcome.n_failed, outcome.n_outdated) == (0, 1)
    said = capsys.readouterr().err
    assert (
        "the earlier result of ae on linear-gaussian[d=6,n=300] with seed 1 stands, because doing it again failed"
        in said
    )
    assert records(run)["ae", 1]["metrics"] == records(good)["ae", 1]["metrics"]
    assert "test_fvu" in records(run)["ae", 0]["metrics"]
    outcome = execute(run, metrics="test_mse,test_fvu")
    assert (outcome.n_run, outcome.n_outdated) == (1, 0) and "test_fvu" in records(run)["ae", 1]["metrics"]


def test_curves_survive_an_evaluation_and_stay_under_their_mark(run):
    cell_id = records(run)["ae", 0]["cell_id"]
    before = RunStore.open(run).load_history(cell_id)
    execute(run, metrics="test_mse,test_fvu")
    store = RunStore.open(run)
    assert set(before) == set(store.load_history(cell_id)) and len(before) > 2
    assert set(store.files_of(cell_id)) == {"checkpoint", "arrays"} and load_model(run, "ae").info["seed"] == 0


def test_two_lengths_of_training_whose_plan_is_gone(run):
    execute(run, steps=40)
    (run / "plan.json").unlink()
    with pytest.raises(UsageError, match=r"two trainings of ae on .*plan\.json"):
        export(RunStore.open(run))
    with pytest.raises(UsageError, match="with several settings"):
        load_model(run, "ae")
    assert execute(run, steps=40).n_run == 0 and load_model(run, "ae").info["steps_run"] == 40


def test_a_bad_environment_does_not_stop_a_run(run):
    (run / "environment.json").write_text("{")
    assert execute(run, seeds=3).n_failed == 0 and RunStore.open(run).environments()
