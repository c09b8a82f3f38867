"""No code that a run names is run without the user's word: every route on which a run from a stranger is read."""

import json
import sys
from pathlib import Path

import pytest
from runs import execute, written

import bench
from bench.analysis.compare import compare
from bench.cli._running import carry_out
from bench.errors import UsageError
from bench.reports.model import load_report
from bench.reports.studies import published_numbers
from bench.store import array_files
from bench.store.run_store import RunStore

pytestmark = pytest.mark.usefixtures("no_report")

#: Leaves a trace beside itself whenever it is imported.
TRACE = 'from pathlib import Path\n\nPath(__file__).with_suffix(".ran").touch()\n'
VARIANT = f'''{TRACE}
from bench.contracts.variant import Variant


class Stranger(Variant):
    """Plain."""

    def loss(self, batch, draw):
        return {{"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}}

    def encode(self, x):
        return self.encoder(x)
'''
METRIC = f'''{TRACE}
from bench.contracts.metric import Estimate, Metric, Value


class Own(Metric):
    """A constant."""

    family = "own"
    values = (Value("own", "A constant.", True),)

    def compute(self, view, rng):
        return {{"own": Estimate(0.5)}}
'''
NETWORK = f"""{TRACE}
from bench.networks.factories import mlp


def factory(data_shape, head_width, latent_dim):
    return mlp([5])(data_shape, head_width, latent_dim)
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder with foreign files, and a run made with them by somebody who trusts them."""
    folder = tmp_path_factory.mktemp("stranger")
    for name, text in {"stranger": VARIANT, "own": METRIC, "stranger_networks": NETWORK}.items():
        (folder / f"{name}.py").write_text(text)
    plugins = [folder / "stranger.py", folder / "own.py"]
    patch = pytest.MonkeyPatch()
    patch.setattr("bench.runs.runner.report_run", lambda directory: [])
    patch.syspath_prepend(str(folder))
    settings = {"variant": ["ae", "stranger"], "seeds": 2, "metrics": "test_mse,own", "plugins": plugins}
    assert execute(folder / "run", **settings).n_failed == 0
    assert execute(folder / "nets", variant=["ae"], seeds=2, network="stranger_networks:factory").n_failed == 0
    assert {path.stem for path in folder.glob("*.ran")} == {"stranger", "own", "stranger_networks"}
    yield folder
    patch.undo()


