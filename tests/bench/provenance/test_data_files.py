"""Which files a data set read: whatever opened them, whatever the parameter is called; and whether they changed."""

import json
import os
import tempfile
import threading

import numpy as np
import pandas as pd
import pytest
from runs import execute, records

from bench.provenance.data_files import MANY, DataFile, Seen, digest_of, elsewhere, recorded
from bench.store.run_store import RunStore

RNG = np.random.default_rng(0)
TABLE = """import json
from pathlib import Path

from bench import Split, split_arrays


def load(table: str = "", depth: int = 1) -> Split:
    sheet = json.loads(Path(table).expanduser().read_text())
    return split_arrays(sheet["rows"], scale="none")
"""


@pytest.fixture(autouse=True)
def own_scratch(monkeypatch, tmp_path):
    """No report, and files written while loading count although tests live in the scratch folder."""
    monkeypatch.setattr("bench.runs.runner.report_run", lambda run: [])
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")


def paths(entries, kind=None):
    return {os.path.basename(entry.path) for entry in entries if kind in (None, entry.kind)}


def changed(entries):
    return {os.path.basename(entry.path) for entry in entries if entry.now() != entry.mark}


def test_every_way_of_opening_is_seen_and_nothing_of_the_interpreter(tmp_path):
    np.save(tmp_path / "a.npy", RNG.random((4, 2)))
    np.savez(tmp_path / "b.npz", x=RNG.random(3))
    (tmp_path / "c.csv").write_text("x\n1\n")
    (tmp_path / "d.bin").write_bytes(b"abc")
    (tmp_path / "e.txt").write_text("in a thread")
    with recorded() as seen:
        np.load(tmp_path / "a.npy", mmap_mode="r")
        np.load(tmp_path / "b.npz")["x"]
        pd.read_csv(tmp_path / "c.csv")
        os.close(os.open(tmp_path / "d.bin", os.O_RDONLY))
        thread = threading.Thread(target=(tmp_path / "e.txt").read_text)
        thread.start()
        thread.join()
        from sklearn.datasets import load_iris

        load_iris()
        (tmp_path / "out.txt").write_text("written")
    (tmp_path / "d.bin").read_bytes()
    (tmp_path / "after.txt").write_text("x")
    (tmp_path / "after.txt").read_text()
    assert paths(seen.entries({})) == {"a.npy", "b.npz", "c.csv", "d.bin", "e.txt"}


def test_each_of_several_that_listen_hears_until_its_own_end(tmp_path):
    (tmp_path / "a.txt").write_text("1")
    with recorded() as outer:
        with recorded() as inner:
            pass
        (tmp_path / "a.txt").read_text()
    assert paths(outer.entries({})) == {"a.txt"} and not inner.entries({})


def test_what_is_opened_below_python_counts_where_a_parameter_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.h5").write_text("1")
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "y.arrow").write_text("1")
    with recorded() as seen:
        pass
    entries = seen.entries({"table": "~/x.h5", "n": 3, "word": "standard", "empty": ""})
    assert paths(entries, "content") == {"x.h5"}
    (tmp_path / "x.h5").write_text("2")
    assert changed(entries) == {"x.h5"}
    entries = seen.entries({"anything": [str(tmp_path / "folder")]})
    assert paths(entries, "tree") == {"folder"} and not changed(entries)
    (tmp_path / "folder" / "deep" / "y.arrow").write_text("other")
    assert changed(entries) == {"folder"}


def test_links_in_a_folder_of_which_nothing_was_seen_are_followed_once(tmp_path):
    for name in ("data", "far"):
        (tmp_path / name).mkdir()
    (tmp_path / "far" / "y.arrow").write_text("1")
    (tmp_path / "data" / "train").symlink_to(tmp_path / "far")
    (tmp_path / "data" / "again").symlink_to(tmp_path / "far")
    (tmp_path / "far" / "back").symlink_to(tmp_path)
    entries = Seen().entries({"path": str(tmp_path / "data")})
    assert paths(entries, "tree") == {"data"} and not changed(entries)
    (tmp_path / "beside.txt").write_text("above the folder")
    assert not changed(entries)
    (tmp_path / "far" / "y.arrow").write_text("other")
    assert changed(entries) == {"data"}


def test_files_that_are_kept_in_memory_are_somebodys_data():
    folder = "/dev/shm"
    if not os.access(folder, os.W_OK):
        pytest.skip(f"no {folder} here")
    with tempfile.NamedTemporaryFile("w", dir=folder) as file:
        with recorded() as seen, open(file.name) as again, open("/proc/self/stat") as state:
            assert again.read() == "" != state.read()
        assert paths(seen.entries({})) == {os.path.basename(file.name)}


