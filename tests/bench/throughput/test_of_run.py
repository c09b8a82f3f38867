"""The core's figures in a run: measured at its own shapes once it is done, shown by its report, read as untrusted."""

import csv

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench.losses import ReconstructionCost
from bench.reports import write_report
from bench.reports.throughput import core_rows, core_table
from bench.spec.training import TrainSettings
from bench.store.throughput_table import BUSY, COLUMNS, read_rows
from bench.throughput import document, measure, measuring
from bench.throughput.of_run import measure_run
from bench.throughput.timing import Effort

FAST = Effort(rounds=3, block_seconds=0.0002)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(measuring, "QUICK", FAST)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.core_figures
def test_a_run_ends_with_the_cores_figures_at_its_own_shapes(tmp_path):
    asked = dict(data=torch.rand(60, 6).numpy(), variants=["ae", "vae"], seeds=2, steps=3, latent_dim=3, batch_size=16,
                 output=tmp_path / "run", quiet=True)  # fmt: skip
    bench.run(**asked)
    path = tmp_path / "run" / "core.csv"
    rows = rows_of(path)
    assert {(row["dim"], row["latent_dim"], row["cost"]) for row in rows} == {("6", "3", "squared")}
    assert {row["batch_size"] for row in rows} == {"2", "16", "128"}
    assert {row["variant"] for row in rows} == {"ae", "stochastic-ae", "vae"}
    before = path.read_bytes()
    report = (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for text in (report, page):
        assert "Throughput of the sampling-and-loss core" in text
    for row in core_table(core_rows(tmp_path / "run")):
        assert row[5] in report and row[5] in page
    assert (tmp_path / "run" / "figures" / "core.csv").is_file()
    bench.run(**asked)
    assert path.read_bytes() == before  # nothing ran, nothing is measured again


def test_what_a_run_cannot_measure_is_a_row_and_no_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "_check_memory", lambda *arguments: (_ for _ in ()).throw(MemoryError("too much")))
    measure_run(tmp_path, TrainSettings(), [(2, 3), (3, 2)], "cpu")
    rows = rows_of(tmp_path / "core.csv")
    assert {(row["status"], row["dim"]) for row in rows} == {("oom", "6")}
    assert core_rows(tmp_path) == []


def test_a_run_without_results_measures_nothing(tmp_path):
    measure_run(tmp_path, TrainSettings(), [], "cpu")
    assert not (tmp_path / "core.csv").exists()


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = measure(("vae",), [ReconstructionCost("squared")], (4,), (6,), 2, quick=True)
    (tmp_path / "core.csv").write_text(document.csv_text(rows), encoding="utf-8")
    back = read_rows(tmp_path / "core.csv")
    assert len(back) == len(rows) == 3
    for old, new in zip(rows, back, strict=True):
        for name, value in old.items():
            assert new[name] == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value or new[name])


def test_a_row_of_a_busy_machine_says_so(tmp_path):
    plain = dict.fromkeys(COLUMNS, "1") | {"path": "losses", "status": "ok", "seconds_high": "1.4"}
    rows = (plain, plain | {"seconds_high": "1.6"}, plain | {"reason": BUSY})
    text = "\n".join([",".join(COLUMNS), *(",".join(row.values()) for row in rows)])
    (tmp_path / "core.csv").write_text(text, encoding="utf-8")
    assert ["⚠" in row[5] for row in core_table(core_rows(tmp_path))] == [False, True, True]


@pytest.mark.parametrize("quiet", [True, False])
def test_a_measurement_that_other_work_disturbed_says_so(monkeypatch, quiet):
    monkeypatch.setattr(measuring, "undisturbed", lambda *moments: quiet)
    rows = measure(("ae",), [ReconstructionCost("squared")], (4,), (6,), 2, quick=True)
    assert {row["reason"] == BUSY for row in rows} == {not quiet}
    assert ("not valid: " in document.markdown(rows, {})) is not quiet


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_as_no_rows(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("core") / "core.csv"
    path.write_bytes(content)
    assert read_rows(path) == []


_CELL = st.sampled_from(
    ["", "vae", "losses", "ok", "4", "-4", "0", "nan", "1e999", "1e-9", "<script>", "=1+1", "\x1b[2J"]
)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, _CELL)), max_size=3))
def test_any_values_are_shown_or_left_out_but_never_raise(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("core")
    lines = [",".join(COLUMNS), *(",".join(row.values()) for row in rows)]
    (folder / "core.csv").write_text("\n".join(lines), encoding="utf-8")
    for row in core_table(core_rows(folder)):
        assert all("\x1b" not in text for text in row)


def test_markup_in_the_file_is_text_in_the_report(tmp_path):
    bench.run(data=torch.rand(60, 6).numpy(), variants=["ae"], seeds=2, steps=2, batch_size=16, output=tmp_path / "run",
              quiet=True)  # fmt: skip
    row = dict.fromkeys(COLUMNS, "1") | {"path": "losses", "status": "ok", "variant": "<img src=x onerror=alert(1)>"}
    text = "\n".join([",".join(COLUMNS), ",".join(row.values())])
    (tmp_path / "run" / "core.csv").write_text(text, encoding="utf-8")
    write_report(tmp_path / "run")
    for name in ("report.md", "report.html"):
        assert "<img src=x" not in (tmp_path / "run" / name).read_text(encoding="utf-8")
