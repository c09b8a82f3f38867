"""Breast cancer: 569 tumours by 30 measurements of their cells' nuclei; the malignant ones are the anomalies.

Source: W. N. Street, W. H. Wolberg and O. L. Mangasarian, Nuclear feature extraction for breast tumor diagnosis,
IS&T/SPIE 1905, 1993; it comes with scikit-learn.
"""

from __future__ import annotations

from bench.contracts.dataset import Split
from bench.data.split_arrays import split_arrays


def load(
    anomaly: int | str | list | None = "malignant",
    contamination: float = 0.0,
    scale: str = "auto",
    validation: float = 0.16,
    test: float = 0.2,
    split_seed: int = 0,
) -> Split:
    """Rows (N, 30), standardised: of 357 benign tumours 227 train, 58 validate, 72 test; 212 malignant are anomalies.

    Args:
        anomaly: the class that is set apart as test anomalies; none keeps both classes in every part.
        contamination: the share of the training rows that are anomalies all the same.
        scale: as the data set `file` takes it.
        validation, test: fraction of the normal rows or number of rows.
        split_seed: which division into parts.
    """
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    return split_arrays(
        data.data,
        data.target_names[data.target],
        scale=scale,
        validation=validation,
        test=test,
        split_seed=split_seed,
        columns=[str(name) for name in data.feature_names],
        what="scikit-learn breast cancer",
        anomaly=anomaly,
        contamination=contamination,
    )
