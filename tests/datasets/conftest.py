"""Loading of data set files as the registry does it, and small files in the formats that they read."""

import gzip
import importlib.util
import inspect
import pickle
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.io

from bench.errors import DataError, UsageError

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "datasets").glob("*.py"))
MNIST_ROOT = ROOT.parent / "shared" / "data" / "mnist"


def _module(name):
    path = ROOT / "datasets" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"tested_dataset_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_idx(path, values):
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes()
    content = header + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_idx_family(folder, stems=("train", "t10k"), sizes=(60, 20), classes=10, suffix="", first=0):
    """Images and labels in MNIST's format; returns {stem: (images, labels)}."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(stems)))
    written = {}
    for stem, n in zip(stems, sizes, strict=True):
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = (np.arange(n) % classes + first).astype(np.uint8)
        write_idx(folder / f"{stem}-images-idx3-ubyte{suffix}", images)
        write_idx(folder / f"{stem}-labels-idx1-ubyte{suffix}", labels)
        written[stem] = images, labels
    return written


def write_cifar(folder, n=12):
    """Batches as the official ones are: dictionaries of an array and a list, pickle protocol 2."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    written = {}
    for name in (*[f"data_batch_{i}" for i in range(1, 6)], "test_batch"):
        pixels = rng.integers(0, 256, (n, 3072), dtype=np.uint8)
        labels = [int(label) for label in rng.integers(0, 10, n)]
        batch = {"batch_label": name, "labels": labels, "data": pixels, "filenames": ["a.png"] * n}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
        written[name] = pixels, labels
    return written


def write_svhn(folder, sizes=(50, 20), compressed=True):
    """MATLAB 5 files with X (32, 32, 3, N) and y (N, 1), in which the digit 0 has the label 10."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(4)
    written = {}
    for part, n in zip(("train", "test"), sizes, strict=True):
        arrays = {
            "X": rng.integers(0, 256, (32, 32, 3, n), dtype=np.uint8),
            "y": (np.arange(n) % 10 + 1).astype(np.float64)[:, None],
        }
        scipy.io.savemat(folder / f"{part}_32x32.mat", arrays, do_compression=compressed)
        written[part] = arrays
    return written


def write_pictures(folder, n=12, labels=("cat", "dog")):
    """Random PNG pictures of different sizes, `n` per label."""
    from PIL import Image

    rng = np.random.default_rng(5)
    for label in labels:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            pixels = rng.integers(0, 256, (20 + i, 31 - i, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i:02d}.png")
    return folder


@contextmanager
def refuses_within(megabytes):
    """Whatever the body does ends well or in a `DataError` or `UsageError`, and allocates at most `megabytes` MB."""
    tracemalloc.start()
    try:
        yield
    except (DataError, UsageError) as error:
        assert "\n" not in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    assert peak < megabytes


@pytest.fixture(scope="session")
def module():
    """name → the data set's module."""
    return _module


@pytest.fixture(scope="session")
def write():
    """Writers of small files in the formats that data sets read."""
    return SimpleNamespace(
        idx=write_idx, idx_family=write_idx_family, cifar=write_cifar, svhn=write_svhn, pictures=write_pictures
    )


@pytest.fixture(scope="session")
def bounded():
    return refuses_within


@pytest.fixture(scope="session")
def mnist_root():
    if not MNIST_ROOT.is_dir():
        pytest.skip(f"no MNIST in {MNIST_ROOT}")
    return str(MNIST_ROOT)


@pytest.fixture(scope="session")
def arguments(tmp_path_factory):
    """name → arguments with which a data set loads quickly and without the network."""
    root = tmp_path_factory.mktemp("data")
    np.save(root / "rows.npy", np.random.default_rng(0).normal(size=(60, 4)))
    for folder in ("MNIST", "FashionMNIST", "KMNIST"):
        write_idx_family(root / folder / "raw")
    stems = ("emnist-balanced-train", "emnist-balanced-test")
    write_idx_family(root / "EMNIST" / "raw", stems, classes=47, suffix=".gz")
    write_cifar(root / "cifar-10-batches-py")
    write_svhn(root)
    images = {"root": str(root), "validation": 12}
    known = {
        "file": {"path": str(root / "rows.npy")},
        "image_folder": {"path": str(write_pictures(root / "pictures")), "size": 16},
        "linear_gaussian": {"n": 300},
        "lines": {"n": 300, "size": 16},
        "ring": {"n": 300},
        "sprites": {"n": 300, "size": 16},
        **dict.fromkeys(("mnist", "fashion_mnist", "kmnist", "emnist", "cifar10", "svhn"), images),
    }
    return lambda name: known.get(name, {})


def pytest_generate_tests(metafunc):
    """`dataset` runs over every file in datasets/, so that a new one is tested the moment it exists."""
    if "dataset" in metafunc.fixturenames and "dataset" in inspect.signature(metafunc.function).parameters:
        metafunc.parametrize("dataset", [file.stem for file in FILES])
