"""Anomalies in a table: an autoencoder trained on healthy rows scores tumours that it has never seen.

    python examples/anomalies_in_a_table.py

The table is scikit-learn's breast cancer set (569 rows, 30 numbers each). The detector is an estimator of
scikit-learn, so that it stands in a pipeline, and is stored in a file without pickle.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

import bench


def main(steps: int = 1500) -> float:
    """Train on benign rows, print how malignant ones stand out from held-out benign ones; the area under the ROC."""
    data = load_breast_cancer(as_frame=True)
    malignant = data.target == 0
    healthy, held_out = train_test_split(data.data[~malignant], test_size=0.3, random_state=0)
    detector = bench.Autoencoder("ae", latent_dim=4, steps=steps, contamination=0.05).fit(healthy)

    rows = pd.concat([held_out, data.data[malignant]])
    truth = np.r_[np.zeros(len(held_out)), np.ones(malignant.sum())]
    area = roc_auc_score(truth, -detector.score_samples(rows))
    flagged = detector.predict(data.data[malignant]) == -1
    print(f"area under the ROC: {area:.3f}; {flagged.mean():.0%} of the malignant rows are flagged")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.safetensors"
        detector.save(path)
        again = bench.Autoencoder.load(path)
    assert np.array_equal(again.score_samples(held_out), detector.score_samples(held_out))
    return float(area)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
