"""A new variant from the idea to a LaTeX table: one file, one run, paired differences.

    python examples/from_idea_to_table.py

The idea: codes of a plain autoencoder are pulled towards the unit sphere, by a penalty (‖z‖² / L - 1)².
"""

import sys
import tempfile
from pathlib import Path

import bench

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
        plugin = Path(folder) / "shell_ae.py"
        plugin.write_text(VARIANT, encoding="utf-8")
        frame = bench.run(
            ["ae", "shell-ae"],
            "digits",
            seeds=seeds,
            steps=steps,
            baseline="ae",
            metrics="test_mse,energy_fit",
            plugins=plugin,
            output=Path(folder) / "run",
            quiet=True,
        )
    shown = frame[frame.metric.isin(["test_mse", "energy_fit"])]
    cells = shown.groupby(["variant_label", "metric"]).value.agg(["mean", "std"])
    text = cells.apply(lambda row: f"${row['mean']:.4f} \\pm {row['std']:.4f}$", axis=1).unstack()
    table = text.rename(columns=lambda name: name.replace("_", r"\_")).to_latex(column_format="lrr")
    paired = frame.pivot_table("value", "seed", ["metric", "variant_label"])["test_mse"]
    difference = paired["shell-ae"] - paired["ae"]
    print(table)
    print(f"shell-ae - ae on the same seeds: {difference.mean():+.5f} (std {difference.std():.5f})")
    return table


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
