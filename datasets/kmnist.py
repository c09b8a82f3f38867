"""Kuzushiji-MNIST: 70,000 cursive Japanese characters of 28×28 grey pixels.

Source: T. Clanuwat et al., Deep Learning for Classical Japanese Literature, arXiv 1812.01718, 2018.
"""

from __future__ import annotations

from bench.contracts.dataset import Split
from bench.data.vision import Options, idx_split

CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
#: Parameters that are no part of a cell's id where they have their defaults: they came later.
LATER = ("anomaly", "contamination")


def load(
    root: str = "data",
    download: bool = False,
    validation: float = 10_000,
    limit: int | None = None,
    binarise: str = "none",
    split_seed: int = 0,
    anomaly: int | str | list | None = None,
    contamination: float = 0.0,
) -> Split:
    """Images (N, 1, 28, 28) in [0, 1]: by default 50,000 train, 10,000 validation, and the official 10,000 test.

    Args:
        root: folder laid out as torchvision lays it out, or the folder of the files itself:
            KMNIST/raw/train-images-idx3-ubyte …, plain or .gz.
        download: fetch missing files into `root` with torchvision; nothing is fetched otherwise.
        validation: fraction or number of the official training images that are held out; 0 for none.
        limit: most training images to use (a smaller set is contained in a larger one); all without it.
        binarise: "none", "static" (each pixel drawn once with probability x) or "dynamic" (anew in each batch).
        split_seed: which training images are held out and used.
        anomaly: class whose test images are anomalies and whose training images are left out, or several: 'a,b'.
        contamination: the share of the training images that are of it all the same.
    """
    options = Options(root, download, validation, limit, binarise, split_seed, anomaly, contamination)
    return idx_split("kmnist", options, "KMNIST", CLASSES)