def test_the_same_words_in_another_working_folder_are_other_files(tmp_path, monkeypatch):
    for place in ("one", "two"):
        (tmp_path / place / "pets").mkdir(parents=True)
        (tmp_path / place / "scale").mkdir()
        for name in ("x.csv", "pets/1.png"):
            (tmp_path / place / name).write_text("same")
    params = {"path": "x.csv", "folder": "./pets", "word": "scale", "n": 3}
    monkeypatch.chdir(tmp_path / "one")
    entries = [*Seen().entries(params, trees=False), *walk("pets")]
    named = [params, {"path": "x.csv"}, {"folder": "pets/"}, {"word": "scale"}, {"path": str(tmp_path / "one/x.csv")}]
    assert [elsewhere(entries, one) for one in named] == [False] * 5
    monkeypatch.chdir(tmp_path / "two")
    assert [elsewhere(entries, one) for one in named] == [True, True, True, False, False]
    monkeypatch.chdir(tmp_path)
    assert [elsewhere(entries, one) for one in named] == [False] * 5


def walk(folder):
    with recorded() as seen:
        for place, _, names in os.walk(folder):
            for name in names:
                if name.endswith(".png"):
                    with open(os.path.join(place, name), "rb") as file:
                        file.read()
    return seen.entries({})


def test_a_folder_of_pictures_is_a_few_entries_that_see_each_change(tmp_path):
    for label in ("cats", "dogs"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(MANY + 1):
            (tmp_path / "pets" / label / f"{number}.png").write_bytes(b"p")
    entries = walk(tmp_path / "pets")
    assert len(entries) == 3 and not changed(entries)
    (tmp_path / "pets" / "notes.txt").write_text("not read")
    assert not changed(entries)
    (tmp_path / "pets" / "cats" / "7.png").write_bytes(b"other")
    assert changed(entries) == {"cats"}
    (tmp_path / "pets" / "dogs" / "7.png").unlink()
    assert changed(entries) == {"cats", "dogs"}
    entries = walk(tmp_path / "pets")
    (tmp_path / "pets" / "birds").mkdir()
    assert changed(entries) == {"pets"}


def test_few_files_of_a_folder_that_was_listed(tmp_path):
    (tmp_path / "one.png").write_bytes(b"1")
    entries = walk(tmp_path)
    assert paths(entries, "content") == {"one.png"} and len(entries) == 2
    os.utime(tmp_path / "one.png", (1, 1))  # the same content at another time
    assert not changed(entries)
    (tmp_path / "two.png").write_bytes(b"2")
    assert changed(entries) == {tmp_path.name}


def test_entries_survive_their_file_and_damaged_ones_are_refused(tmp_path):
    (tmp_path / "one.png").write_bytes(b"1")
    entries = walk(tmp_path)
    again = [DataFile.from_dict(json.loads(json.dumps(entry.to_dict()))) for entry in entries]
    assert again == entries and digest_of(again) == digest_of(entries) != ""
    good = entries[0].to_dict()
    for bad in (3, "text", {}, good | {"kind": "odd"}, good | {"path": 1}, good | {"path": "a\0"}, good | {"more": 1},
                good | {"endings": [3]}, good | {"endings": 3}):  # fmt: skip
        with pytest.raises(ValueError):
            DataFile.from_dict(bad)


SMALL = {"variant": ["ae"], "seeds": 1, "steps": 2, "batch_size": 8, "metrics": "test_mse"}


def test_a_label_file_a_path_from_home_and_a_plugins_table_are_noticed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "x.npy", RNG.random((60, 4)))
    np.save(tmp_path / "labels.npy", np.arange(60) % 3)
    (tmp_path / "sheet.json").write_text(json.dumps({"rows": RNG.random((60, 4)).tolist()}))
    (tmp_path / "plug.py").write_text(TABLE)
    own = f"plug[table={tmp_path / 'sheet.json'}]"
    data = [f"file[path=~/x.npy,label={tmp_path / 'labels.npy'}]", own]
    settings = {**SMALL, "dataset": data, "plugins": [tmp_path / "plug.py"], "quiet": False}
    execute(tmp_path / "run", **settings)
    assert execute(tmp_path / "run", **settings).n_run == 0
    changes = {
        "labels.npy": lambda path: np.save(path, (np.arange(60) + 1) % 3),
        "x.npy": lambda path: np.save(path, RNG.random((60, 4))),
        "sheet.json": lambda path: path.write_text(json.dumps({"rows": RNG.random((60, 4)).tolist()})),
    }
    for (name, change), label in zip(changes.items(), ("file", "file", "plug"), strict=True):
        change(tmp_path / name)
        capsys.readouterr()
        assert execute(tmp_path / "run", **settings).n_run == 1, name
        assert f"1 cell is trained again, as their code or data changed: ae on {label}" in capsys.readouterr().err
    marks = {record["data_hash"] for record in records(tmp_path / "run").values()}
    assert None not in marks and marks <= set(RunStore.open(tmp_path / "run").sources()["data"])


