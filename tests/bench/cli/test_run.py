"""`aebench run`: what reaches the runner, exit codes, the dry run, and refusals before anything is written."""

import re
import sys
import types
from pathlib import Path

import pytest

from bench.spec.registry import ARRAYS
from bench.spec.run import RunSpec

VARIANT = (
    "from bench.contracts.variant import Variant\nclass Mine(Variant):\n    def __init__(self, w: float = 1.0): ...\n"
)


OUTCOME = {"n_cells": 50, "n_failed": 0, "n_skipped": 0, "n_incomplete": 0, "n_outdated": 0, "interrupted": False,
           "findings": ()}  # fmt: skip


@pytest.fixture
def executed(monkeypatch):
    """What the runner was called with; `executed.outcome` is what it answers."""
    seen = types.SimpleNamespace(calls=[], outcome=dict(OUTCOME))

    def execute(run, arrays=None):
        spec, options, registry = run.spec, run.options, run.registry
        seen.calls.append((spec, options, registry))
        return types.SimpleNamespace(directory=options.directory(spec), **seen.outcome)

    runner = types.ModuleType("bench.runs.runner")
    runner.execute = execute
    monkeypatch.setitem(sys.modules, "bench.runs.runner", runner)
    return seen


def test_without_arguments_the_default_run_is_carried_out(call, executed):
    code, out, err = call("run")
    ((spec, options, registry),) = executed.calls
    assert spec == RunSpec().validate(registry)
    assert (options.n_jobs, options.engine, options.timeout, options.force, options.quiet) == (
        "auto",
        "local",
        None,
        False,
        False,
    )
    assert (code, err) == (0, "")
    assert f"50 cells: 50 with results\nresults and report: results/digits-{spec.hash}\n" == out


def test_a_run_without_any_result_is_no_success(call, executed):
    said = [{"reason": "conv needs pictures"}, {"reason": "conv needs pictures"}, {"reason": "it needs labels"}]
    store = types.SimpleNamespace(records=lambda: dict(enumerate(said)))
    executed.outcome |= {"n_cells": 2, "n_skipped": 2, "store": store}
    code, out, err = call("run")
    assert code == 1 and "2 cells: 2 skipped" in out
    assert err == ("no cell has a result, every one was skipped: conv needs pictures (1 more in the report)\n")
    executed.outcome |= {"n_cells": 3}
    code, out, err = call("run")
    assert (code, err) == (0, "") and "3 cells: 1 with results, 2 skipped" in out


def test_the_winners_are_named_at_the_end_of_a_run(call, executed):
    executed.outcome["findings"] = [f"data {n}: take vae." for n in range(8)]
    _, out, _ = call("run")
    assert out.splitlines()[1:6] == executed.outcome["findings"][:5]
    assert out.splitlines()[6].startswith("3 more data sets and everything else: results/digits-")


def test_every_option_reaches_the_run(call, executed, tmp_path):
    (tmp_path / "mine.py").write_text(VARIANT)
    call(
        "run", "-m", "ae", "--variant", "mine[w=[1,2]]", "-d", "digits[split_seed=1]", "--dataset", "linear-gaussian",
        "--seeds", "0,3", "--epochs", "7", "--latent-dim", "3", "--network", "mlp[hidden=[8,4],activation=tanh]",
        "--recon", "gaussian[scale=0.5]", "--optimizer", "sgd[lr=0.1]", "--schedule", "constant",
        "--early-stopping", "5", "-b", "32", "--precision", "bf16", "--compile", "--device", "cpu", "--metrics",
        "test_mse,kl", "--controls", "--baseline", "ae", "-o", "out", "-j", "2", "--engine", "local",
        "--timeout", "10m", "-f", "-q", "--plugins", "mine.py", "--tensorboard",
    )  # fmt: skip
    assert executed.calls[0][0].train.precision == "bf16" and executed.calls[0][1].tensorboard
    assert executed.calls[0][0].train.compile is True
    ((spec, options, registry),) = executed.calls
    assert [registry.label("variant", variant) for variant in spec.variants] == ["ae", "mine", "mine[w=2]"]
    assert [registry.label("dataset", data) for data in spec.datasets] == ["digits[split_seed=1]", "linear-gaussian"]
    train = spec.train
    assert (spec.seeds, train.epochs, train.steps, train.latent_dim, train.batch_size) == ((0, 3), 7, None, 3, 32)
    assert str(train.network) == "mlp[hidden=[8,4],activation=tanh,init=torch]"
    assert (str(train.recon), train.optimizer.params["lr"], train.schedule.name) == (
        "gaussian[scale=0.5]",
        0.1,
        "constant",
    )
    assert (train.early_stopping, spec.device, spec.metrics, spec.controls, spec.baseline) == (
        5,
        "cpu",
        "test_mse,kl",
        True,
        "ae",
    )
    assert (options.output, options.n_jobs, options.timeout, options.force, options.quiet) == (
        Path("out"),
        2,
        600.0,
        True,
        True,
    )
    assert spec.plugins == (str(tmp_path / "mine.py"),)


