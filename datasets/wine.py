"""Wine: 178 Italian wines of three growers (classes 0, 1 and 2) by 13 chemical measurements.

Source: S. Aeberhard, D. Coomans and O. de Vel, The classification performance of RDA, 1992; it comes with scikit-learn.
"""

from __future__ import annotations

from bench.contracts.dataset import Split
from bench.data.split_arrays import split_arrays


def load(
    anomaly: int | str | list | None = None,
    contamination: float = 0.0,
    scale: str = "auto",
    validation: float = 0.16,
    test: float = 0.2,
    split_seed: int = 0,
) -> Split:
    """Rows (N, 13), standardised: 113 train, 29 validation, 36 test, all classes in every part.

    Args:
        anomaly: the class that is set apart as test anomalies, 0, 1 or 2, or several: '0,1'.
        contamination: the share of the training rows that are anomalies all the same.
        scale: as the data set `file` takes it.
        validation, test: fraction of the normal rows or number of rows.
        split_seed: which division into parts.
    """
    from sklearn.datasets import load_wine

    data = load_wine()
    return split_arrays(
        data.data,
        data.target,
        scale=scale,
        validation=validation,
        test=test,
        split_seed=split_seed,
        columns=[str(name) for name in data.feature_names],
        what="scikit-learn wine",
        anomaly=anomaly,
        contamination=contamination,
    )
