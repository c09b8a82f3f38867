"""Broken and hostile files: whatever bytes a reader is given, it answers with data or one line, in bounded memory."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.data.check_split import check_split
from bench.data.csv_file import Wanted, read_csv
from bench.data.vision_files import read_pickle
from bench.errors import DataError, UsageError

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
    (root / "quoted.csv").write_text('"","a","b"\n' + "".join(f'"r{i}","{i}",{i * i % 7}.5\n' for i in range(40)))
    (root / "marked.csv").write_text("sep=;\n# by hand\na;b;\n" + "".join(f"{i};{i * i % 7}.5;\n" for i in range(40)))
    (root / "deep").mkdir()
    for place, values in enumerate(rng.integers(0, 4096, (5, 12, 14))):
        kind = (np.uint16, np.int32)[place % 2]
        Image.fromarray(values.astype(kind)).save(root / "deep" / f"{place}.{('png', 'tif')[place % 2]}")
    Image.fromarray(rng.random((12, 14), dtype=np.float32)).save(root / "deep" / "floats.tif")
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
        "csv-quoted": ("file", {"path": str(root / "quoted.csv")}, "quoted.csv"),
        "csv-marked": ("file", {"path": str(root / "marked.csv")}, "marked.csv"),
        "idx": ("mnist", images, "MNIST/raw/train-images-idx3-ubyte"),
        "idx-labels": ("mnist", images, "MNIST/raw/t10k-labels-idx1-ubyte"),
        "idx-gz": ("kmnist", images, "KMNIST/raw/train-images-idx3-ubyte.gz"),
        "cifar": ("cifar10", images, "cifar-10-batches-py/data_batch_2"),
        "svhn": ("svhn", {**images, "root": str(root / "packed")}, "packed/train_32x32.mat"),
        "svhn-plain": ("svhn", {**images, "root": str(root / "plain")}, "plain/train_32x32.mat"),
        "picture": ("image_folder", {"path": str(root / "pictures")}, "pictures/cat/01.png"),
        "picture-16": ("image_folder", {"path": str(root / "deep")}, "deep/0.png"),
        "picture-32": ("image_folder", {"path": str(root / "deep")}, "deep/1.tif"),
        "picture-floats": ("image_folder", {"path": str(root / "deep")}, "deep/floats.tif"),
    }
    return Cases((case, (*rest, root / file, (root / file).read_bytes())) for case, (*rest, file) in files.items())


NAMES = ["npy", "npy-mapped", "npy-labels", "npz", "csv", "csv-quoted", "csv-marked", "idx", "idx-labels", "idx-gz",
         "cifar", "svhn", "svhn-plain", "picture", "picture-16", "picture-32", "picture-floats"]  # fmt: skip


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
@given(text=st.text(alphabet="0123456789.,;|\t\n\r\"'-+eEnaif x\0ü_#١\ufeff", max_size=200))
def test_any_text_as_csv(cases, module, bounded, text):
    read(module, bounded, cases["csv"], text.encode())


#: Lines that a table may begin with, and what may stand in it.
LINES = st.sampled_from(["sep=;", "sep=", "# x", "#", "", " ", "a,b", ",a,b", "a,b,", "1,2", "1,5;2", '"a"', "a;b|c"])
CELLS = st.sampled_from(["1", "2.5", "", " ", "x", "1,5", '"1,037"', '"', '""', "nan", "1_0", "1e400", "-0"])


@few
@given(
    head=st.lists(LINES, max_size=3),
    rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=6),
    mark=st.sampled_from(",;\t|"),
    label=st.sampled_from([None, "a", "1", "column1"]),
)
def test_any_table_of_odd_lines_is_read_or_refused_in_one(tmp_path_factory, bounded, head, rows, mark, label):
    path = tmp_path_factory.getbasetemp() / "odd.csv"
    path.write_text("\n".join([*head, *map(mark.join, rows)]))
    with bounded(8):
        table = read_csv(path, Wanted(label, 10**6))
        assert table.values.shape == (len(table.values), len(table.columns)) and len(table.values)
        assert label is None or len(table.labels) == len(table.values)
        places = [table.line(row) for row in range(len(table.values))]
        assert places == sorted(set(places)) and places[0] >= 1


#: Operations of pickles with arguments that are whole, so that most programs made of them run.
OPERATIONS = st.sampled_from(
    [b"(", b")", b"]", b"}", b"N", b"0", b"1", b"2", b"a", b"b", b"d", b"e", b"l", b"s", b"t", b"u", b"R", b"\x81",
     b"\x85", b"\x86", b"\x87", b"\x8f", b"\x90", b"\x91", b"\x93", b"\x94", b"K\x01", b"M\xff\xff", b"X\1\0\0\0a",
     b"U\2u1", b"q\1", b"h\1", b"r\2\0\0\0", b"j\2\0\0\0", b"p3\n", b"g3\n", b"cnumpy\ndtype\n", b"cnumpy\nndarray\n",
     b"cnumpy.core.multiarray\n_reconstruct\n", b"c_codecs\nencode\n", b"cos\nsystem\n", b"Q", b"Px\n",
     b"\x82\1", b"\x95\1\0\0\0\0\0\0\0", b"C\3abc", b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(OPERATIONS, max_size=25))
def test_any_program_of_pickle_operations(bounded, operations):
    with bounded(8):
        read_pickle(b"".join(operations) + b".", "f")


def test_no_program_reaches_beyond_the_stand_ins(tmp_path):
    mark = tmp_path / "made"
    for module in ("os", "posix", "numpy", "numpy.core.multiarray", "_codecs", "bench.data.vision_files", "builtins"):
        for name in ("mkdir", "eval", "load", "fromfile", "_STAND_INS", "_Unpickler", "open", "lookup"):
            program = f"c{module}\n{name}\n(V{mark}\ntR.".encode()
            with pytest.raises(DataError, match="asks for"):
                read_pickle(program, "f")
    assert not os.path.exists(mark)
    assert read_pickle(pickle.dumps({"labels": [1]}), "f") == {"labels": [1]}


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
