"""Three methods of one's own beside a built-in one, on one's own sequences, networks and metric (all in `methods/`).

    python examples/methods_on_sequences.py

What is expected is declared before the run and tested alone.
"""

import sys
import tempfile
from pathlib import Path

import pandas as pd

import bench
from bench.reports import write_report

METHODS = Path(__file__).parent / "methods"


def main(steps: int = 1500, seeds: int = 5) -> pd.Series:
    """Run all four on the same seeds and print their means; the test of the hypothesis, a row of `differences.csv`."""
    with tempfile.TemporaryDirectory() as folder:
        frame = bench.run(
            ["vae", "my-wae", "my-sigma-vae", "my-vq"],
            "my-waves",
            seeds=seeds,
            steps=steps,
            latent_dim=4,
            network="my_nets:temporal",
            metrics="test_mse,energy_fit,test_neg_elbo,my-slopes",
            hypothesis="my-wae > vae on slope_error",
            plugins=METHODS,
            output=Path(folder) / "run",
            quiet=True,
        )
        write_report(frame.attrs["run"], ("csv",))
        tests = pd.read_csv(Path(frame.attrs["run"]) / "differences.csv")
    shown = frame[frame.metric.isin(["test_mse", "energy_fit", "test_neg_elbo", "slope_error"])]
    print(shown.pivot_table("value", "variant", "metric").round(4).to_string(na_rep="n/a"))
    found = tests[tests.hypothesis.notna()].iloc[0]
    print(f"{found.hypothesis}: {found.verdict}, difference {found.difference:+.4f}, p = {found.p:.2g}")
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
