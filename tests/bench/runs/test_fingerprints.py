"""Results that cannot be stale: on a copy of the package, an edit redoes exactly the cells that it concerns."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from runs import NO_REPORT, ROOT, command, finish

#: Writes records as if every cell of some requests had run, then tells the verdicts after each edit, by its name. What
#: a process remembers of sources is forgotten in between.
PROGRAM = """
import json, sys
from pathlib import Path
from bench.provenance import closure, code, source
from bench.runs.fingerprints import Fingerprints
from bench.runs.resume import History, judge
from bench.spec.request import resolve
from bench.store.run_store import RunStore

requests, edits = json.load(sys.stdin)

def planned():
    for cached in (source._read, code.suite_code, code._builtin_network):
        cached.cache_clear()
    for request in requests:
        run = resolve(request)
        yield run, Fingerprints(run.registry, run.spec.metrics, run.spec.likelihood_rows)

for run, prints in planned():
    with RunStore.create(run.directory, run.spec, plan=run.cells) as store:
        for cell in run.cells:
            prints.code(cell)
            known = {"cell_id": cell.cell_id, "stack_id": cell.stack_id, "variant": cell.variant.name, "seed": 0,
                     "dataset": cell.dataset.name, "status": "ok"}
            store.append(known | prints.of_record(known))
            if not cell.is_control:
                store.checkpoint_path(cell.cell_id).touch()
found = {}
for name, (file, text, *_) in edits.items():
    path = Path(file)
    before = path.read_text(encoding="utf-8")
    path.write_text(before + text, encoding="utf-8")
    found[name] = {}
    for run, prints in planned():
        store = RunStore.open(run.directory)
        verdicts = judge(run.cells, History.read(store), store, prints)
        for cell in run.cells:
            found[name][f"{run.directory.name} {cell.variant.name} {cell.dataset.name}"] = verdicts[cell.cell_id].value
    path.write_text(before, encoding="utf-8")
assert "torch" not in sys.modules
print(json.dumps(found))
"""
PLUGIN = """from bench.contracts.variant import Variant
from mine_helper import factor


class Mine(Variant):
    def loss(self, batch, draw):
        return {"loss": factor() * self.reconstruction_cost(self.encode(batch.x), batch.x)}

    def encode(self, x):
        return self.encoder(x)
"""
HELPER = "def factor():\n    return 1.0\n"
NETS = """from torch import nn


def make(data_shape, head_width, latent_dim):
    encoder = nn.Sequential(nn.Flatten(), nn.LazyLinear(head_width))
    decoder = nn.Sequential(nn.Linear(latent_dim, 64), nn.Unflatten(-1, data_shape))
    return encoder, decoder
"""
BOTH = ["digits", "linear-gaussian"]
#: (edited file, what is added to it, cells trained again, cells evaluated again), cells by the start of their label.
EDITS = {
    "nothing": ("bench/train/loop.py", "", [], []),
    "an initialiser of the conv network": ("bench/networks/conv.py", "EDITED = 1\n", ["conv"], []),
    "what networks share": ("bench/networks/layers.py", "EDITED = 1\n", ["conv", "mlp ae", "mlp mine"], []),
    "an optimiser": ("bench/train/optim.py", "EDITED = 1\n", ["conv", "mlp ae", "mlp mine", "own"], []),
    "the losses": ("bench/losses/formulas.py", "EDITED = 1\n", ["conv", "mlp", "own"], []),
    "the split": ("bench/data/splitting.py", "EDITED = 1\n", ["conv", "mlp", "own"], []),
    "how labels are read": ("bench/data/labels.py", "EDITED = 1\n",
                            ["conv", "own", "mlp ae digits", "mlp mine digits", "mlp control:pca digits"], []),
    "a helper of one metric": ("bench/metrics/functional/manifold.py", "EDITED = 1\n", [], ["mlp"]),
    "what metrics are given": ("bench/evaluate/model_view.py", "EDITED = 1\n", [], ["conv", "mlp", "own"]),
    "a control model": ("bench/evaluate/control_models.py", "EDITED = 1\n", ["mlp control"], []),
    "a variant": ("variants/ae.py", "EDITED = 1\n", ["conv", "own", "mlp ae"], []),
    "a helper of a plugin": ("mine_helper.py", "EDITED = 1\n", ["mlp mine"], []),
    "a network of one's own": ("nets.py", "EDITED = 1\n", ["own"], []),
    "a comment in a network of one's own": ("nets.py", "# a comment\n", [], []),
    "a comment in the trainer": ("bench/train/loop.py", "\n\n# a comment\n", [], []),
    "the report, statistics and command line": ("bench/reports/header.py", "EDITED = 1\n", [], []),
    "statistics": ("bench/analysis/stats.py", "EDITED = 1\n", [], []),
    "the command line": ("bench/cli/run.py", "EDITED = 1\n", [], []),
    "a reader that no data set of the run uses": ("bench/data/csv_file.py", "EDITED = 1\n", [], []),
    "another metric": ("bench/metrics/holes.py", "EDITED = 1\n", [], []),
}  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A folder with a copy of the package and plugins of one's own."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("bench", "variants", "datasets", "samplers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in {"mine": PLUGIN, "mine_helper": HELPER, "nets": NETS}.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def python(folder, *arguments):
    """Start Python in `folder`, with the package that lies there."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment, text=True, stdin=-1, stdout=-1, stderr=-1
    )


