"""`aebench core`: rows, files, bad input and what is counted, without any statement about absolute time."""

import csv
import itertools

import pytest
import torch
from click.testing import CliRunner

from bench.cli.core import command
from bench.errors import BenchError, UsageError
from bench.losses import ReconstructionCost
from bench.store.throughput_table import COLUMNS
from bench.throughput import document, measure, measuring, timing
from bench.throughput.timing import Effort, Spread, interleaved, ratio
from bench.throughput.workload import Shape

CPU = torch.device("cpu")
FAST = Effort(rounds=3, block_seconds=0.0002)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(measuring, "QUICK", FAST)
    monkeypatch.setattr(measuring, "FULL", FAST)


def test_rows_of_a_quick_measurement():
    rows = measure(batch_sizes=(8, 16), dims=(12,), latent_dim=3, quick=True)
    assert all(list(row) == list(COLUMNS) for row in rows)
    keys = [(row["variant"], row["cost"], row["batch_size"], row["path"]) for row in rows]
    expected = itertools.product(("ae", "stochastic-ae", "vae"), ("squared", "bernoulli"), (8, 16),
                                 ("idiom", "losses", "one-pass"))  # fmt: skip
    assert keys == list(expected)
    for row in rows:
        assert row["status"] == "ok" and row["stage"] == "forward+backward" and row["repeats"] == 3
        assert 0 < row["seconds_low"] <= row["seconds"] <= row["seconds_high"]
        assert row["samples_per_second"] == pytest.approx(row["batch_size"] / row["seconds"])
        assert row["copy_share"] > 0
        assert (row["ratio_to_idiom"] == 1) == (row["path"] == "idiom")
        assert (row["seconds_cost"] is not None) == (row["path"] == "one-pass")
        assert (row["seconds_draw"] is not None) == (row["path"] == "one-pass" and row["variant"] != "ae")


def test_both_stages_without_a_compiler():
    rows = measure(("vae",), [ReconstructionCost("gaussian", 0.5)], (4,), (6,), 2, compile="never")
    assert [(row["stage"], row["path"], row["compiler"]) for row in rows] == [
        (stage, path, "eager") for stage in ("forward", "forward+backward") for path in ("idiom", "losses", "one-pass")
    ]


def test_bytes_that_must_move():
    """Forward reads x, x̂, μ, v, writes ε, z; backward writes x̂'s gradient, reads z's and writes those of μ, v."""
    squared = ReconstructionCost("squared")
    assert Shape("ae", squared, 10, 784, 20).bytes_moved(False) == 10 * 4 * 2 * 784
    assert Shape("ae", squared, 10, 784, 20).bytes_moved(True) == 10 * 4 * 3 * 784
    assert Shape("vae", squared, 10, 784, 20).bytes_moved(False) == 10 * 4 * (2 * 784 + 4 * 20)
    assert Shape("vae", squared, 10, 784, 20).bytes_moved(True) == 10 * 4 * (3 * 784 + 7 * 20)


@pytest.mark.parametrize("moved", [8, 4096, 1_000_000])
def test_the_copy_moves_that_many_bytes(moved):
    copy = measuring.copy_of(moved, CPU)
    target = copy()
    assert 2 * target.nbytes == moved
    assert torch.equal(target, torch.ones_like(target))


def test_rounds_are_interleaved(monkeypatch):
    calls = []

    def clock(function, threads):
        return lambda number: calls.append(function()) or 0.1

    monkeypatch.setattr(timing, "_cpu_clock", clock)
    spreads = interleaved({"a": lambda: "a", "b": lambda: "b"}, CPU, 1, Effort(rounds=3, block_seconds=0.01))
    assert calls[-6:] == ["a", "b"] * 3
    assert spreads["a"] == Spread((0.1, 0.1, 0.1))


def test_ratio_is_the_median_over_rounds():
    """A slow spell of the machine in one round hits both and leaves the ratio alone."""
    assert ratio(Spread((4.0, 400.0, 4.0)), Spread((2.0, 200.0, 1.0))) == 2.0
    assert Spread((3.0, 1.0, 2.0)).median == 2.0


def test_a_shape_that_does_not_fit_is_a_row_and_the_others_stay():
    rows = measure(("ae",), [ReconstructionCost("squared")], (4, 10**9), (100_000,), 2, quick=True)
    assert [row["status"] for row in rows] == ["ok"] * 3 + ["oom"]
    assert "GiB are free" in rows[-1]["reason"] and rows[-1]["seconds"] is None


def test_memory_that_runs_out_on_the_way_is_told_apart(monkeypatch):
    def exhausted(inputs, backward):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB\nmore")

    monkeypatch.setattr(measuring, "idiom", exhausted)
    (row,) = measure(("ae",), [ReconstructionCost("squared")], (4,), (8,), 2, quick=True)
    assert (row["status"], row["reason"]) == ("oom", "CUDA out of memory. Tried to allocate 20 GiB")


@pytest.mark.parametrize(
    "wrong",
    [{"variants": ("vea",)}, {"batch_sizes": (0,)}, {"dims": (2.5,)}, {"latent_dim": True}, {"compile": "always"}],
    ids=str,
)
def test_bad_input_is_one_line(wrong):
    with pytest.raises(UsageError) as error:
        measure(**{"batch_sizes": (4,), "dims": (4,), **wrong})
    assert "\n" not in str(error.value)


def test_files_and_output_of_the_command(tmp_path):
    target = tmp_path / "out"
    arguments = ["-m", "vae", "--recon", "squared", "-b", "4", "-b", "8", "--dim", "6", "--latent-dim", "2",
                 "--device", "cpu", "--compile", "never", "-o", str(target)]  # fmt: skip
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    with (target / "core.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS) and len(rows) == 2 * 2 * 3
    assert float(rows[0]["samples_per_second"]) > 0
    text = (target / "core.md").read_text(encoding="utf-8")
    assert "## forward+backward" in text and "not compiled" in text and "Where the time goes" in text
    figure = (target / "core.svg").read_text(encoding="utf-8")
    assert "batch size" in figure and "one-pass" in figure


def test_the_same_rows_give_the_same_files():
    rows = measure(("ae",), [ReconstructionCost("squared")], (4, 8), (6,), 2, quick=True)
    assert document.figure_svg(rows) == document.figure_svg(rows)
    assert document.csv_text(rows) == document.csv_text(rows)


def test_a_report_with_nothing_but_failures(tmp_path):
    rows = measure(("ae",), [ReconstructionCost("squared")], (10**9,), (100_000,), 2, quick=True)
    paths = document.write_files(rows, {"torch": "0"}, tmp_path)
    assert [path.name for path in paths] == ["core.csv", "core.md"]
    assert "## Not measured" in paths[1].read_text(encoding="utf-8")


def test_a_device_that_does_not_exist():
    with pytest.raises(BenchError, match="does not exist here"):
        CliRunner().invoke(command, ["--device", "cuda:99"], catch_exceptions=False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_measurement_on_a_gpu():
    rows = measure(batch_sizes=(256,), dims=(784,), device="cuda")
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["compiler"] for row in rows if row["path"] == "one-pass"} <= {"inductor", "eager"}
