"""CIFAR-10: 60,000 colour photographs of 32×32 pixels in ten classes.

Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.contracts.dataset import Split
from bench.data.regular_file import read_regular
from bench.data.vision import Options, Part, check_part, find_files, vision_split
from bench.data.vision_files import read_pickle
from bench.errors import DataError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
#: An official batch has 31 MB.
MAX_BYTES = 1 << 26
#: Parameters that are no part of a cell's id where they have their defaults: they came later.
LATER = ("anomaly", "contamination")


def load(
    root: str = "data",
    download: bool = False,
    validation: float = 5_000,
    limit: int | None = None,
    binarise: str = "none",
    split_seed: int = 0,
    anomaly: int | str | list | None = None,
    contamination: float = 0.0,
) -> Split:
    """Images (N, 3, 32, 32) in [0, 1]: by default 45,000 train, 5,000 validation, and the official 10,000 test.

    The files are pickles; they are read as data and nothing in them is executed.

    Args:
        root: folder laid out as torchvision lays it out, or the folder of the files itself:
            cifar-10-batches-py/data_batch_1 ….
        download: fetch missing files into `root` with torchvision; nothing is fetched otherwise.
        validation: fraction or number of the official training images that are held out; 0 for none.
        limit: most training images to use (a smaller set is contained in a larger one); all without it.
        binarise: "none", "static" (each pixel drawn once with probability x) or "dynamic" (anew in each batch).
        split_seed: which training images are held out and used.
        anomaly: class whose test images are anomalies and whose training images are left out, or several: 'a,b'.
        contamination: the share of the training images that are of it all the same.
    """
    options = Options(root, download, validation, limit, binarise, split_seed, anomaly, contamination)
    paths = find_files(
        "cifar10",
        options,
        ("cifar-10-batches-py", ""),
        [[name] for name in (*BATCHES, "test_batch")],
        lambda datasets: datasets.CIFAR10(options.folder, download=True),
    )
    parts = [_read_batch(path) for path in paths]
    train = tuple(np.concatenate(values) for values in zip(*parts[:-1], strict=True))
    return vision_split("cifar10", options, train, parts[-1], CLASSES)


def _read_batch(path: Path) -> Part:
    """Images (N, 3, 32, 32) and labels (N,) of one batch file."""
    what = repr(path.name)
    batch = read_pickle(read_regular(path, MAX_BYTES, advice="expected a batch of CIFAR-10"), what)
    pixels, labels = (batch.get(key) if isinstance(batch, dict) else None for key in ("data", "labels"))
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != 3 * 32 * 32:
        raise DataError(f"{what}: no array 'data' of rows of 3,072 unsigned bytes; expected a batch of CIFAR-10")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < len(CLASSES) for label in labels):
        raise DataError(f"{what}: no list 'labels' of whole numbers from 0 to 9; expected a batch of CIFAR-10")
    return check_part(pixels.reshape(-1, 3, 32, 32), np.array(labels, dtype=np.uint8), path.name)