def test_presets_files_and_options_combine_in_that_order(call, executed, tmp_path):
    (tmp_path / "mine.yaml").write_text("seeds: 2\nepochs: 4\n")
    call("run", "--preset", "quick", "--config", "mine.yaml", "--seeds", "1")
    ((spec, _, _),) = executed.calls
    assert (spec.name, spec.seeds, spec.train.epochs, spec.train.steps) == ("mine", (0,), 4, None)
    assert len(spec.variants) == 5


def test_a_stored_spec_repeats_the_run(call, executed, tmp_path):
    import yaml

    call("run", "-m", "vae[beta=[1,2]]", "--epochs", "3", "--controls")
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(executed.calls[0][0].to_dict()))
    call("run", "--config", "spec.yaml")
    assert executed.calls[1][0] == executed.calls[0][0]


@pytest.mark.parametrize(
    ("outcome", "code", "line"),
    [
        ({"n_cells": 3, "n_failed": 0, "n_skipped": 1}, 0, "3 cells: 2 with results, 1 skipped"),
        ({"n_cells": 3, "n_incomplete": 2}, 1, "3 cells: 3 with results, 2 of which a metric failed"),
        ({"n_cells": 3, "n_failed": 1, "n_skipped": 1}, 1, "3 cells: 1 with results, 1 skipped, 1 without results"),
    ],
)
def test_exit_code_is_1_when_cells_failed_and_0_when_skipped(call, executed, outcome, code, line):
    executed.outcome |= outcome
    found, out, _ = call("run")
    assert found == code
    assert out.splitlines()[0] == line


def test_a_run_that_was_stopped_early_says_how_to_go_on(call, executed):
    executed.outcome |= {"n_failed": 20, "interrupted": True}
    code, out, err = call("run")
    assert code == 1 and out.startswith("50 cells: 30 with results, 20 without results\n")
    assert err == "stopped early; the same command again goes on from here\n"


def test_the_dry_run_tells_the_plan_and_writes_nothing(call, executed, tmp_path):
    code, out, err = call("run", "-n", "-m", "vae[beta=[1,5]]", "--seeds", "3", "--steps", "200", "--controls")
    assert (code, err, executed.calls) == (0, "", [])
    assert list(tmp_path.iterdir()) == []
    assert "vae, vae[beta=5], control:constant" in out
    assert "200 steps each, 1,200 steps in all" in out
    cells = 2 * 3 + out.count("control:") - 1 + 3
    assert f"cells:     {cells}, {cells - 6} of them controls" in out
    assert "directory: results/digits-" in out
    for options, expected in (
        ([], "1 worker × 1 thread"),
        (["--device", "cuda", "--threads", "2"], "1 worker × 2 threads"),
    ):
        _, out, _ = call("run", "-n", "-m", "vae", "--seeds", "3", "--steps", "200", *options)
        assert re.search(rf"^workers:   {expected}, \d+ GB$", out, re.MULTILINE)


def test_data_given_from_python_are_needed_to_go_on(call, executed, tmp_path):
    (tmp_path / "spec.yaml").write_text(f"dataset: '{ARRAYS}[checksum=ab]'\n")
    code, _, err = call("run", "--config", "spec.yaml")
    assert code == 2 and "bench.run(data=" in err


