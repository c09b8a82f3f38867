"""MNIST: 70,000 handwritten digits of 28×28 grey pixels.

Source: Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits, 1998.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.contracts.checks import true_or_false
from bench.contracts.dataset import Split
from bench.data.vision import Options, idx_split
from bench.errors import UsageError

CLASSES = tuple("0123456789")
#: Parameters that are no part of a cell's id where they have their defaults: they came later.
LATER = ("anomaly", "contamination", "test_trains")


def load(
    root: str = "data",
    download: bool = False,
    validation: float = 10_000,
    limit: int | None = None,
    binarise: str = "none",
    split_seed: int = 0,
    anomaly: int | str | list | None = None,
    contamination: float = 0.0,
    test_trains: bool = False,
) -> Split:
    """Images (N, 1, 28, 28) in [0, 1]: by default 50,000 train, 10,000 validation, and the official 10,000 test.

    Args:
        root: folder laid out as torchvision lays it out, or the folder of the files itself:
            MNIST/raw/train-images-idx3-ubyte …, plain or .gz.
        download: fetch missing files into `root` with torchvision; nothing is fetched otherwise.
        validation: fraction or number of the official training images that are held out; 0 for none.
        limit: most training images to use (a smaller set is contained in a larger one); all without it.
        binarise: "none", "static" (each pixel drawn once with probability x) or "dynamic" (anew in each batch).
        split_seed: which training images are held out and used.
        anomaly: class whose test images are anomalies and whose training images are left out, or several: 'a,b'.
        contamination: the share of the training images that are of it all the same.
        test_trains: the test images train, too, as in set-ups that hold nothing out; no number of the test part then
            says anything of new data.
    """
    options = Options(root, download, validation, limit, binarise, split_seed, anomaly, contamination)
    split = idx_split("mnist", options, "MNIST", CLASSES)
    if not true_or_false("test_trains", test_trains):
        return split
    if limit is not None or anomaly is not None:
        raise UsageError("test_trains=true takes every image; leave out limit= and anomaly=")
    return replace(
        split,
        train=np.concatenate([split.train[:], split.test[:]]),
        train_labels=np.concatenate([split.train_labels, split.test_labels]),
        description=f"{split.description}; WARNING: the test images train, too, so no test number is held out",
    )
