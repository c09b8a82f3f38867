"""What the data sets of torchvision share: where files are looked for, downloading, the division, binarising.

Files are read by the checked readers of this package; torchvision is imported only to download.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from bench.contracts.checks import one_of, true_or_false, whole_number
from bench.contracts.dataset import Split
from bench.contracts.rows import LazyRows, blocks
from bench.data.anomalies import NORMAL, Marked, divide, mark, with_anomalies
from bench.data.splitting import LEAST_TRAIN, Rows, partition
from bench.data.vision_files import read_idx
from bench.errors import DataError, UsageError

BINARISE = ("none", "static", "dynamic")
#: Bytes of float32 above which pixels stay 8-bit in memory and are converted batch by batch.
FLOAT_LIMIT = 1 << 30
STATIC_SEED = 0

#: (images (N, C, H, W), labels (N,)), both unsigned bytes.
Part = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Options:
    """The parameters that every data set of torchvision has; checked when made.

    Attributes:
        root: folder to look in, laid out as torchvision lays it out, or the folder of the files itself.
        download: fetch missing files into `root` with torchvision.
        validation: fraction or number of the official training images to hold out; 0 for none.
        limit: most training images to keep (a smaller set is contained in a larger one), or None for all.
        binarise: "none", "static" (each pixel drawn once from Bernoulli(x)) or "dynamic" (drawn anew in each batch).
        split_seed: which training images are held out and kept.
        anomaly: class whose test images are anomalies and whose training images are left out, or several, or None.
        contamination: the share of the training images that are of it all the same.
    """

    root: str
    download: bool
    validation: float
    limit: int | None
    binarise: str
    split_seed: int
    anomaly: int | str | list | None = None
    contamination: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.root, (str, Path)) or "\0" in str(self.root):
            raise UsageError(f"root={self.root!r} is not a path")
        true_or_false("download", self.download)
        one_of("binarise", self.binarise, BINARISE)
        if self.limit is not None:
            whole_number("limit", self.limit, LEAST_TRAIN)

    @property
    def folder(self) -> Path:
        return Path(self.root).expanduser()


def find_files(
    name: str, options: Options, folders: Sequence[str], files: Sequence[Sequence[str]], fetch: Callable[[Any], Any]
) -> list[Path]:
    """The path of each file, downloading once if something is missing and `download` says so.

    Args:
        name: the data set.
        options: where to look and whether to download.
        folders: folders below `root` that are searched, in this order.
        files: for each file the names that it may have.
        fetch: what downloads, given the module `torchvision.datasets`.

    Raises:
        DataError: a file is missing (with what was looked for and both ways to get it), or the download failed.
    """
    missing = [names[0] for names in files if _find(options.folder, folders, names) is None]
    if missing and options.download:
        _download(name, options, fetch)
        missing = [names[0] for names in files if _find(options.folder, folders, names) is None]
    if missing:
        looked = " or ".join(repr(str(options.folder / folder)) for folder in folders)
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DataError(
            f"{name}: no file {missing[0]!r}{others} in {looked}; give the folder that holds the files with root=, "
            f"or fetch them with download=true: '{name}[root={options.root},download=true]'"
        )
    return [path for names in files if (path := _find(options.folder, folders, names)) is not None]


def check_part(images: np.ndarray, labels: np.ndarray, name: str) -> Part:
    """The part, if it has as many labels as images."""
    if len(images) != len(labels):
        raise DataError(f"{name!r}: {len(images)} images but {len(labels)} labels; fetch the files again")
    return images, labels


def idx_split(
    name: str,
    options: Options,
    torchvision_class: str,
    label_names: Sequence[str],
    stems: tuple[str, str] = ("train", "t10k"),
    prepare: Callable[[np.ndarray, np.ndarray], Part] = lambda images, labels: (images, labels),
    **settings: Any,
) -> Split:
    """A data set in MNIST's format.

    Args:
        name: the data set.
        options: its parameters.
        torchvision_class: class in `torchvision.datasets` and folder below `root`.
        label_names: one name per class.
        stems: what the file names of the train and test part begin with.
        prepare: (images (N, 28, 28), labels (N,)) as they are in the files → as they are meant.
        settings: further arguments of torchvision's class.
    """
    paths = find_files(
        name,
        options,
        (f"{torchvision_class}/raw", "raw", ""),
        [
            [f"{stem}-{kind}{mark}{axes}-ubyte{suffix}" for mark in ("-idx", ".idx") for suffix in ("", ".gz")]
            for stem in stems
            for kind, axes in (("images", 3), ("labels", 1))
        ],
        lambda datasets: getattr(datasets, torchvision_class)(options.folder, download=True, **settings),
    )
    train, test = (_read_idx_part(images, labels, prepare) for images, labels in (paths[:2], paths[2:]))
    return vision_split(name, options, train, test, label_names)


def vision_split(name: str, options: Options, train: Part, test: Part, label_names: Sequence[str]) -> Split:
    """Hold out validation images from the official training part; the official test part is the test part.

    Raises:
        DataError: a label without a class, too few images.
        UsageError: `limit` is more than there is.
    """
    for images, labels in (train, test):
        if labels.max(initial=0) >= len(label_names):
            raise DataError(f"{name}: label {labels.max()} in {len(images)} images, but {len(label_names)} classes")
    marked = mark(train[1], tuple(label_names), options.anomaly, options.contamination)
    rows = _divided(len(train[0]), options, marked)
    if options.limit is not None and options.limit > len(rows.train):
        raise UsageError(f"{name}: limit={options.limit} is more than the {len(rows.train)} training images")
    pixels = [train[0], test[0]]
    if options.binarise == "static":
        pixels = [_binarised(images, part) for part, images in enumerate(pixels)]
    kept = rows.train[: options.limit]
    kinds = None if marked is None else _kinds(name, test[1], marked, label_names)
    tested = np.arange(len(test[0])) if kinds is None else np.flatnonzero(kinds == NORMAL)
    lazy = [
        LazyRows(pixels[0], kept, 0.0, 255.0),
        LazyRows(pixels[0], rows.validation, 0.0, 255.0),
        LazyRows(pixels[1], tested, 0.0, 255.0),
    ]
    in_memory = sum(4 * int(np.prod(part.shape)) for part in lazy) <= FLOAT_LIMIT
    sizes = ", ".join(f"{len(part)} {word}" for part, word in zip(lazy, ("train", "validation", "test"), strict=True))
    first, second, third = [part.load() for part in lazy] if in_memory else lazy
    split = Split(
        first,
        second,
        third,
        train_labels=train[1][kept].astype(np.int64),
        validation_labels=train[1][rows.validation].astype(np.int64),
        test_labels=test[1][tested].astype(np.int64),
        label_names=tuple(label_names),
        likelihoods=("squared", "bernoulli", "gaussian"),
        scale=255.0,
        binarise="dynamic" if options.binarise == "dynamic" else "none",
        description=f"{name}: {sizes} images (official test part); pixels divided by 255, binarise={options.binarise}",
    )
    if kinds is None or marked is None:
        return split
    apart = LazyRows(pixels[1], np.flatnonzero(kinds != NORMAL), 0.0, 255.0)
    return with_anomalies(split, apart.load() if in_memory else apart, kinds[apart.rows], marked)


def _divided(n: int, options: Options, marked: Marked | None) -> Rows:
    """Training and validation rows of n; with anomalies, the normal ones and as many others as contaminate training."""
    sizes: dict[str, Any] = {"validation": options.validation, "test": 0, "split_seed": options.split_seed}
    if marked is None:
        return partition(n, **sizes)
    return divide(marked, **sizes)[0]


def _kinds(name: str, labels: np.ndarray, marked: Marked, label_names: Sequence[str]) -> np.ndarray:
    """The kind of each test image (N,), `NORMAL` for the others.

    Raises:
        DataError: none of them is of an anomalous class, or all are.
    """
    kinds = np.full(len(labels), NORMAL, dtype=np.int64)
    for kind, word in enumerate(marked.names):
        kinds[labels == list(label_names).index(word)] = kind
    if (kinds == NORMAL).all() or (kinds != NORMAL).all():
        some = "none" if (kinds == NORMAL).all() else "every one"
        raise DataError(f"{name}: {some} of the {len(labels)} test images is of class {' or '.join(marked.names)}")
    return kinds


def _read_idx_part(images: Path, labels: Path, prepare: Callable[[np.ndarray, np.ndarray], Part]) -> Part:
    pixels, codes = prepare(read_idx(images, 3, (28, 28)), read_idx(labels, 1))
    return check_part(pixels[:, None], codes, images.name)


def _binarised(images: np.ndarray, part: int) -> np.ndarray:
    """Each pixel 0 or 255, drawn once with probability x/255 by a fixed seed."""
    rng = np.random.default_rng([STATIC_SEED, part])
    drawn = np.empty(images.shape, dtype=np.uint8)
    for rows in blocks(images.shape):
        block = images[rows]
        drawn[rows] = (rng.random(block.shape, dtype=np.float32) * 255 < block) * np.uint8(255)
    return drawn


def _find(root: Path, folders: Sequence[str], names: Sequence[str]) -> Path | None:
    places = (root / folder / name for folder in folders for name in names)
    try:
        return next((place for place in places if place.is_file()), None)
    except OSError as error:
        raise DataError(f"root={str(root)!r} cannot be read: {error.strerror or error}") from None


def _download(name: str, options: Options, fetch: Callable[[Any], Any]) -> None:
    datasets = import_datasets()
    try:
        fetch(datasets)
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise DataError(
            f"{name}: downloading to {str(options.folder)!r} failed ({' '.join(str(error).split())[:200]}); "
            "try again, or fetch the files otherwise and give their folder with root="
        ) from None


def import_datasets() -> Any:
    """The module `torchvision.datasets`.

    Raises:
        UsageError: torchvision is not installed or does not match torch: which pair is there and what to do.
    """
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        pair = " with ".join(f"{package} {_version(package)}" for package in ("torchvision", "torch"))
        raise UsageError(
            f"{pair} does not work ({' '.join(str(error).split())[:120]}); install a matching pair, e.g. "
            "pip install --upgrade torch torchvision, or fetch the files otherwise and give their folder with root="
        ) from None
    return datasets


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(not installed)"
