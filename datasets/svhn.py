"""SVHN: 99,289 colour photographs of house numbers, cropped to one digit of 32×32 pixels.

Source: Y. Netzer et al., Reading digits in natural images with unsupervised feature learning, 2011.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.contracts.dataset import Split
from bench.data.vision import Options, Part, check_part, find_files, vision_split
from bench.data.vision_files import read_mat
from bench.errors import DataError

CLASSES = tuple("0123456789")
#: Parameters that are no part of a cell's id where they have their defaults: they came later.
LATER = ("anomaly", "contamination")


def load(
    root: str = "data",
    download: bool = False,
    validation: float = 0.1,
    limit: int | None = None,
    binarise: str = "none",
    split_seed: int = 0,
    anomaly: int | str | list | None = None,
    contamination: float = 0.0,
) -> Split:
    """Images (N, 3, 32, 32) in [0, 1]: by default 65,931 train, 7,326 validation, and the official 26,032 test.

    Args:
        root: folder laid out as torchvision lays it out, or the folder of the files itself:
            train_32x32.mat, test_32x32.mat.
        download: fetch missing files into `root` with torchvision; nothing is fetched otherwise.
        validation: fraction or number of the official training images that are held out; 0 for none.
        limit: most training images to use (a smaller set is contained in a larger one); all without it.
        binarise: "none", "static" (each pixel drawn once with probability x) or "dynamic" (anew in each batch).
        split_seed: which training images are held out and used.
        anomaly: class whose test images are anomalies and whose training images are left out, or several: 'a,b'.
        contamination: the share of the training images that are of it all the same.
    """
    options = Options(root, download, validation, limit, binarise, split_seed, anomaly, contamination)
    train, test = find_files(
        "svhn",
        options,
        ("", "svhn", "SVHN"),
        [["train_32x32.mat"], ["test_32x32.mat"]],
        lambda datasets: [datasets.SVHN(options.folder, split=part, download=True) for part in ("train", "test")],
    )
    return vision_split("svhn", options, _read_part(train), _read_part(test), CLASSES)


def _read_part(path: Path) -> Part:
    """Images (N, 3, 32, 32) and labels (N,) of one file; the file calls the digit 0 "10"."""
    arrays = read_mat(path, ("X", "y"))
    pixels, labels = arrays["X"], arrays["y"].ravel()
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3) or not pixels.shape[3]:
        raise DataError(
            f"{path.name!r}: X has shape {pixels.shape}, type {pixels.dtype}; expected (32, 32, 3, N) bytes"
        )
    if not np.isin(labels, np.arange(11)).all():
        raise DataError(f"{path.name!r}: y holds other labels than 1 … 10")
    images = np.ascontiguousarray(pixels.transpose(3, 2, 0, 1))
    return check_part(images, (labels % 10).astype(np.uint8), path.name)
