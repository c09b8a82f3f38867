"""Training and evaluation on data that do not fit the memory they are given: what is resident stays far below them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
FEW, MANY, COLUMNS = 12_000, 96_000, 1024
#: 344 MB more, in a sparse file. Both have more rows than an evaluation keeps in memory (10,000).
MORE_BYTES = 4 * (MANY - FEW) * COLUMNS

RUN = """
import json, resource, sys
import bench, bench.runs.runner

bench.runs.runner.measure_core = lambda *arguments: None  # its buffers would hide growth of the first run's peak

def run(path, output):
    data = f"file[path={path},memory_limit=1000000,scale=none,validation=200,test=400]"
    frame = bench.run("ae", data, seeds=1, steps=6, batch_size=64, latent_dim=2, network="mlp[hidden=[4]]",
                      metrics="test_mse,train_mse", output=output, quiet=True)
    values = frame.set_index("metric")["value"]
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return float(values["test_mse"]), peak * (1 if sys.platform == "darwin" else 1024)

if __name__ == "__main__":
    print(json.dumps([run(path, f"{path}-run") for path in sys.argv[1:]]))
"""


def sparse_rows(path: Path, rows: int) -> None:
    """A .npy file of `rows` rows that are zero, but for every hundredth, which holds numbers."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, COLUMNS))
    chosen = np.arange(0, rows, 100)
    array[chosen] = np.random.default_rng(0).random((len(chosen), COLUMNS), dtype=np.float32)
    array.flush()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read from getrusage")
def test_memory_does_not_grow_with_the_data(tmp_path):
    sparse_rows(tmp_path / "few.npy", FEW)
    sparse_rows(tmp_path / "many.npy", MANY)
    (tmp_path / "run.py").write_text(RUN)
    command = [sys.executable, "run.py", "few.npy", "many.npy"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    (_, few), (error, many) = json.loads(done.stdout.splitlines()[-1])
    assert 0 < error < 1
    assert many - few < 0.25 * MORE_BYTES
