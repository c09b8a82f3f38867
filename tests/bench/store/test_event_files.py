"""Event files hold every curve and final value once, where TensorBoard finds them, whatever the labels are."""

import importlib.util
import warnings

import numpy as np
import pandas as pd
import pytest
from runs import execute, records

from bench.cli import main
from bench.errors import UsageError
from bench.store import event_files
from bench.store.run_store import RunStore

needs_tensorboard = pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs tensorboard")


def read(folder):
    """Tag → [(step, value)] of a folder, as TensorBoard reads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def files(run):
    return {path: path.read_bytes() for path in sorted((run / "tensorboard").rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("events") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda directory: [])
        execute(directory, variant=["ae", "vae[beta=2]"], tensorboard=True)
    return directory


@needs_tensorboard
def test_every_curve_and_metric_of_every_cell_is_there(run):
    history = pd.read_csv(run / "history.csv")
    results = pd.read_csv(run / "results.csv")
    folders = sorted(path.parent for path in files(run))
    assert len(folders) == 4 and {folder.name for folder in folders} == {"seed-0", "seed-1"}
    for (label, seed), record in records(run).items():
        (folder,) = (f for f in folders if list(f.glob(f"*{record['cell_id']}")))
        names = map(event_files.safe_name, (record["dataset_label"], label))
        assert folder.parts[-3:] == (*names, f"seed-{seed}")
        found = read(folder)
        curves = history[(history.cell_id == record["cell_id"])]
        expected = {f"{part}/{term}" for part, term in zip(curves.part, curves.term, strict=True)}
        assert {"train/loss", "validation/loss"} <= expected
        own = results[(results.cell_id == record["cell_id"]) & results.value.notna()]
        assert set(found) == expected | {f"metrics/{name}" for name in own.metric}
        for (part, term), points in curves.groupby(["part", "term"]):
            steps, values = zip(*found[f"{part}/{term}"], strict=True)
            assert list(steps) == list(points.step)
            assert np.allclose(values, points.value, rtol=1e-6, equal_nan=True)
        for name, value in zip(own.metric, own.value, strict=True):
            assert found[f"metrics/{name}"] == [(30, pytest.approx(value, rel=1e-6))]


@needs_tensorboard
def test_a_resumed_run_adds_what_is_missing_and_nothing_twice(run, monkeypatch):
    monkeypatch.setattr("bench.runs.runner.report_run", lambda directory: [])
    before = files(run)
    execute(run, variant=["ae", "vae[beta=2]"], tensorboard=True)
    assert files(run) == before
    lost = next(iter(before))
    lost.unlink()
    execute(run, variant=["ae", "vae[beta=2]"])
    assert not lost.exists()
    execute(run, variant=["ae", "vae[beta=2]"], tensorboard=True)
    assert files(run) == before
    execute(run, variant=["ae", "vae[beta=2]"], tensorboard=True, metrics="test_mse")  # evaluated again
    assert set(files(run)) == set(before)
    for path in before:
        found = read(path.parent)
        assert [len(found[tag]) for tag in ("metrics/test_mse", "train/loss")] == [1, 8]
        assert "metrics/val_mse" not in found


@needs_tensorboard
def test_a_diverged_cell_shows_its_curve_and_a_failed_one_nothing(tmp_path):
    record = {"cell_id": "c0", "variant": "v", "dataset": "d", "seed": 3, "status": "diverged", "steps_run": 2}
    with RunStore.create(tmp_path / "run", type("Spec", (), {"to_dict": lambda self: {}})()) as store:
        history = {"history_step": np.array([1.0, 2.0]), "history_train_loss": np.array([0.5, np.nan])}
        store.save_arrays("c0", history)
        log = event_files.EventLog(store)
        log.write(record)
        (place,) = files(tmp_path / "run")
        (first, second) = read(place.parent)["train/loss"]
        assert first == (1, 0.5) and second[0] == 2 and np.isnan(second[1])
        store.arrays_path("c0").unlink()
        log.write(record | {"status": "error"})
        assert files(tmp_path / "run") == {}


@needs_tensorboard
def test_labels_stay_inside_the_folder_and_apart(tmp_path):
    labels = ["../../x", "/etc/x", "..", ".", "", "a/b", "a_b", "a\\b", "vae[beta=2]", "ä", "x" * 300, "x" * 301, "\n"]
    names = [event_files.safe_name(label) for label in labels]
    assert len(set(names)) == len(names)
    for name in names:
        assert 0 < len(name) < 100 and not set(name) & set("/\\\0\n[]") and not name.startswith(".")
    assert event_files.safe_name("vae") == "vae"
    with RunStore.create(tmp_path / "run", type("Spec", (), {"to_dict": lambda self: {}})()) as store:
        measured = {"test_mse": {"value": 1.0}}
        event_files.EventLog(store).write(
            {"cell_id": "c0", "variant": "../../../v", "dataset": "/d", "seed": 0, "metrics": measured}
        )
    assert len(files(tmp_path / "run")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@needs_tensorboard
def test_a_link_in_place_of_the_folder_is_refused(tmp_path):
    with RunStore.create(tmp_path / "run", type("Spec", (), {"to_dict": lambda self: {}})()) as store:
        (tmp_path / "run" / "tensorboard").symlink_to(tmp_path)
        with pytest.raises(UsageError, match="is a link to somewhere else"):
            event_files.EventLog(store)


def test_without_the_package_there_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "tensorboard" else find(name))
    with pytest.raises(SystemExit) as ended:
        main(["run", "--tensorboard", "-o", str(tmp_path / "run")])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.count("\n") == 1 and "pip install 'aebench[tensorboard]'" in error
    assert not (tmp_path / "run").exists()


def test_it_is_no_part_of_what_a_run_computes():
    from bench.spec.config import build_run

    spec, options = build_run({"tensorboard": True})
    assert spec.hash == build_run({})[0].hash and options.tensorboard
