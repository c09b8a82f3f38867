"""L where nobody chooses it: what it is by the data, known before cells are judged, the same id as if it were asked."""

import numpy as np
import pytest
from runs import SMALL, execute

from bench.api import run as bench_run
from bench.cli._running import describe_plan
from bench.model_loading import load_model
from bench.reports.model import load_report
from bench.runs import latent
from bench.runs.cells.worker_state import Workshop
from bench.runs.preview import as_it_would_run
from bench.spec.registry import Registry
from bench.spec.request import resolve
from bench.spec.run import RunSpec
from bench.spec.training import latent_dim_for
from bench.store.run_store import RunStore

pytestmark = pytest.mark.usefixtures("no_report")

SHORT = {"variant": ["vae"], "seeds": 1, "steps": 3, "metrics": "test_mse", "n_jobs": 1}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Tables of 4 and of 16 columns."""
    folder = tmp_path_factory.mktemp("tables")
    for width in (4, 16):
        rows = np.random.default_rng(width).normal(size=(200, width)) @ np.diag(np.arange(width) + 1.0)
        np.savetxt(folder / f"t{width}.csv", rows, delimiter=",", header=",".join("abcdefghijklmnop"[:width]),
                   comments="")  # fmt: skip
    return folder


def run(folder, files, *names, **settings):
    data = [str(files / name) for name in names]
    return execute(folder, **{"dataset": data, "latent_dim": None, **SHORT, **settings})


def cells_of(folder):
    found = RunStore.open(folder).records().values()
    return {record["dataset_label"].rpartition("/")[2].rstrip("]"): record for record in found}


def test_half_of_the_values_but_at_least_one_and_at_most_eight():
    found = [latent_dim_for(values) for values in range(1, 40)]
    assert found[:6] == [1, 1, 1, 2, 2, 3] and found[13:16] == [7, 7, 8] and set(found[15:]) == {8}
    assert all(2 * L <= max(values, 2) for values, L in zip(range(1, 40), found, strict=True))


def test_every_data_set_has_its_own_and_its_cells_the_ids_of_an_l_that_is_asked_for(tmp_path, files, capsys):
    both = run(tmp_path / "both", files, "t4.csv", "t16.csv", quiet=False)
    assert both.n_failed == both.n_skipped == 0
    said = capsys.readouterr().err
    assert "L = 2 on t4, half of its 4 values (--latent-dim chooses another)" in said
    assert "half of its 16" not in said
    found = cells_of(tmp_path / "both")
    for name, asked in (("t4.csv", 2), ("t16.csv", 8)):
        (same,) = resolve({**SMALL, **SHORT, "dataset": [str(files / name)], "latent_dim": asked}).cells
        assert found[name]["cell_id"] == same.cell_id
        assert load_model(tmp_path / "both", "vae", dataset=found[name]["dataset_label"]).variant.latent_dim == asked
    (line,) = [text for name, text in load_report(tmp_path / "both").header if name == "Networks"]
    assert "L = 2 on t4 (4 values), 8 on t16 (16 values), where nobody chose it" in line


def test_an_l_that_is_asked_for_is_taken_as_given(tmp_path, files):
    outcome = run(tmp_path / "run", files, "t4.csv", latent_dim=8)
    (record,) = RunStore.open(tmp_path / "run").records().values()
    assert outcome.n_skipped == 1 and "smaller --latent-dim" in record["reason"]
    followed = run(tmp_path / "run", files, "t4.csv")
    assert followed.n_run == 1 and len(RunStore.open(tmp_path / "run").records()) == 2


def test_a_run_that_is_called_again_knows_l_without_looking_at_the_data(tmp_path, files, monkeypatch):
    run(tmp_path / "run", files, "t4.csv")
    monkeypatch.setattr(Workshop, "split", lambda *_: pytest.fail("the data were loaded"))
    assert run(tmp_path / "run", files, "t4.csv").n_run == 0


def test_data_that_change_their_width_are_looked_at_again(tmp_path, files):
    table = tmp_path / "table.csv"
    for width, name in ((2, "t4.csv"), (8, "t16.csv")):
        table.write_bytes((files / name).read_bytes())
        assert run(tmp_path / "run", tmp_path, "table.csv").n_run == 1
        assert load_model(tmp_path / "run", "vae").variant.latent_dim == width


def test_arrays_tell_their_width_and_digits_need_no_look(monkeypatch):
    seen = []
    monkeypatch.setattr("bench.api._frame", lambda store: None)
    monkeypatch.setattr("bench.runs.runner.execute", lambda request, split: seen.append((request, split)) or _Nothing)
    bench_run("ae", data=np.random.default_rng(0).normal(size=(90, 5)), seeds=1)
    ((request, split),) = seen
    values = latent.known_values(request, None, None, split)
    assert list(values.values()) == [5]
    assert {cell.train.latent_dim for cell in latent.following(request, values).cells} == {2}
    default = resolve({})
    assert latent.known_values(default, None, None) == {"digits": 64}
    assert latent.following(default, {"digits": 64}).cells == default.cells


class _Nothing:
    store = None


def test_the_plan_says_l_by_data_set(tmp_path, files):
    request = resolve({**SMALL, **SHORT, "latent_dim": None, "output": tmp_path / "run",
                       "dataset": [str(files / "t4.csv"), "digits", f"file[path={tmp_path}/gone.csv]"]})  # fmt: skip
    planned, values = as_it_would_run(request)
    assert list(values.values()) == [64, 4]  # what cannot be loaded has no width
    assert "L = 8 on digits (64 values), 2 on t4 (4 values)" in describe_plan(planned, values)
    assert [cell.train.latent_dim for cell in planned.cells] == [2, 8, 8]


def test_specs_say_auto_and_round_trip_and_an_unchosen_l_keeps_the_hash_of_the_default():
    followed, asked = RunSpec.from_dict({}), RunSpec.from_dict({"latent_dim": 8})
    assert followed.follows and not asked.follows and followed == RunSpec.from_dict({"latent-dim": "auto"})
    assert followed.to_dict()["latent-dim"] == "auto" and asked.to_dict()["latent-dim"] == 8
    assert RunSpec.from_dict(followed.to_dict()) == followed and RunSpec.from_dict(asked.to_dict()) == asked
    assert followed.hash == asked.hash == RunSpec().hash


def test_a_plugin_of_data_is_looked_at_where_the_stacks_run(tmp_path):
    (tmp_path / "narrow.py").write_text(
        "import numpy as np\nfrom bench import split_arrays\n\n\n"
        "def load():\n    return split_arrays(np.random.default_rng(0).normal(size=(200, 6)) * [1, 2, 3, 4, 5, 6])\n"
    )
    outcome = execute(tmp_path / "run", dataset=["narrow"], plugins=[tmp_path / "narrow.py"], latent_dim=None, **SHORT)
    assert outcome.n_failed == outcome.n_skipped == 0
    assert load_model(tmp_path / "run", "vae", plugins=tmp_path / "narrow.py").variant.latent_dim == 3


def test_what_is_known_without_a_look_is_so():
    workshop = Workshop(Registry.discover())
    for name, values in latent.KNOWN.items():
        (cell, *_) = resolve({"dataset": [name], "seeds": 1}).cells
        assert workshop.split(cell).dimension == values
