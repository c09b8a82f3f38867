"""Data sets over torchvision: files in the official formats, division, binarising, downloading, messages."""

import sys
import types

import numpy as np
import pytest

from bench.contracts.dataset import PARTS
from bench.contracts.rows import LazyRows
from bench.data import vision
from bench.data.vision import import_datasets
from bench.errors import DataError, UsageError

FAMILY = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}


@pytest.fixture
def mnist(module, write, tmp_path):
    """`load` of mnist over 60 and 20 small images, and what was written."""
    written = write.idx_family(tmp_path / "MNIST" / "raw")

    def load(**parameters):
        return module("mnist").load(**{"root": str(tmp_path), "validation": 10, **parameters})

    load.written = written
    return load


def pixels(split, part):
    return np.rint(getattr(split, part)[:] * 255).astype(np.uint8)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("place", ["{}/raw", "raw", ""])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_test_part_is_the_official_one(module, write, tmp_path, name, place, suffix):
    written = write.idx_family(tmp_path / place.format(FAMILY[name]), suffix=suffix)
    split = module(name).load(root=str(tmp_path), validation=10)
    images, labels = written["t10k"]
    np.testing.assert_array_equal(pixels(split, "test")[:, 0], images)
    np.testing.assert_array_equal(split.test_labels, labels)
    assert len(split.label_names) == 10
    both = np.concatenate([pixels(split, "train"), pixels(split, "validation")])[:, 0]
    assert sorted(image.tobytes() for image in both) == sorted(image.tobytes() for image in written["train"][0])


def test_labels_stay_with_their_images(mnist):
    split = mnist()
    images, labels = mnist.written["train"]
    of = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for part in ("train", "validation"):
        expected = [of[image.tobytes()] for image in pixels(split, part)]
        np.testing.assert_array_equal(getattr(split, f"{part}_labels"), expected)


def test_validation_can_be_none_and_then_all_images_train(mnist):
    split = mnist(validation=0)
    assert len(split.train) == 60 and len(split.validation) == 0 and len(split.test) == 20


def test_the_test_images_train_only_where_that_is_asked_for(mnist):
    plain, joined = mnist(validation=0), mnist(validation=0, test_trains=True)
    for what in ("train", "train_labels"):
        both = [getattr(plain, what), getattr(plain, what.replace("train", "test"))]
        np.testing.assert_array_equal(getattr(joined, what), np.concatenate(both))
    np.testing.assert_array_equal(joined.test, plain.test)
    assert "no test number is held out" in joined.description and "held out" not in plain.description
    for other in ({"limit": 7}, {"anomaly": 3}):
        with pytest.raises(UsageError, match="leave out limit= and anomaly="):
            mnist(validation=0, test_trains=True, **other)
    with pytest.raises(UsageError, match="test_trains"):
        mnist(test_trains="maybe")


def test_smaller_limits_are_contained_in_larger_ones(mnist):
    small, large = mnist(limit=7), mnist(limit=30)
    np.testing.assert_array_equal(small.train, large.train[:7])
    for part in ("validation", "test"):
        np.testing.assert_array_equal(getattr(small, part), getattr(large, part))
    with pytest.raises(UsageError, match="limit=51 is more than the 50 training images"):
        mnist(limit=51)


def test_static_binarising_is_drawn_once_with_the_grey_value_as_probability(mnist):
    split, again, grey = mnist(binarise="static"), mnist(binarise="static"), mnist()
    assert split.checksum() == again.checksum() and split.binarise == "none"
    for part in PARTS:
        drawn, x = getattr(split, part), getattr(grey, part)
        assert set(np.unique(drawn)) == {0.0, 1.0}
        assert (drawn[x == 0] == 0).all() and (drawn[x == 1] == 1).all()
        z = (drawn - x).sum() / np.sqrt((x * (1 - x)).sum())
        assert abs(z) < 4
    assert np.corrcoef(split.train.ravel(), grey.train.ravel())[0, 1] > 0.5


def test_static_binarising_does_not_depend_on_the_division(mnist):
    first, second = (mnist(binarise="static", validation=0, split_seed=seed) for seed in (0, 1))
    assert sorted(row.tobytes() for row in first.train) == sorted(row.tobytes() for row in second.train)


def test_dynamic_binarising_leaves_the_draws_to_the_harness(mnist):
    split = mnist(binarise="dynamic")
    assert split.binarise == "dynamic" and split.checksum() == mnist().checksum()


