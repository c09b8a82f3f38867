"""State of a plugin's loss in a whole run: the same numbers in the table and from `load_model`, or an error by name."""

import numpy as np
import pytest

import bench

HEAD = """
import torch
from bench.contracts.variant import Variant

class {name}(Variant):
    def setup(self, context):
        {setup}

    def loss(self, batch, draw):
        z = self.encoder(batch.x)
        {loss}

    def encode(self, x):
        return self.encoder(x) + {code}
"""
COST = "return {'loss': self.reconstruction_cost(z, batch.x)}"
PLUGINS = {
    "rebinds": ("self.register_buffer('centre', torch.zeros(2))", f"self.centre = self.centre * 0.9; {COST}", "0"),
    "counts": ("self.calls = 0", f"self.calls += 1; {COST}", "0"),
    "draws": ("self.centre = torch.randn(2)", COST, "self.centre"),
    "returns": (
        "self.register_buffer('centre', torch.randn(2))", f"return {COST[7:]}, {{'centre': z.detach().mean(0)}}",
        "self.centre",
    ),
    "copies": (
        "self.register_buffer('centre', torch.randn(2))", f"self.centre.copy_(z.detach().mean(0)); {COST}",
        "self.centre",
    ),
}  # fmt: skip
WORDS = {"rebinds": "the buffer self.centre", "counts": "the attribute self.calls", "draws": "self.centre depends"}
SPLIT = bench.split_arrays(np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32), scale="none")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of all of them with two seeds: (its directory, its table)."""
    folder = tmp_path_factory.mktemp("state")
    for name, (setup, loss, code) in PLUGINS.items():
        source = HEAD.format(name=name.capitalize(), setup=setup, loss=loss, code=code)
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        patch.setattr("bench.runs.runner.report_run", lambda directory: [])
        frame = bench.run(
            list(PLUGINS), data=SPLIT, seeds=2, steps=30, batch_size=16, latent_dim=2, metrics="test_mse,test_loss",
            plugins=[str(folder)], output=folder / "run",
        )  # fmt: skip
    return folder / "run", frame


@pytest.mark.parametrize("name", WORDS)
def test_state_elsewhere_ends_in_an_error_that_names_it(name, run):
    rows = run[1][run[1].variant == name]
    assert set(rows.status) == {"error"} and set(rows.seed) == {0, 1}
    assert rows.reason.str.contains(WORDS[name], regex=False).all()


@pytest.mark.parametrize("name", ["returns", "copies"])
def test_a_loaded_model_gives_the_numbers_of_the_table(name, run):
    directory, frame = run
    for seed in (0, 1):
        (row,) = frame[(frame.variant == name) & (frame.seed == seed) & (frame.metric == "test_mse")].to_dict("records")
        assert row["status"] == "ok"
        model = bench.load_model(directory, name, seed, trust=True)
        test = np.asarray(SPLIT.test)
        assert np.square(model.reconstruct(test) - test).mean() == pytest.approx(row["value"], rel=1e-5)
