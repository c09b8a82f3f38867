"""A new variant from the idea to a LaTeX table: one file, one run, one test.

    python examples/from_idea_to_table.py

The idea: codes of a plain autoencoder are pulled towards the unit sphere, by a penalty (‖z‖² / L - 1)².
"""

import sys
import tempfile
from pathlib import Path

import pandas as pd

import bench
from bench.reports import write_report

VARIANT = '''
from bench import Variant, number_in


class ShellAE(Variant):
    """min Σ ‖Θ(z)-xᵢ‖² + w (‖z‖² / L - 1)², z = Φ(xᵢ)."""

    def __init__(self, weight: float = 0.01):
        super().__init__()
        self.weight = number_in("weight", weight, 0.0)

    def loss(self, batch, draw):
        z = self.encode(batch.x)  # (B, L)
        cost = self.reconstruction_cost(z, batch.x)  # (B,)
        penalty = (z.square().mean(-1) - 1).square()  # (B,)
        return {"loss": cost + self.weight * penalty, "reconstruction": cost, "penalty": penalty}

    def encode(self, x):
        return self.encoder(x)
'''


def main(steps: int = 1500, seeds: int = 5) -> str:
    """Compare the idea with the plain autoencoder on the same seeds; the table as LaTeX."""
    with tempfile.TemporaryDirectory() as folder:
        plugin, run = Path(folder) / "shell_ae.py", Path(folder) / "run"
        plugin.write_text(VARIANT, encoding="utf-8")
        bench.run(
            ["ae", "shell-ae"],
            "digits",
            seeds=seeds,
            steps=steps,
            baseline="ae",
            metrics="test_mse,energy_fit",
            hypothesis="shell-ae > ae on energy_fit",
            plugins=plugin,
            output=run,
            quiet=True,
        )
        write_report(run, ("csv", "latex"))
        table = (run / "tables.tex").read_text(encoding="utf-8")
        tests = pd.read_csv(run / "differences.csv")
    declared = tests[tests.hypothesis.notna()].iloc[0]
    print(table)
    print(f"{declared.hypothesis}: {declared.verdict}, difference {declared.difference:+.4f}, p = {declared.p:.2g}")
    return table


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