@pytest.mark.parametrize("damage", ["gone", "{", '{"data": 3}', '{"data": {"KEY": [{"path": 1}]}}'])
def test_without_a_usable_list_of_files_the_cells_are_trained_again(tmp_path, damage):
    np.save(tmp_path / "x.npy", RNG.random((60, 4)))
    settings = {**SMALL, "dataset": [f"file[path={tmp_path / 'x.npy'}]"]}
    execute(tmp_path / "run", **settings)
    path = tmp_path / "run" / "sources.json"
    (key,) = json.loads(path.read_text())["data"]
    path.unlink() if damage == "gone" else path.write_text(damage.replace("KEY", key))
    if damage == "{":
        with pytest.raises(Exception, match="is damaged"):
            execute(tmp_path / "run", **settings)
    else:
        assert execute(tmp_path / "run", **settings).n_run == 1
        assert execute(tmp_path / "run", **settings).n_run == 0


def test_a_run_from_another_working_folder_reads_the_file_that_lies_there(tmp_path, monkeypatch):
    settings = {**SMALL, "dataset": ["file[path=x.npy]"]}
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        np.save("x.npy", RNG.random((60, 4)))
        assert [execute(tmp_path / "run", **settings).n_run for _ in range(2)] == [1, 0], place


LATE = """import os
from pathlib import Path

import numpy as np

from bench import Split


class Rows:
    def __init__(self, folder, numbers):
        self.folder, self.numbers = folder, np.asarray(numbers)
        self.shape = (len(self.numbers), 4)

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, rows):
        files = [os.path.join(self.folder, f"{n}.npy") for n in np.atleast_1d(self.numbers[rows])]
        return np.stack([np.load(file) for file in files])


def load(folder: str) -> Split:
    n = int(Path(folder, "count.txt").read_text())
    parts = [Rows(folder, range(start, n, 3)) for start in range(3)]
    return Split(*parts, description="rows of files that are opened when they are asked for")
"""


def test_files_that_are_opened_row_by_row_count_beside_an_index_that_is_read_at_once(tmp_path):
    (tmp_path / "late.py").write_text(LATE)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "count.txt").write_text("60")
    for number in range(60):
        np.save(tmp_path / "rows" / f"{number}.npy", RNG.random(4).astype(np.float32))
    settings = {**SMALL, "dataset": [f"late[folder={tmp_path / 'rows'}]"], "plugins": [tmp_path / "late.py"]}
    assert [execute(tmp_path / "run", **settings).n_run for _ in range(2)] == [1, 0]
    np.save(tmp_path / "rows" / "7.npy", np.ones((4, 1)).astype(np.float32)[:, 0])
    assert [execute(tmp_path / "run", **settings).n_run for _ in range(2)] == [1, 0]


WARM = """import json
from pathlib import Path

import torch

from bench import Variant

SCALE = json.loads((Path(__file__).parent / "scale.json").read_text())


class Warm(Variant):
    def __init__(self, weights: str = "") -> None:
        super().__init__()
        self.weights = weights

    def setup(self, context) -> None:
        shift = torch.tensor(json.loads(Path(self.weights).read_text()))
        self.register_buffer("shift", SCALE * shift)

    def encode(self, x):
        return self.encoder(x) + self.shift

    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}
"""


@pytest.mark.parametrize("jobs", ["auto", 2])
def test_what_a_variant_reads_when_it_is_imported_or_built_counts_too(tmp_path, jobs):
    (tmp_path / "warm.py").write_text(WARM)
    (tmp_path / "scale.json").write_text("1.0")
    (tmp_path / "start.json").write_text("0.5")
    own = f"warm[weights={tmp_path / 'start.json'}]"
    settings = {**SMALL, "variant": [own, "ae"], "plugins": [tmp_path / "warm.py"], "n_jobs": jobs}
    assert [execute(tmp_path / "run", **settings).n_run for _ in range(2)] == [2, 0]
    for name in ("start.json", "scale.json") if jobs == 2 else ("start.json",):
        (tmp_path / name).write_text("0.25")
        assert [execute(tmp_path / "run", **settings).n_run for _ in range(2)] == [1, 0], name