def test_large_sets_stay_unsigned_bytes_in_memory(mnist, monkeypatch):
    in_memory = mnist(limit=20)
    monkeypatch.setattr(vision, "FLOAT_LIMIT", 1000)
    lazy = mnist(limit=20)
    assert isinstance(lazy.train, LazyRows) and lazy.train.base.dtype == np.uint8
    assert lazy.checksum() == in_memory.checksum()


@pytest.mark.parametrize(
    "division, classes, first",
    [
        ("balanced", 47, 0),
        ("byclass", 62, 0),
        ("bymerge", 47, 0),
        ("letters", 26, 1),
        ("digits", 10, 0),
        ("mnist", 10, 0),
    ],
)
def test_emnist_is_upright_and_named(module, write, tmp_path, division, classes, first):
    stems = (f"emnist-{division}-train", f"emnist-{division}-test")
    written = write.idx_family(tmp_path / "EMNIST" / "raw", stems, (130, 62), classes, ".gz", first)
    split = module("emnist").load(split=division, root=str(tmp_path))
    images, labels = written[stems[1]]
    np.testing.assert_array_equal(pixels(split, "test")[:, 0], images.transpose(0, 2, 1))
    np.testing.assert_array_equal(split.test_labels, labels - first)
    assert len(split.label_names) == classes
    import torchvision.datasets as official

    assert list(split.label_names) == [name for name in official.EMNIST.classes_split_dict[division] if name != "N/A"]


def test_cifar_batches(module, write, tmp_path):
    written = write.cifar(tmp_path / "cifar-10-batches-py")
    split = module("cifar10").load(root=str(tmp_path), validation=10)
    raw, labels = written["test_batch"]
    np.testing.assert_array_equal(pixels(split, "test"), raw.reshape(-1, 3, 32, 32))
    np.testing.assert_array_equal(split.test_labels, labels)
    assert split.data_shape == (3, 32, 32) and len(split.train) == 50
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").unlink()
    with pytest.raises(DataError, match="cifar10: no file 'data_batch_3' in"):
        module("cifar10").load(root=str(tmp_path), validation=10)


@pytest.mark.parametrize("packed", [True, False])
def test_svhn_files(module, write, tmp_path, packed):
    written = write.svhn(tmp_path, compressed=packed)
    split = module("svhn").load(root=str(tmp_path))
    np.testing.assert_array_equal(pixels(split, "test"), written["test"]["X"].transpose(3, 2, 0, 1))
    np.testing.assert_array_equal(split.test_labels, written["test"]["y"].ravel() % 10)


def test_the_official_readers_agree(module, write, tmp_path, monkeypatch):
    """torchvision itself, its check of the official files' sums aside, reads the same images and labels."""
    from torchvision import datasets

    write.svhn(tmp_path)
    write.cifar(tmp_path / "cifar-10-batches-py")
    for kind in (datasets.SVHN, datasets.CIFAR10):
        monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setattr(datasets.CIFAR10, "_load_meta", lambda self: None)
    svhn = module("svhn").load(root=str(tmp_path))
    reference = datasets.SVHN(tmp_path, split="test")
    np.testing.assert_array_equal(pixels(svhn, "test"), reference.data)
    np.testing.assert_array_equal(svhn.test_labels, reference.labels)
    cifar = module("cifar10").load(root=str(tmp_path), validation=10)
    reference = datasets.CIFAR10(tmp_path, train=False)
    np.testing.assert_array_equal(pixels(cifar, "test").transpose(0, 2, 3, 1), reference.data)
    np.testing.assert_array_equal(cifar.test_labels, reference.targets)


@pytest.mark.parametrize(
    "name, looked_for",
    [
        ("mnist", "train-images-idx3-ubyte"),
        ("fashion_mnist", "train-images-idx3-ubyte"),
        ("kmnist", "train-images-idx3-ubyte"),
        ("emnist", "emnist-balanced-train-images-idx3-ubyte"),
        ("cifar10", "data_batch_1"),
        ("svhn", "train_32x32.mat"),
    ],
)
def test_a_missing_file_is_answered_with_both_ways_to_get_it(module, tmp_path, name, looked_for):
    with pytest.raises(DataError) as caught:
        module(name).load(root=str(tmp_path / "nowhere"))
    message = str(caught.value)
    for part in (looked_for, str(tmp_path / "nowhere"), "root=", "download=true"):
        assert part in message
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist", "emnist"])
def test_downloading_goes_through_torchvision(module, write, tmp_path, monkeypatch, name):
    from torchvision import datasets

    official = {"emnist": "EMNIST", **FAMILY}[name]
    stems = ("emnist-digits-train", "emnist-digits-test") if name == "emnist" else ("train", "t10k")
    calls = []

    def download(self):
        calls.append(type(self).__name__)
        write.idx_family(tmp_path / "new" / official / "raw", stems)

    monkeypatch.setattr(getattr(datasets, official), "download", download)
    parameters = {"root": str(tmp_path / "new"), "validation": 10}
    parameters |= {"split": "digits"} if name == "emnist" else {}
    assert len(module(name).load(download=True, **parameters).train) == 50
    assert calls == [official]
    module(name).load(download=True, **parameters)
    module(name).load(**parameters)
    assert calls == [official]  # nothing is fetched that is there already


