"""The 1,797 handwritten digits of 8×8 pixels that come with scikit-learn: real data without a download.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

from bench.contracts.dataset import Split
from bench.data.split_arrays import split_arrays

#: Parameters that are no part of a cell's id where they have their defaults: they came later.
LATER = ("anomaly", "contamination")


def load(
    validation: float = 0.16,
    test: float = 0.2,
    split_seed: int = 0,
    anomaly: int | str | list | None = None,
    contamination: float = 0.0,
) -> Split:
    """Images (N, 1, 8, 8) with pixels in [0, 1] and ten classes: 1,149 train, 288 validation, 360 test by default.

    Args:
        validation, test: fraction of all rows or number of rows.
        split_seed: which division into parts.
        anomaly: the digit whose images are test anomalies and nothing else, or several: '1,7', or [[1,7]].
        contamination: the share of the training images that are anomalies all the same.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    return split_arrays(
        digits.images / 16.0,
        digits.target,
        scale="none",
        validation=validation,
        test=test,
        split_seed=split_seed,
        what="scikit-learn digits, pixels divided by 16",
        anomaly=anomaly,
        contamination=contamination,
    )
