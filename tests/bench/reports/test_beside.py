"""A run beside reference results: its report marks all rows as one run of all would, and says what was run here."""

import json
import shutil

import pandas as pd
import pytest
from synthetic import make_run

import bench
from bench.analysis.catalogue import declarations
from bench.reports import write_report
from bench.reports.beside import FOLDER, HERE, shown
from bench.reports.model import load_report
from bench.reports.rows import cost_rows
from bench.runs.references import write_reference
from bench.spec.registry import Registry
from bench.store import references
from bench.store.run_store import RunStore

SEEDS = range(5)


class Spec:
    def __init__(self, values):
        self.to_dict = lambda: values


def declare(directory, **changes):
    """Give an invented run the declarations of real metrics, and `changes` to its spec."""
    spec = RunStore.open(directory).spec
    with RunStore.create(directory, Spec({key: v for key, v in {**spec, **changes}.items() if v is not None})) as store:
        store.save_metrics(declarations(Registry.discover()))
    return directory


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a run of one variant beside a reference of two others, and the run of all three."""
    home = tmp_path_factory.mktemp("beside")
    two = declare(make_run(home / "two", ("ae", "vae"), seeds=SEEDS, with_arrays=False))
    declare(make_run(home / "all", ("stochastic-ae", "ae", "vae"), seeds=SEEDS, with_arrays=False))
    declare(make_run(home / "own", ("stochastic-ae",), seeds=SEEDS, with_arrays=False), baseline=None)
    write_reference(two, home / "mine")
    shutil.copytree(home / "mine", home / "own" / FOLDER)
    (home / "own" / FOLDER / HERE).write_text(json.dumps({"labels": {"digits": "digits"}, "notes": ["to be told"]}))
    return home


@pytest.fixture
def own(made, tmp_path):
    return shutil.copytree(made / "own", tmp_path / "own")


def notes(directory):
    return " | ".join(load_report(directory).notes)


def test_marks_and_tests_are_those_of_one_run_of_all(made):
    for name in ("own", "all"):
        write_report(made / name, ["csv"])
    for table in ("summary.csv", "differences.csv"):
        ours, theirs = (pd.read_csv(made / name / table) for name in ("own", "all"))
        assert set(ours["variant" if table == "differences.csv" else "variant_label"]) >= {"stochastic-ae", "vae"}
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-12)
    assert set(pd.read_csv(made / "own" / "summary.csv")["mark"].dropna()) & {"best", "shared"}


def test_the_runs_own_table_holds_what_was_run_and_nothing_else(made):
    assert set(bench.load(made / "own")["variant_label"]) == {"stochastic-ae"}
    write_report(made / "own", ["csv"])
    assert set(pd.read_csv(made / "own" / "results.csv")["variant_label"]) == {"stochastic-ae"}


def test_the_report_says_which_rows_were_run_here_and_counts_only_these(made):
    report = load_report(made / "own")
    assert report.notes[:3] == [
        "run here: stochastic-ae",
        "not run here but taken from the reference results mine: ae, vae; seeds are paired as in one run, speed is not "
        "compared, so their timings are empty",
        "to be told",
    ]
    assert report.counts == {"ok": len(SEEDS)}
    (section,) = report.sections
    assert [row.label for row in section.rows] == ["stochastic-ae", "ae", "vae"]
    assert section.rows[section.baseline].label == "ae"


def test_timings_of_rows_that_were_not_run_here_are_empty(made):
    (section,) = load_report(made / "own").sections
    texts = {row[0].text: [value.text for value in row[5:]] for row in cost_rows(section)}
    assert set(texts["ae"]) == set(texts["vae"]) == {"–"}
    assert texts["stochastic-ae"][-1] == "yes" and "–" not in texts["stochastic-ae"]


def test_a_variant_that_was_run_here_too_takes_the_place_of_the_references(own, made, tmp_path):
    twin = declare(make_run(tmp_path / "twin", ("vae",), seeds=SEEDS, with_arrays=False, shift={"test_mse": 2.0}))
    shutil.copytree(own / FOLDER, twin / FOLDER)
    seen = shown(RunStore.open(twin))
    assert list(dict.fromkeys(seen.data.cells["variant_label"])) == ["vae", "ae"]
    frame = seen.data.frame()
    rows = frame[(frame["variant"] == "vae") & (frame["metric"] == "test_mse")]
    assert len(rows) == len(SEEDS) and rows["value"].min() > 0.02
    assert "vae stood in the reference too and was run here anew" in notes(twin)


def test_rows_on_other_data_are_left_out(own):
    table = references._unpacked(own / FOLDER / references.RESULTS)
    said = json.loads((own / FOLDER / references.DESCRIPTION).read_text())
    said["data"][0]["checksum"] = "fedcba9876543210"
    said = {key: value for key, value in said.items() if key not in ("schema", "results")}
    references.write_files(own / FOLDER, said, table.replace(b"0123456789abcdef", b"fedcba9876543210"))
    assert set(shown(RunStore.open(own)).data.cells["variant_label"]) == {"stochastic-ae"}
    assert "the reference's rows on digits are left out: they were measured on other data" in notes(own)


def test_a_reference_that_was_damaged_since_leaves_the_runs_own_report(own):
    path = own / FOLDER / references.RESULTS
    path.write_bytes(path.read_bytes()[:-40])
    assert set(shown(RunStore.open(own)).data.cells["variant_label"]) == {"stochastic-ae"}
    assert "the reference results are left out: " in notes(own) and "cut short or damaged" in notes(own)
    (own / FOLDER / HERE).write_text('{"labels": 3}')
    assert "the reference results are left out" in notes(own)
