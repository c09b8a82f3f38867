"""What `-n` says of a directory: results that hold, stale ones with the file that changed, pairs that do not fit."""

import sys

import pytest
from runs import SMALL, execute

from bench.runs.preview import look, preview
from bench.spec.request import resolve

pytestmark = pytest.mark.usefixtures("no_report")

MINE = """
from bench import Variant
from own_factor import FACTOR
class Mine(Variant):
    \"\"\"Mine.\"\"\"
    def __init__(self, weight: float = 1.0):
        super().__init__()
        self.weight = weight
    def loss(self, batch, draw):
        return {"loss": FACTOR * self.weight * self.reconstruction_cost(self.encode(batch.x), batch.x)}
    def encode(self, x):
        return self.encoder(x)
"""
QUAD = (
    MINE.replace("class Mine", "class Quad")
    .replace("from own_factor import FACTOR", "FACTOR = 1")
    .replace(
        "    def encode",
        "    def setup(self, context):\n"
        "        from bench import Incompatible\n"
        "        raise Incompatible('only for fours')\n"
        "    def encode",
    )
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(MINE)
    (tmp_path / "plugins" / "own_factor.py").write_text("FACTOR = 1\n")
    (tmp_path / "plugins" / "quad.py").write_text(QUAD)
    yield tmp_path
    sys.modules.pop("own_factor", None)


def asked(folder, **settings):
    settings = {"variant": ["ae", "mine"], "plugins": [str(folder / "plugins")], "steps": 3, "seeds": 2, **settings}
    return {**SMALL, "output": folder / "run", **settings}


def lines(folder, **settings):
    return preview(resolve(asked(folder, **settings)))


def test_an_empty_directory_has_nothing_to_say(here):
    assert lines(here) == [] and not (here / "run").exists()


def test_what_holds_what_is_stale_and_why(here):
    execute(**asked(here))
    assert lines(here) == ["4 of 4 cells have results that hold"]
    assert lines(here, force=True) == ["4 of 4 cells have results that hold, which --force makes anew"]
    assert lines(here, seeds=3) == ["4 of 6 cells have results that hold"]
    (here / "plugins" / "own_factor.py").write_text("FACTOR = 2  # another\n")
    assert lines(here) == [
        "2 of 4 cells have results that hold",
        "stale, to be trained again: mine on linear-gaussian[d=6,n=300] (2 cells), because of variant: own_factor.py",
    ]
    assert any("to be evaluated again: ae on" in line for line in lines(here, metrics="test_mse,test_sse"))


def test_rows_of_likelihoods_are_those_of_the_run(here):
    settings = {"variant": ["ae"], "plugins": None, "seeds": 1}
    execute(**asked(here, **settings, likelihood_rows=5))
    assert lines(here, **settings, likelihood_rows=5) == ["1 of 1 cells have results that hold"]
    assert any("to be evaluated again: ae on" in line for line in lines(here, **settings))


def test_the_run_itself_names_the_file(here, capsys):
    execute(**asked(here))
    (here / "plugins" / "own_factor.py").write_text("FACTOR = 2\n")
    capsys.readouterr()
    execute(**asked(here, quiet=False))
    assert "their code or data changed: mine on linear-gaussian[d=6,n=300] (variant: own_factor.py)" in (
        capsys.readouterr().err
    )


def test_pairs_that_do_not_fit_are_named_before_and_after(here):
    settings = {"variant": ["ae", "quad"]}
    said = "will be skipped (only for fours): quad on linear-gaussian[d=6,n=300]"
    assert lines(here, **settings) == [said]
    execute(**asked(here, **settings))
    assert lines(here, **settings) == ["4 of 4 cells have results that hold", said]


def test_what_fails_before_training_is_named(here):
    (here / "plugins" / "quad.py").write_text(QUAD.replace("raise Incompatible", "raise KeyError"))
    (line,) = lines(here, variant=["quad"])
    assert line.startswith("will be an error (KeyError") and line.endswith("quad on linear-gaussian[d=6,n=300]")


@pytest.mark.parametrize(
    ("settings", "faulty"),
    [
        ({}, False),
        ({"variant": ["ae", "quad"]}, False),  # some cells have results
        ({"variant": ["quad"]}, True),
        ({"recon": "bernoulli"}, True),
        ({"variant": ["ae", "control:real"], "recon": "bernoulli"}, False),
        ({"device": "cuda:77"}, True),
        ({"dataset": ["gone.npy"]}, True),
    ],
)
def test_a_plan_is_faulty_where_the_run_would_end_with_errors_or_without_a_result(here, settings, faulty):
    if settings.get("dataset"):
        settings = {"dataset": ["file[path=gone.npy]", SMALL["dataset"][0]]}
    assert look(resolve(asked(here, **settings))).faulty is faulty


def test_nothing_is_written(here):
    execute(**asked(here))
    before = {path: path.stat().st_mtime_ns for path in (here / "run").rglob("*")}
    lines(here, seeds=3)
    assert {path: path.stat().st_mtime_ns for path in (here / "run").rglob("*")} == before


def test_code_of_a_file_is_not_run(here, monkeypatch):
    (here / "plugins" / "quad.py").write_text(QUAD + "\nraise SystemExit('it ran')\n")
    run = resolve(asked(here, variant=["ae", "quad"]))
    monkeypatch.setattr("bench.spec.registry.Registry._module", None)
    monkeypatch.setattr("bench.runs.preview.misfits", lambda registry, cells: {})
    assert preview(run, trusted=False) == [
        "not tried, as a file's code is not run for this: quad on linear-gaussian[d=6,n=300]"
    ]


def test_pairs_of_the_default_run_are_known_to_fit_and_others_are_tried(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr("bench.runs.preview.misfits", lambda registry, cells: tried.extend(cells) or {})
    preview(resolve({"output": tmp_path / "run"}))
    assert tried == []
    preview(resolve({"output": tmp_path / "run", "variant": ["ae", "vae[beta=3]"], "dataset": ["digits", "ring"]}))
    assert {(cell.variant_label, cell.dataset_label) for cell in tried} == {
        ("ae", "ring"), ("vae[beta=3]", "digits"), ("vae[beta=3]", "ring"),
    }  # fmt: skip
    preview(resolve({"output": tmp_path / "run", "variant": ["vae"], "latent_dim": 70}))
    assert tried[-1].train.latent_dim == 70
