"""`--against`: only the new variant is trained, with the reference's settings, and what differs is refused."""

import json
import shutil

import numpy as np
import pytest
from runs import SMALL, execute

import bench
from bench.errors import UsageError
from bench.reports.beside import FOLDER, shown
from bench.reports.model import load_report
from bench.runs import references
from bench.runs.preview import preview
from bench.runs.runner import execute as carry_out
from bench.spec.request import resolve
from bench.store.references import DESCRIPTION, read_reference


@pytest.fixture(scope="module", autouse=True)
def no_report():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda store: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A reference of two variants over two seeds, and what its run measured."""
    home = tmp_path_factory.mktemp("reference")
    outcome = execute(home / "run", n_jobs=1)
    references.write_reference(outcome.directory, home / "small")
    return home


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made / "small", tmp_path / "small")


def edit(folder, change):
    said = json.loads((folder / DESCRIPTION).read_text())
    change(said)
    (folder / DESCRIPTION).write_text(json.dumps(said))


def asked(folder, tmp_path, **given):
    return resolve({"variant": ["stochastic-ae"], "against": folder, "output": tmp_path / "out", "quiet": True,
                    "n_jobs": 1, **given})  # fmt: skip


def test_only_the_new_variant_is_trained_and_it_stands_among_the_others_as_if_run_with_them(made, tmp_path):
    outcome = carry_out(asked(made / "small", tmp_path))
    assert (outcome.n_cells, outcome.n_run, outcome.n_failed) == (2, 2, 0)
    whole = execute(tmp_path / "whole", variant=["stochastic-ae", "ae", "vae"], n_jobs=1)
    seen = shown(outcome.store).data.frame()
    expected = whole.store.data().frame()
    keys = ["variant", "seed", "metric"]
    left, right = (frame.sort_values(keys).reset_index(drop=True) for frame in (seen, expected))
    assert left[keys].equals(right[keys])
    np.testing.assert_array_equal(left["value"], right["value"])
    report = load_report(outcome.directory)
    assert report.notes[0] == "run here: stochastic-ae" and "small: ae, vae" in report.notes[1]
    assert len(report.notes) == 2


def test_the_same_directory_without_a_reference_shows_its_own_rows_alone(made, tmp_path):
    run = asked(made / "small", tmp_path)
    references.keep(run, tmp_path, ["a note"])
    assert (tmp_path / FOLDER / DESCRIPTION).is_file()
    references.keep(resolve({"variant": ["ae"]}), tmp_path, [])
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_options_that_contradict_the_reference_are_refused_and_the_same_ones_are_not(made, tmp_path):
    same = {key: SMALL[key] for key in ("dataset", "seeds", "steps", "latent_dim", "batch_size", "network", "metrics")}
    assert asked(made / "small", tmp_path, **same).spec == asked(made / "small", tmp_path).spec
    for given, message in (
        ({"latent_dim": 3}, r"--latent-dim 3 is not what small was made with \(2\), and what differs is not compared"),
        ({"steps": 31}, "--steps 31"),
        ({"epochs": 3}, "--epochs 3 is not what small was made with \\(not set\\)"),
        ({"seeds": 3}, r"--seeds 0, 1, 2 is not what small was made with \(0, 1\)"),
        ({"dataset": ["linear-gaussian[d=6,n=301]"]}, "--dataset linear-gaussian"),
        ({"metrics": "core"}, r"--metrics core .*\(test_mse,val_mse,kl\)"),
        ({"likelihood_rows": 7}, r"--likelihood-rows 7 .*\(auto\)"),
        ({"optimizer": "sgd"}, "--optimizer sgd"),
    ):
        with pytest.raises(UsageError, match=message):
            asked(made / "small", tmp_path, **given)


def test_what_cannot_be_asked_for_is_one_line(made, tmp_path):
    with pytest.raises(UsageError, match="needs the variants that are to stand beside it; name them with -m"):
        resolve({"against": made / "small"})
    with pytest.raises(UsageError, match="both a preset and --against are given"):
        resolve({"against": made / "small", "variant": ["ae"]}, {"name": "quick", "steps": 3})
    with pytest.raises(UsageError, match="no reference results 'zzz'"):
        bench.run("ae", against="zzz")
    with pytest.raises(UsageError, match="against 3 is no name"):
        resolve({"against": 3, "variant": ["ae"]})


def test_other_data_under_the_same_name_are_refused_before_anything_is_written(folder, tmp_path, monkeypatch):
    run = asked(folder, tmp_path)
    wrong = dict.fromkeys(references.checksums(run), "fedcba9876543210")
    monkeypatch.setattr(references, "checksums", lambda run: wrong)
    with pytest.raises(UsageError, match=r"holds other data here .* than the reference results .*fedcba9876543210"):
        carry_out(run)
    assert not (tmp_path / "out").exists()


def test_a_metric_that_is_defined_differently_is_refused_and_other_wording_is_not(folder, tmp_path):
    edit(folder, lambda said: said["metrics"]["test_mse"].update(summary="In other words.", smallest_effect=0.5))
    assert references.differences(asked(folder, tmp_path)) == []
    edit(folder, lambda said: said["metrics"]["test_mse"].update(formula="something else"))
    for act in (carry_out, preview):
        with pytest.raises(UsageError, match=r"test_mse is defined differently in small: its formula is .* there and"):
            act(asked(folder, tmp_path))
    assert not (tmp_path / "out").exists()


def test_code_of_the_metrics_that_has_changed_is_a_line_that_names_it(folder, tmp_path):
    assert len(read_reference(folder).evaluation) > 5
    name = sorted(read_reference(folder).evaluation)[0]
    edit(folder, lambda said: (said.update(metrics_hash="other"), said["evaluation"].update({name: "old"})))
    (line,) = references.differences(asked(folder, tmp_path))
    assert line.startswith(f"the code of the metrics ({name}) has changed since small was measured")
    edit(folder, lambda said: said.update(evaluation={}))
    assert "the code of the metrics has changed" in references.differences(asked(folder, tmp_path))[0]


def test_values_that_only_one_of_the_two_has_are_named(folder, tmp_path):
    edit(folder, lambda said: said["metrics"].update(mine=said["metrics"]["test_mse"]))
    assert references.differences(asked(folder, tmp_path)) == ["this run has no mine"]
