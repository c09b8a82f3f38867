"""Broken and hostile files: whatever bytes a reader is given, it answers with data or one line, in bounded memory."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data.check_split import check_split
from bench.errors import UsageError

#: The valid files are far below one megabyte; images become float32 and are copied a few times.
MEGABYTES = 24
CSV = "a,b,kind\n" + "".join(f"{i},{i * i % 7}.5,{'xyz'[i % 3]}\n" for i in range(40))


def _npz(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


class Cases(dict):
    """Shown without its content: Hypothesis prints the arguments of a failing test, and these are megabytes."""

    def __repr__(self):
        return f"<{len(self)} cases>"


@pytest.fixture(scope="module")
def cases(tmp_path_factory, write):
    """name of a case → (data set, arguments, the file that is broken, its valid content)."""
    root = tmp_path_factory.mktemp("fuzz")
    rng = np.random.default_rng(0)
    rows, codes = rng.normal(size=(40, 3)), np.arange(40) % 2
    np.save(root / "rows.npy", rows)
    np.save(root / "codes.npy", codes)
    (root / "rows.npz").write_bytes(_npz(x=rows, y=codes))
    (root / "rows.csv").write_text(CSV)
    write.idx_family(root / "MNIST" / "raw")
    write.idx_family(root / "KMNIST" / "raw", suffix=".gz")
    write.cifar(root / "cifar-10-batches-py")
    write.svhn(root / "packed")
    write.svhn(root / "plain", compressed=False)
    write.pictures(root / "pictures", n=3)
    images = {"root": str(root), "validation": 3}
    files = {
        "npy": ("file", {"path": str(root / "rows.npy")}, "rows.npy"),
        "npy-mapped": ("file", {"path": str(root / "rows.npy"), "memory_limit": 1}, "rows.npy"),
        "npy-labels": ("file", {"path": str(root / "rows.npy"), "label": str(root / "codes.npy")}, "codes.npy"),
        "npz": ("file", {"path": str(root / "rows.npz"), "label": "y"}, "rows.npz"),
        "csv": ("file", {"path": str(root / "rows.csv"), "label": "kind"}, "rows.csv"),
        "idx": ("mnist", images, "MNIST/raw/train-images-idx3-ubyte"),
        "idx-labels": ("mnist", images, "MNIST/raw/t10k-labels-idx1-ubyte"),
        "idx-gz": ("kmnist", images, "KMNIST/raw/train-images-idx3-ubyte.gz"),
        "cifar": ("cifar10", images, "cifar-10-batches-py/data_batch_2"),
        "svhn": ("svhn", {**images, "root": str(root / "packed")}, "packed/train_32x32.mat"),
        "svhn-plain": ("svhn", {**images, "root": str(root / "plain")}, "plain/train_32x32.mat"),
        "picture": ("image_folder", {"path": str(root / "pictures")}, "pictures/cat/01.png"),
    }
    return Cases((case, (*rest, root / file, (root / file).read_bytes())) for case, (*rest, file) in files.items())


NAMES = ["npy", "npy-mapped", "npy-labels", "npz", "csv", "idx", "idx-labels", "idx-gz", "cifar", "svhn", "svhn-plain",
         "picture"]  # fmt: skip


def read(module, bounded, case, content):
    dataset, arguments, path, valid = case
    path.write_bytes(content)
    try:
        with bounded(MEGABYTES):
            check_split(module(dataset).load(**arguments), dataset)
    finally:
        path.write_bytes(valid)


def broken(valid, spots, end, extra):
    """Valid content with bytes replaced, `end` bytes cut off, and `extra` added; places wrap around its length."""
    content = bytearray(valid)
    for place, byte in spots:
        content[place % len(content)] = byte
    return bytes(content[: len(content) - end % (len(content) + 1)]) + extra


#: Places anywhere, and more often in the header. The same strategies for every file: Hypothesis compares runs by them.
ANYWHERE = st.integers(0, 2**20)
SPOTS = st.lists(st.tuples(st.integers(0, 200) | ANYWHERE, st.integers(0, 255)), max_size=6)
ENDS = st.sampled_from([0, 0, 0, 1, 50]) | ANYWHERE
few = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize("name", NAMES)
@few
@given(content=st.binary(max_size=400))
def test_arbitrary_bytes(name, cases, module, bounded, content):
    read(module, bounded, cases[name], content)


@pytest.mark.parametrize("name", NAMES)
@few
@given(spots=SPOTS, end=ENDS, extra=st.binary(max_size=4))
def test_damaged_files(name, cases, module, bounded, spots, end, extra):
    read(module, bounded, cases[name], broken(cases[name][3], spots, end, extra))


@few
@given(text=st.text(alphabet="0123456789.,;\t\n\r\"'-+eEnaif x\0ü", max_size=200))
def test_any_text_as_csv(cases, module, bounded, text):
    read(module, bounded, cases["csv"], text.encode())


def test_the_valid_files_are_read(cases, module):
    assert list(cases) == NAMES
    for dataset, arguments, path, _ in cases.values():
        assert Path(path).is_file()
        check_split(module(dataset).load(**arguments), dataset)


def test_a_column_name_of_two_lines_is_named_on_one(cases, module):
    dataset, arguments, path, valid = cases["csv"]
    path.write_bytes(b'"a\nb",c\n1,2\n')
    try:
        with pytest.raises(UsageError, match="known: a b, c") as caught:
            module(dataset).load(**arguments)
    finally:
        path.write_bytes(valid)
    assert "\n" not in str(caught.value)