@pytest.fixture
def stranger(places, monkeypatch):
    """The same in a process that has imported none of it; the test fails when a trace is left."""
    for trace in places.glob("*.ran"):
        trace.unlink()
    for name in [name for name in sys.modules if name.startswith("aebench_") or name == "stranger_networks"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.chdir(places)  # a module that lies in the current folder is no more trusted than any other
    return places


def traces(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.ran")}


READERS = {
    "report": load_report,
    "load": bench.load,
    "compare": lambda run: compare(run, run),
    "published numbers": published_numbers.verdicts,
    "plan of its spec": lambda run: carry_out(None, str(run / "spec.yaml"), {"dry_run": True}),
    "its built-in models": lambda run: bench.load_model(run, "ae"),
}


@pytest.mark.parametrize("reader", READERS)
def test_reading_a_run_imports_nothing_that_it_names(stranger, reader):
    READERS[reader](stranger / "run")
    assert traces(stranger) == set()


def test_going_on_in_a_directory_imports_no_plugin_of_the_run_that_lies_there(stranger):
    outcome = execute(stranger / "run", variant=["ae"], seeds=2)
    assert outcome.n_failed == 0 and traces(stranger) == set()
    assert RunStore.open(stranger / "run").spec.get("plugins") is None
    execute(stranger / "run", variant=["ae", "stranger"], plugins=[stranger / "stranger.py"])


def test_a_variant_that_a_run_names_is_imported_only_at_the_users_word(stranger):
    with pytest.raises(UsageError, match=r"the variant 'stranger' is a plugin of this run .*plugins=PATH.*trust=True"):
        bench.load_model(stranger / "run", "stranger")
    assert traces(stranger) == set()
    assert bench.load_model(stranger / "run", "stranger", plugins=stranger / "stranger.py").encode is not None
    assert traces(stranger) == {"stranger"}
    assert bench.load_model(stranger / "run", "stranger", trust=True).encode is not None


def test_a_network_that_a_run_names_is_imported_only_at_the_users_word(stranger):
    with pytest.raises(
        UsageError, match=r"network 'stranger_networks:factory' is code that this run names.*trust=True"
    ):
        bench.load_model(stranger / "nets", "ae")
    with pytest.raises(UsageError, match="trust=True"):
        bench.load_model(stranger / "nets", "ae", plugins=stranger / "stranger.py")
    assert traces(stranger) == set()
    bench.load_model(stranger / "nets", "ae", trust=True)
    assert traces(stranger) == {"stranger_networks"}


def believed(run):
    """Make the run one of an earlier version, whose records name no files: what a checkpoint says is all there is."""
    path = run / "cells.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text(written(*(entry | {"files": {}} for entry in entries)))


@pytest.mark.parametrize("network", ["os:getcwd", "stranger_networks:factory", "subprocess:call[args=true]"])
def test_a_forged_checkpoint_calls_no_function_of_any_module(stranger, network):
    believed(stranger / "nets")
    store = RunStore.open(stranger / "nets")
    cell = next(iter(store.records()))
    tensors, meta = store.load_checkpoint(cell)
    path = store.checkpoint_path(cell)
    content = path.read_bytes()
    array_files.save_tensors(path, tensors, meta | {"train": meta["train"] | {"network": network}})
    try:
        with pytest.raises(UsageError, match="is code that this run names"):
            bench.load_model(stranger / "nets", "ae")
    finally:
        path.write_bytes(content)
    assert traces(stranger) == set()


def wrong_meta(meta):
    train = meta["train"]
    yield {key: value for key, value in meta.items() if key != "variant"}
    yield meta | {"variant": 3}
    yield meta | {"train": "text"}
    yield meta | {"train": train | {"os.system": 1}}
    yield meta | {"train": train | {"latent-dim": "8"}}
    yield meta | {"train": train | {"latent-dim": 10**30}}
    yield meta | {"data_shape": [10**30]}
    yield meta | {"data_shape": [10**12]}
    yield meta | {"train": train | {"latent-dim": 10**12}}
    yield meta | {"train": train | {"network": f"mlp[hidden=[{10**9},{10**9}]]"}}
    yield meta | {"data_shape": 6}
    yield meta | {"seed": -1}
    yield meta | {"n_classes": "many"}
    yield meta | {"kl_weight": [1]}


def test_a_checkpoint_that_does_not_say_what_it_is_is_one_line(stranger):
    believed(stranger / "nets")
    store = RunStore.open(stranger / "nets")
    cell = next(iter(store.records()))
    tensors, meta = store.load_checkpoint(cell)
    meta = json.loads(json.dumps(meta)) | {"train": meta["train"] | {"network": "mlp[hidden=[5]]"}}
    path = store.checkpoint_path(cell)
    content = path.read_bytes()
    array_files.save_tensors(path, tensors, meta)
    bench.load_model(stranger / "nets", "ae", changed="allow")
    try:
        for wrong in wrong_meta(meta):
            array_files.save_tensors(path, tensors, wrong)
            with pytest.raises(UsageError) as caught:
                bench.load_model(stranger / "nets", "ae", changed="allow")
            assert "\n" not in str(caught.value)
        array_files.save_tensors(path, {name: t for name, t in tensors.items() if name != "data.shift"}, meta)
        with pytest.raises(UsageError, match=r"data\.shift"):
            bench.load_model(stranger / "nets", "ae")
    finally:
        path.write_bytes(content)