@pytest.mark.parametrize("name, official", [("cifar10", "CIFAR10"), ("svhn", "SVHN"), ("mnist", "MNIST")])
def test_a_failed_download_is_one_line(module, tmp_path, monkeypatch, name, official):
    from torchvision import datasets

    def download(self):
        raise OSError("no\nnetwork")

    monkeypatch.setattr(getattr(datasets, official), "download", download)
    with pytest.raises(DataError, match=r"failed \(no network\); try again.*root="):
        module(name).load(root=str(tmp_path), download=True)


def broken_torchvision(monkeypatch, error):
    class Broken(types.ModuleType):
        def __getattr__(self, name):
            raise error

    monkeypatch.setitem(sys.modules, "torchvision", Broken("torchvision"))
    monkeypatch.delitem(sys.modules, "torchvision.datasets", raising=False)


@pytest.mark.parametrize(
    "error", [RuntimeError("operator torchvision::nms does not exist"), ImportError("no symbol"), OSError("libcudart")]
)
def test_a_torchvision_that_does_not_match_its_torch_is_named(monkeypatch, error, mnist, tmp_path):
    broken_torchvision(monkeypatch, error)
    with pytest.raises(UsageError, match=r"torchvision \d.* with torch \d.* does not work \(.*install a matching pair"):
        import_datasets()
    assert len(mnist().train) == 50  # reading what is there needs no torchvision
    with pytest.raises(UsageError, match="matching pair"):
        mnist(root=str(tmp_path / "nowhere"), download=True)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"binarise": "statik"}, "did you mean static"),
        ({"limit": 0}, "limit=0"),
        ({"limit": 2.5}, "limit=2.5"),
        ({"download": "yes"}, "download='yes'"),
        ({"root": 7}, "root=7"),
        ({"validation": 60}, "leaves 0 for training"),
        ({"validation": 59}, "leaves 1 for training"),
    ],
)
def test_senseless_parameters_are_refused(mnist, changes, message):
    with pytest.raises(UsageError, match=message):
        mnist(**changes)


def test_files_that_do_not_belong_together_are_refused(mnist, write, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    images, labels = mnist.written["train"]
    write.idx(raw / "train-labels-idx1-ubyte", labels[:-1])
    with pytest.raises(DataError, match="60 images but 59 labels"):
        mnist()
    write.idx(raw / "train-labels-idx1-ubyte", labels + np.uint8(5))
    with pytest.raises(DataError, match="label 14 in 60 images, but 10 classes"):
        mnist()
    write.idx(raw / "train-labels-idx1-ubyte", labels)
    write.idx(raw / "train-images-idx3-ubyte", images[:, :27])
    with pytest.raises(DataError, match="27×28 pixels; expected 28×28"):
        mnist()


def test_real_mnist(module, mnist_root):
    split = module("mnist").load(root=mnist_root)
    assert [len(getattr(split, part)) for part in PARTS] == [50_000, 10_000, 10_000]
    counts = np.bincount(np.concatenate([split.train_labels, split.validation_labels]))
    np.testing.assert_array_equal(counts, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
    np.testing.assert_array_equal(split.test_labels[:10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
    mean = (split.train.mean(dtype=np.float64) * 5 + split.validation.mean(dtype=np.float64)) / 6
    assert mean == pytest.approx(0.1307, abs=5e-5)  # the figure that everybody normalises with


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_a_class_of_the_official_test_part_is_anomalous(mnist, share):
    split = mnist(anomaly="3,8", contamination=share)
    images, labels = mnist.written["t10k"]
    wanted = images[np.isin(labels, (3, 8))] / np.float32(255)
    np.testing.assert_array_equal(split.anomalies[:, 0], wanted)
    assert split.anomaly_names == ("3", "8") and len(split.test) + len(wanted) == len(images)
    assert len(split.train) == 38 + round(38 * share / (1 - share))
    assert {"3", "8"} & set(split.label_names) == ({"3", "8"} if share else set())
