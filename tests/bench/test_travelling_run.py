"""A run that travels: without its plugins it reports the same; its code is shown, compared, and run on one's word."""

import json
import shutil
import sys

import numpy as np
import pytest
from runs import execute

import bench
from bench.errors import UsageError
from bench.reports import write_report
from bench.reports.stored_sources import differences, stored_sources, write_sources
from bench.store.source_texts import is_inside

VARIANT = """
from bench import Variant
from own_travel_helper import FACTOR
class Mine(Variant):
    \"\"\"Mine.\"\"\"
    def loss(self, batch, draw):
        return {"loss": FACTOR * self.reconstruction_cost(self.encode(batch.x), batch.x)}
    def encode(self, x):
        return FACTOR * self.encoder(x)
"""
METRIC = """
from bench import Metric, Value
class Sharp(Metric):
    \"\"\"Sharp.\"\"\"
    family = "reconstruction"
    values = (Value("sharp", "Sharpness.", True, primary=True, needs=("decode",)),)
    def compute(self, view, rng):
        return {"sharp": float(view.reconstructions("test").norm())}
"""
NETWORK = """
from bench.networks.mlp import mlp
def build(data_shape, head_width, latent_dim, width=5):
    return mlp([width])(data_shape, head_width, latent_dim)
"""
FILES = {"mine.py": VARIANT, "own_travel_helper.py": "FACTOR = 2  # twice\n", "sharp.py": METRIC}
ROWS = np.eye(6)


@pytest.fixture(scope="module")
def travelled(tmp_path_factory):
    """A run that was made with plugins, network and helper, copied to a place where none of them is."""
    home, away = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("away")
    for name, text in {**FILES, "own_travel_nets.py": NETWORK}.items():
        (home / name).write_text(text)
    patch = pytest.MonkeyPatch()
    patch.setattr(sys, "path", list(sys.path))
    settings = {"variant": ["ae", "mine"], "plugins": [home / "mine.py", home / "sharp.py"], "steps": 3, "seeds": 3}
    settings |= {"network": "own_travel_nets:build[width=4]", "metrics": "test_mse,sharp"}
    assert execute(home / "run", **settings).n_failed == 0
    before = (home / "run" / "report.md").read_text()
    codes = bench.load_model(home / "run", "mine", trust=True).encode(ROWS)
    shutil.copytree(home / "run", away / "run")
    execute(away / "plain", variant=["ae"], seeds=1, steps=3)
    shutil.rmtree(home)
    patch.undo()
    forget()
    yield away / "run", before, codes
    forget()


def forget():
    for name in [name for name in sys.modules if name.startswith(("own_travel", "aebench_"))]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_a_copy_without_the_plugins_reports_the_same(travelled):
    run, before, _ = travelled
    write_report(run)
    assert (run / "report.md").read_text() == before and "sharp" in before


def test_a_built_in_model_is_loaded_without_a_word(travelled):
    run, _, _ = travelled
    assert bench.load_model(run.parent / "plain", "ae").encode(ROWS).shape == (6, 2)


def test_what_was_measured_with_is_listed_with_its_text(travelled):
    run, _, _ = travelled
    found = {(one.kind, one.name): set(one.texts) for one in stored_sources(run)}
    assert found == {
        ("variant", "mine"): {"mine.py", "own_travel_helper.py"},
        ("network", "own_travel_nets:build"): {"own_travel_nets.py"},
        ("metric", "sharp"): {"sharp.py"},
    }
    (one,) = [one for one in stored_sources(run) if one.name == "mine"]
    assert one.texts["mine.py"] == VARIANT and one.texts["own_travel_helper.py"] == FILES["own_travel_helper.py"]


def test_stored_code_runs_on_the_users_word_alone(travelled):
    run, _, codes = travelled
    with pytest.raises(UsageError, match="trust='stored' to run the text that it keeps"):
        bench.load_model(run, "mine")
    with pytest.raises(UsageError):
        bench.load_model(run, "mine", trust=True)
    assert not any(name.startswith("own_travel") for name in sys.modules)
    np.testing.assert_array_equal(bench.load_model(run, "mine", trust="stored").encode(ROWS), codes)
    with pytest.raises(UsageError, match="trust"):
        bench.load_model(run, "mine", trust="yes")


def test_a_stored_network_of_a_built_in_variant_is_found(travelled):
    forget()
    assert bench.load_model(travelled[0], "ae", trust="stored").encode(ROWS).shape == (6, 2)


def test_a_text_that_was_exchanged_is_refused(travelled, tmp_path):
    shutil.copytree(travelled[0], tmp_path / "run")
    for path in (tmp_path / "run" / "sources").glob("*.py"):
        path.write_text(path.read_text() + "\nimport os\n")
    with pytest.raises(UsageError, match="it is not what its name says"):
        bench.load_model(tmp_path / "run", "mine", trust="stored")
    with pytest.raises(UsageError, match="it is not what its name says"):
        stored_sources(tmp_path / "run")


def test_names_that_lead_out_of_the_folder_are_damage(travelled, tmp_path):
    shutil.copytree(travelled[0], tmp_path / "run")
    path = tmp_path / "run" / "sources.json"
    content = json.loads(path.read_text())
    content["text"] = {part: {"../evil.py": next(iter(entry.values()))} for part, entry in content["text"].items()}
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="damaged"):
        bench.load_model(tmp_path / "run", "mine", trust="stored")
    assert is_inside("pkg/a.py") and not any(map(is_inside, ("/a.py", "a/../../b.py", "", "a.txt", "a\\b.py", 3)))


def test_what_differs_from_a_file_is_shown(travelled, tmp_path):
    (one,) = [one for one in stored_sources(travelled[0]) if one.name == "mine"]
    (tmp_path / "mine.py").write_text(VARIANT)
    (tmp_path / "own_travel_helper.py").write_text("FACTOR = 3\n")
    found = differences(one, tmp_path)
    assert "  mine.py is the same" in found and "-FACTOR = 2  # twice" in found and "+FACTOR = 3" in found
    assert differences(one, tmp_path / "mine.py") == ["  mine.py is the same"]
    with pytest.raises(UsageError, match="no such file"):
        differences(one, tmp_path / "gone.py")


def test_they_can_be_written_out_into_a_new_folder(travelled, tmp_path):
    written = write_sources(stored_sources(travelled[0]), tmp_path / "out")
    assert {path.name for path in written} == {*FILES, "own_travel_nets.py"}
    with pytest.raises(UsageError, match="exists already"):
        write_sources(stored_sources(travelled[0]), tmp_path / "out")
