"""`aebench run --preset`: the user's place of the data under the preset's choice of it, and presets of several runs."""

import sys
import types
from pathlib import Path

import pytest

from bench.reports.studies import published_numbers
from bench.spec.presets import read_preset

MNIST = ("-d", "mnist[root=here]")
ON_CPU = [name for name in read_preset("anchors")["presets"] if name != "anchor-iwae"]


@pytest.fixture
def executed(monkeypatch):
    """The specs and options that reached the runner; `executed.outcomes` changes what it answers, by run name."""
    seen = types.SimpleNamespace(calls=[], outcomes={}, judged=[])

    def execute(run, arrays=None):
        spec, options = run.spec, run.options
        seen.calls.append((spec, options))
        outcome = {
            "n_cells": 2,
            "n_failed": 0,
            "n_skipped": 0,
            "n_incomplete": 0,
            "n_outdated": 0,
            "interrupted": False,
            "findings": (),
            **seen.outcomes.get(spec.name, {}),
        }
        return types.SimpleNamespace(directory=options.directory(spec), **outcome)

    def verdict_lines(directories):
        seen.judged = list(directories)
        return ["the verdicts"]

    monkeypatch.setitem(sys.modules, "bench.runs.runner", types.SimpleNamespace(execute=execute))
    monkeypatch.setattr(published_numbers, "verdict_lines", verdict_lines)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return seen


def test_the_place_of_the_files_is_the_users_and_the_rest_the_presets(call, executed):
    code, out, _ = call("run", "--preset", "anchor-pytorch-examples", *MNIST)
    ((spec, _),) = executed.calls
    assert (code, spec.name, spec.train.epochs, spec.seeds) == (0, "anchor-pytorch-examples", 10, (0, 1, 2, 3, 4))
    (data,) = spec.datasets
    assert (data.params["root"], data.params["validation"], data.params["limit"]) == ("here", 0.0, None)
    assert "the verdicts" not in out


def test_a_configuration_file_lies_between_preset_and_command_line(call, executed, tmp_path):
    (tmp_path / "mine.yaml").write_text("dataset: mnist[root=there,limit=500]\nlatent-dim: 3\n")
    call("run", "--preset", "anchor-keras", "--config", "mine.yaml")
    call("run", "--preset", "anchor-keras", "--config", "mine.yaml", *MNIST)
    (first, _), (second, _) = executed.calls
    assert (str(first.datasets[0].params["root"]), first.datasets[0].params["limit"]) == ("there", 500)
    assert (str(second.datasets[0].params["root"]), second.datasets[0].params["limit"]) == ("here", None)
    assert (first.train.latent_dim, first.datasets[0].params["validation"]) == (3, 0.0)


def test_all_anchors_run_one_after_another_and_what_needs_a_gpu_says_so(call, executed):
    code, out, err = call("run", "--preset", "anchors", *MNIST)
    assert (code, err) == (0, "")
    assert [spec.name for spec, _ in executed.calls] == ON_CPU
    assert all(spec.datasets[0].params["root"] == "here" for spec, _ in executed.calls)
    assert executed.judged == [Path("results") / f"{spec.name}-{spec.hash}" for spec, _ in executed.calls]
    assert out.count("2 cells: 2 with results") == len(ON_CPU)
    assert "not run: it asks for a GPU and torch sees none; give --device cpu" in out
    assert out.splitlines()[-1] == "the verdicts"


def test_a_device_of_the_users_is_taken_for_all(call, executed):
    call("run", "--preset", "anchors", *MNIST, "--device", "cpu", "-o", "out")
    assert [spec.name for spec, _ in executed.calls] == read_preset("anchors")["presets"]
    assert {spec.device for spec, _ in executed.calls} == {"cpu"}
    assert [options.output for _, options in executed.calls] == [Path("out") / spec.name for spec, _ in executed.calls]


def test_failed_cells_show_in_the_exit_code_and_do_not_stop_the_others(call, executed):
    executed.outcomes = {ON_CPU[0]: {"n_failed": 1}}
    code, out, _ = call("run", "--preset", "anchors", *MNIST)
    assert (code, len(executed.calls)) == (1, len(ON_CPU))
    assert "1 with results, 1 without results" in out


def test_a_stopped_run_stops_the_sequence(call, executed):
    executed.outcomes = {ON_CPU[1]: {"interrupted": True}}
    call("run", "--preset", "anchors", *MNIST)
    assert [spec.name for spec, _ in executed.calls] == ON_CPU[:2]
    assert len(executed.judged) == 2


def test_the_plan_of_all_anchors_loads_nothing(call, executed):
    code, out, _ = call("run", "--preset", "anchors", "-n", *MNIST)
    assert (code, executed.calls) == (1, [])  # the data are not here, which a plan says
    assert out.count("training:") == len(ON_CPU) + 1 and "will be an error" in out


def test_the_preset_of_several_runs_is_listed(call):
    code, out, _ = call("list", "presets", "-v")
    assert code == 0
    assert "presets: anchor-pytorch-examples, anchor-linear" in out


def test_listed_presets_show_the_numbers_that_they_reproduce(call):
    _, out, _ = call("list", "presets", "-v")
    assert "    reproduces: github.com/pytorch/examples" in out
    assert "        test negative ELBO, nats per image: 105.6 ± 0.5\n" in out
    assert "nats per image: 106.3 to 106.4\n" in out
    assert "{" not in out
