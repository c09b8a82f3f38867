"""Reference results: written the same every time, read back whole, and refused when anything of them is not theirs."""

import gzip
import json
import shutil

import pandas as pd
import pytest
from synthetic import FakeCell, make_run

import bench
from bench.analysis.catalogue import declarations
from bench.errors import UsageError
from bench.runs.references import write_reference
from bench.spec.registry import Registry
from bench.store import references
from bench.store.references import DESCRIPTION, RESULTS, find, problems, read_reference
from bench.store.run_store import RunStore


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of three seeds whose metrics are declared."""
    directory = make_run(tmp_path_factory.mktemp("run") / "run", ("ae", "vae"), seeds=range(3), with_arrays=False)
    with RunStore.create(directory, RunStoreSpec(RunStore.open(directory).spec)) as store:
        store.save_metrics(declarations(Registry.discover()))
    return directory


class RunStoreSpec:
    def __init__(self, values):
        self.to_dict = lambda: values


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "mine"
    write_reference(run, folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "mine")


def edit(folder, change):
    said = json.loads((folder / DESCRIPTION).read_text())
    change(said)
    (folder / DESCRIPTION).write_text(json.dumps(said))


def rewrite(folder, change):
    """Change the table, and its checksum with it, as somebody would who edits both."""
    table = gzip.decompress((folder / RESULTS).read_bytes()).decode()
    said = json.loads((folder / DESCRIPTION).read_text())
    references.write_files(folder, {k: v for k, v in said.items() if k not in ("schema", "results")},
                           change(table).encode())  # fmt: skip


def test_a_reference_gives_the_runs_frame_back(run, folder):
    frame = bench.reference(folder)
    pd.testing.assert_frame_equal(frame, bench.load(run), rtol=1e-15)
    assert frame.attrs["reference"] == str(folder)
    reference = read_reference(folder)
    assert (reference.name, reference.metrics_hash) == ("mine", "m1")
    assert reference.code == {"ae": ["c1"], "vae": ["c1"]}
    assert reference.data_facts["digits", 0]["checksum"] == "0123456789abcdef"
    assert problems(folder) == []


def test_the_files_are_the_same_to_the_byte_every_time(run, folder, tmp_path):
    write_reference(run, tmp_path / "again" / "mine")
    for name in (DESCRIPTION, RESULTS):
        assert (tmp_path / "again" / "mine" / name).read_bytes() == (folder / name).read_bytes()
    write_reference(run, folder)


def test_a_name_is_looked_for_in_the_checkout_and_what_is_not_there_is_one_line(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(references, "HOME", tmp_path)
    assert find("mine") == folder
    with pytest.raises(UsageError, match=r"no reference results 'yours' \(there are mine\); give a name or a folder"):
        bench.reference("yours")
    monkeypatch.setattr(references, "HOME", tmp_path / "nowhere")
    with pytest.raises(UsageError, match="come with a checkout of the project, and this installation is none"):
        find("mine")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / DESCRIPTION).unlink(), "holds no reference results"),
        (lambda folder: (folder / DESCRIPTION).write_text("{"), "reference.json is damaged"),
        (lambda folder: edit(folder, lambda said: said.update(schema=2)), "has schema 2, and this version reads 1"),
        (lambda folder: edit(folder, lambda said: said.pop("data")), "data is missing or of the wrong kind"),
        (lambda folder: edit(folder, lambda said: said["spec"].update(seeds="all")), "spec is missing or of the wrong"),
        (lambda folder: edit(folder, lambda said: said["metrics"].update(kl=3)), "reference.json is damaged"),
        (lambda folder: (folder / RESULTS).unlink(), "cannot read .*results.csv.gz"),
        (
            lambda folder: (folder / RESULTS).write_bytes((folder / RESULTS).read_bytes()[:-50]),
            "cut short or damaged",
        ),
        (lambda folder: (folder / RESULTS).write_bytes(gzip.compress(b"a,b\n1,2\n")), "its checksum is another"),
        (lambda folder: rewrite(folder, lambda table: "a,b\n1,2\n"), "no column variant, dataset, seed"),
        (
            lambda folder: rewrite(folder, lambda table: table + table.splitlines()[1] + "\n"),
            "test_mse of ae on digits with seed 0 is in the table twice",
        ),
        (
            lambda folder: rewrite(folder, lambda table: table.replace("declares no posterior q(z|x)", "", 1)
                                   .replace("the variant ", "", 1)),
            "is empty without a reason",
        ),
        (
            lambda folder: rewrite(folder, lambda table: "\n".join(
                line for line in table.splitlines() if ",2,ok," not in line) + "\n"),
            "lacks ae on digits with seed 2, vae on digits with seed 2",
        ),
        (
            lambda folder: edit(folder, lambda said: said["data"][0].update(checksum="other")),
            "the data of digits have the checksum 0123456789abcdef in results.csv.gz and other in reference.json",
        ),
        (lambda folder: edit(folder, lambda said: said["code"].pop("vae")), "does not speak of: vae on digits"),
        (lambda folder: edit(folder, lambda said: said["metrics"].pop("test_mse")), "test_mse .* is not defined in"),
    ],
)  # fmt: skip
def test_what_is_not_whole_is_refused_in_one_line_by_readers_and_named_by_the_check(folder, change, message):
    change(folder)
    with pytest.raises(UsageError, match=message) as error:
        read_reference(folder)
    assert "\n" not in str(error.value)
    assert len(problems(folder)) == 1


def test_a_run_that_is_not_finished_makes_no_reference(run, tmp_path):
    broken = make_run(tmp_path / "failed", ("ae",), seeds=range(2), with_arrays=False,
                      failures={FakeCell("ae", "digits", 1): {"status": "oom", "reason": "no memory"}})  # fmt: skip
    with pytest.raises(UsageError, match="not finished: ae on digits with seed 1 failed"):
        write_reference(broken, tmp_path / "out")
    shutil.copytree(run, tmp_path / "short")
    lines = (tmp_path / "short" / "cells.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "short" / "cells.jsonl").write_text("".join(lines[:-2]))
    with pytest.raises(UsageError, match="not finished: 2 of 6 cells have not run"):
        write_reference(tmp_path / "short", tmp_path / "out")
    (tmp_path / "short" / "cells.jsonl").write_text("".join([*lines[:-1], lines[-1].replace("vae", "vbe")]))
    with pytest.raises(UsageError, match="is damaged"):
        write_reference(tmp_path / "short", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_folder_with_something_else_in_it_is_written_into(run, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match=r"holds thesis.tex; give a folder of its own"):
        write_reference(run, tmp_path / "other")