@pytest.fixture(scope="module")
def verdicts(copy):
    """Edit → cell → what would be done with it."""
    one = {"seeds": 1, "metrics": "test_mse"}
    requests = [
        {**one, "output": str(copy / "conv"), "variant": "ae", "dataset": "digits", "network": "conv"},
        {**one, "output": str(copy / "own"), "variant": "ae", "dataset": "digits", "network": "nets:make"},
        {**one, "output": str(copy / "mlp"), "variant": ["ae", "mine", "control:pca"], "dataset": BOTH,
         "plugins": [str(copy / "mine.py")], "metrics": "test_mse,precision_fit"},
    ]  # fmt: skip
    process = python(copy, "-c", PROGRAM)
    out, err = process.communicate(json.dumps([requests, EDITS]), timeout=240)
    assert process.returncode == 0, err
    return json.loads(out)


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_redoes_exactly_the_cells_that_it_concerns(verdicts, edit):
    _, _, trained, evaluated = EDITS[edit]
    found = verdicts[edit]
    expected = dict.fromkeys(found, "done")
    expected |= {label: "evaluate" for label in found if label.startswith(tuple(evaluated))}
    expected |= {label: "changed" for label in found if label.startswith(tuple(trained))}
    assert len(found) == 8 and found == expected


def carried_out(folder, network):
    """A real run in the copy; what it says on standard error."""
    settings = {"variant": ["ae"], "dataset": ["digits"], "seeds": 1, "steps": 3, "network": network, "quiet": None}
    _, *arguments = command(folder / "run", NO_REPORT, **settings)
    code, _, err = finish(python(folder, *arguments))
    assert code == 0, err
    return err


def test_a_real_run_is_redone_and_says_so(copy):
    conv, helper = copy / "bench/networks/conv.py", copy / "bench/metrics/reconstruction.py"
    carried_out(copy, "conv[channels=[2]]")
    first = json.loads((copy / "run" / "cells.jsonl").read_text())
    conv.write_text(conv.read_text() + "\n\n# a comment\n")
    helper.write_text(helper.read_text() + "\n\nEDITED = 1\n")
    said = carried_out(copy, "conv[channels=[2]]")
    assert "1 cell is evaluated again, as the metrics or their code changed: ae on digits" in said
    initialised = conv.read_text().replace("initialiser(init)", 'initialiser("orthogonal")')
    assert initialised != conv.read_text()
    conv.write_text(initialised)
    said = carried_out(copy, "conv[channels=[2]]")
    assert "1 cell is trained again, as their code or data changed: ae on digits" in said
    records = [json.loads(line) for line in (copy / "run" / "cells.jsonl").read_text().splitlines()]
    values = [record["metrics"]["test_mse"]["value"] for record in records]
    assert values[0] == values[1] != values[2] and first == records[0]