BAD = {
    "unknown variant": (["-m", "vea"], "did you mean vae?"),
    "unknown parameter": (["-m", "vae[bta=1]"], "did you mean beta?"),
    "wrong type": (["-m", "vae[beta=x]"], "give a number"),
    "open bracket": (["-m", "vae[beta=1"], "never closed"),
    "empty grid": (["-m", "vae[beta=[]]"], "empty grid"),
    "unknown data set": (["-d", "digts"], "did you mean digits?"),
    "missing parameter": (["-d", "file"], "file needs a value for 'path'"),
    "unknown metric": (["--metrics", "test_mes"], "did you mean test_mse"),
    "no metric": (["--metrics", ","], "no metric is named"),
    "no seeds": (["--seeds", "0"], "at least 1 seed"),
    "text as seeds": (["--seeds", "ten"], "seeds 'ten' cannot be read"),
    "latent dimension 0": (["--latent-dim", "0"], "latent_dim=0"),
    "text as a number": (["--latent-dim", "two"], "--latent-dim"),
    "batch of 0": (["-b", "0"], "batch_size=0"),
    "learning rate 0": (["--optimizer", "adam[lr=0]"], "give a number above 0"),
    "unknown optimizer": (["--optimizer", "adm"], "did you mean adam"),
    "unknown network": (["--network", "mpl"], "did you mean mlp?"),
    "unknown schedule": (["--schedule", "linear"], "unknown schedule"),
    "unknown cost": (["--recon", "l1"], "unknown reconstruction cost 'l1'"),
    "no steps": (["--steps", "0"], "steps=0"),
    "steps and epochs": (["--steps", "1", "--epochs", "1"], "both steps and epochs"),
    "no jobs": (["-j", "0"], "n_jobs=0"),
    "jobs as a word": (["-j", "x"], "n_jobs=x is neither a whole number of at least 1 nor auto"),
    "no threads": (["--threads", "0"], "threads=0"),
    "unknown engine": (["--engine", "lokal"], "did you mean local?"),
    "no time": (["--timeout", "0s"], "timeout '0s'"),
    "unknown precision": (["--precision", "bf61"], "did you mean bf16?"),
    "unknown device": (["--device", "gpu"], "device 'gpu'"),
    "baseline elsewhere": (["-m", "ae", "--baseline", "vae"], "not among the variants"),
    "unknown preset": (["--preset", "defalt"], "did you mean default?"),
    "missing config": (["--config", "gone.yaml"], "cannot read gone.yaml: No such file"),
    "broken config": (["--config", "broken.yaml"], "line 2, column"),
    "unknown key": (["--config", "unknown.yaml"], "unknown key 'sedes'; did you mean seeds"),
    "missing plugins": (["--plugins", "gone.py"], "no such file or folder"),
    "broken plugin": (["--plugins", "bad.py", "-m", "bad"], "is broken: line 1"),
    "empty output": (["-o", ""], "is not a path"),
    "empty preset": (["--preset", ""], "unknown preset ''"),
    "empty config": (["--config", ""], "cannot read ."),
    "no option before a name": (["digits"], "'digits' stands alone; variants are named with -m and data sets with -d"),
    "brackets taken apart": (["-m", "vae", "[beta=1]"], "brackets in quotes"),
    "a file as a data set": (["-d", "data.csv"], "'data.csv' does not exist"),
    "a file elsewhere": (["-d", "/data/a.npy[label=b]"], "'/data/a.npy' does not exist"),
    "a folder as a data set": (["-d", "pictures"], "write 'image-folder[path=pictures]'"),
    "a file as a variant": (["-m", "./my_vae.py"], "write --plugins ./my_vae.py -m my-vae"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_code_2_and_writes_nothing(call, executed, tmp_path, case):
    (tmp_path / "broken.yaml").write_text("seeds: 3\n  steps: [\n")
    (tmp_path / "unknown.yaml").write_text("sedes: 3\n")
    (tmp_path / "bad.py").write_text("class Bad(Variant):: pass\n")
    (tmp_path / "pictures").mkdir()
    before = sorted(tmp_path.iterdir())
    arguments, expected = BAD[case]
    code, out, err = call("run", *arguments)
    assert (code, out, executed.calls) == (2, "", [])
    assert err.startswith("error: ") and err.count("\n") == 1
    assert expected in err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("value", ["0", "x", "-1", "1.5"])
def test_splits_that_are_no_number_are_one_line(call, executed, value):
    code, _, err = call("run", "--splits", value, "-n")
    assert code == 2 and f"splits={value} is not a whole number" in err and len(err.strip().splitlines()) == 1
    assert executed.calls == []


def test_splits_reach_the_plan(call, executed):
    code, out, _ = call("run", "-m", "ae", "--seeds", "3", "--splits", "4", "-n")
    assert code == 0 and "cells:     12" in out and "splits:    4 of each data set" in out
    code, _, err = call("run", "-d", "ring", "--splits", "4", "-n")
    assert code == 2 and "ring has one split only" in err and len(err.strip().splitlines()) == 1


def test_a_result_that_could_not_be_had_anew_is_no_success(call, executed):
    executed.outcome["n_outdated"] = 2
    code, out, _ = call("run")
    assert code == 1 and "50 with results, 2 of which an earlier one stands, as doing it again failed" in out


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ("1099511627776", "give at least 1 seed and at most 100,000"),
        ("1000000", "give at least 1 seed and at most 100,000"),
        ("100000", "the run asks for 200,000 cells: 2 rows, 1 data sets, 100,000 seeds; one run has at most 100,000"),
    ],
)
def test_too_many_seeds_are_refused_at_once_with_the_bound(call, seeds, said):
    code, out, err = call("run", "-m", "ae", "-m", "vae", "--seeds", seeds)
    assert (code, out, err.count("\n")) == (2, "", 1) and said in err


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "1e999"])
def test_a_rate_that_is_not_finite_has_that_reason(call, text):
    code, _, err = call("run", "--optimizer", f"adam[lr={text}]")
    assert (code, err) == (2, f"error: adam: lr={text} is not finite; give a number that is\n")


@pytest.mark.parametrize("where", ["a" * 300, "/".join(["a" * 200] * 25), "dangling", "dangling/run"])
def test_a_directory_that_cannot_be_is_one_line(call, tmp_path, where):
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    code, out, err = call("run", "-o", where)
    assert (code, out, err.count("\n")) == (2, "", 1) and "--output" in err and len(err) < 700
    assert [path.name for path in tmp_path.iterdir()] == ["dangling"] and not (tmp_path / "nowhere").exists()
