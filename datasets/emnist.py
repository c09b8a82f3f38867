"""EMNIST: handwritten digits and letters of 28×28 grey pixels, in six divisions.

Source: G. Cohen, S. Afshar, J. Tapson and A. van Schaik, EMNIST: an extension of MNIST to handwritten letters,
arXiv 1702.05373, 2017.
"""

from __future__ import annotations

import string

import numpy as np

from bench.contracts.checks import one_of
from bench.contracts.dataset import Split
from bench.data.vision import Options, Part, idx_split

ALL = string.digits + string.ascii_uppercase + string.ascii_lowercase
#: Lower-case letters that look like their capitals share a class with them.
MERGED = "".join(character for character in ALL if character not in "cijklmopsuvwxyz")
CLASSES = {
    "balanced": MERGED,
    "byclass": ALL,
    "bymerge": MERGED,
    "letters": string.ascii_lowercase,
    "digits": string.digits,
    "mnist": string.digits,
}
#: Parameters that are no part of a cell's id where they have their defaults: they came later.
LATER = ("anomaly", "contamination")


def load(
    split: str = "balanced",
    root: str = "data",
    download: bool = False,
    validation: float = 0.1,
    limit: int | None = None,
    binarise: str = "none",
    split_seed: int = 0,
    anomaly: int | str | list | None = None,
    contamination: float = 0.0,
) -> Split:
    """Images (N, 1, 28, 28) in [0, 1]; "balanced" has 101,520 train, 11,280 validation and the official 18,800 test.

    Args:
        split: which division of the collection: balanced, byclass, bymerge, letters, digits or mnist.
        root: folder laid out as torchvision lays it out, or the folder of the files itself:
            EMNIST/raw/emnist-balanced-train-images-idx3-ubyte …, plain or .gz.
        download: fetch missing files into `root` with torchvision; nothing is fetched otherwise.
        validation: fraction or number of the official training images that are held out; 0 for none.
        limit: most training images to use (a smaller set is contained in a larger one); all without it.
        binarise: "none", "static" (each pixel drawn once with probability x) or "dynamic" (anew in each batch).
        split_seed: which training images are held out and used.
        anomaly: class whose test images are anomalies and whose training images are left out, or several: 'a,b'.
        contamination: the share of the training images that are of it all the same.
    """
    one_of("split", split, tuple(CLASSES))
    options = Options(root, download, validation, limit, binarise, split_seed, anomaly, contamination)
    stems = (f"emnist-{split}-train", f"emnist-{split}-test")
    prepare = _upright_letters if split == "letters" else _upright
    return idx_split("emnist", options, "EMNIST", tuple(CLASSES[split]), stems, prepare, split=split)


def _upright(images: np.ndarray, labels: np.ndarray) -> Part:
    """EMNIST's files hold each picture with rows and columns exchanged."""
    return images.swapaxes(1, 2), labels


def _upright_letters(images: np.ndarray, labels: np.ndarray) -> Part:
    """As `_upright`; the letters are numbered from 1 in the files."""
    return images.swapaxes(1, 2), labels - np.uint8(1)
