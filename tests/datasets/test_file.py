"""One's own files: what each format accepts, and messages that name file, line, column, key."""

import csv
import os
import pickle
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import load_iris

from bench.contracts.dataset import PARTS
from bench.contracts.rows import LazyRows
from bench.errors import DataError, UsageError
from bench.spec.call import format_call, parse_call
from bench.spec.registry import Registry
from bench.spec.values import read_calls

RNG = np.random.default_rng(0)
ROWS = RNG.normal(5, 2, (60, 3))
CODES = np.arange(60) % 3
LINES = [f"{a!r},{b!r},{'xyz'[code]},{c!r}" for (a, b, c), code in zip(ROWS.tolist(), CODES, strict=True)]
CSV = "\n".join(["height,weight,kind,age", *LINES]) + "\n"


@pytest.fixture
def load(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return module("file").load


@pytest.fixture
def read(load, tmp_path):
    """Write `content` as a file called `name` and load it."""

    def read(content, name="rows.csv", **parameters):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(path=name, **parameters)

    return read


def all_rows(split):
    return np.concatenate([getattr(split, part)[:] for part in PARTS])


def same_rows(first, second):
    return sorted(map(tuple, np.float32(first).tolist())) == sorted(map(tuple, np.float32(second).tolist()))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte order mark"])
def test_csv_dialects(read, delimiter, end, mark):
    split = read(mark + CSV.replace(",", delimiter).replace("\n", end), label="kind", scale="none")
    assert same_rows(all_rows(split), ROWS)
    assert split.label_names == ("x", "y", "z")


def test_a_byte_order_mark_is_no_part_of_the_first_name(read):
    content = "\ufeffkind,a\n" + "".join(f"{'xy'[i % 2]},{i}\n" for i in range(20))
    assert read(content, label="kind").label_names == ("x", "y")


def test_csv_labels_belong_to_their_rows(read):
    split = read(CSV, label="kind", scale="none")
    of = {tuple(np.float32(row).tolist()): code for row, code in zip(ROWS, CODES, strict=True)}
    for part in PARTS:
        for row, code in zip(getattr(split, part).tolist(), getattr(split, f"{part}_labels"), strict=True):
            assert of[tuple(row)] == code


def test_all_formats_give_the_same_data(read, load, tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    np.save(tmp_path / "codes.npy", CODES)
    np.savez(tmp_path / "rows.npz", x=ROWS, y=CODES)
    numbers = read(CSV.replace("x", "0").replace("y", "1").replace("z", "2"), label="kind")
    assert numbers.checksum() == load("rows.npy", label="codes.npy").checksum()
    assert numbers.checksum() == load("rows.npz", label="y").checksum()
    mapped = load("rows.npy", label="codes.npy", memory_limit=100.0)
    assert isinstance(mapped.train, LazyRows) and mapped.checksum() == numbers.checksum()


def test_first_line_of_numbers_is_data_unless_it_counts(read):
    body = "".join(f"{a},{b}\n" for a, b in ROWS[:, :2].tolist())
    assert len(all_rows(read("7.5,3\n" + body))) == 61
    assert len(all_rows(read("0,1\n" + body))) == 60
    assert len(all_rows(read("1,2\n" + body))) == 60
    assert len(all_rows(read("7.5\n" + "1\n2\n" * 20))) == 41


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n", "no rows"),
        ("a,b\n1,2\n3\n", "line 3: 1 values where line 1 has 2"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: 3 values where line 1 has 2"),
        ("a,b\n1,\n", r"line 2, column 2 \('b'\): the value is missing"),
        ("a,b\n1,2\nNA,4\n", r"line 3, column 1 \('a'\): the value is missing \('NA'\)"),
        ("a,b\n1,2\n3,red\n", r"line 3, column 2 \('b'\): 'red' is not a number"),
        ('a,b\n"1\n",2\n3,red\n', "line 4, column 2"),
        ("a;b\n1;2\n3;4,5\n", "line 3, column 2 .*decimal comma"),
        ("a,b\n" + "1,2\n" * 9 + "\n3,nan\n", r"line 12, column 'b' is missing \(NaN\)"),
        ("a,b\n" + "1,2\n" * 9 + "3,inf\n", "line 11, column 'b' is infinite"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ("a,\n0,2\n", "column 2 has no name"),
        ('a,b\n"1,2\n', "line 2: not readable as CSV"),
        (b"a,b\n1,2\n\xe9,4\n", "line 3: not UTF-8"),
        (CSV.encode("utf-16"), "is text in UTF-16; save it with UTF-8"),
        ("a,b\n" + "1,2\n" * 30, "nothing to learn"),
        ("a,b\n1,2\n3,4\n", "too few rows"),
    ],
)
def test_csv_faults_are_placed(read, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read(content, strict="missing" in message)
    assert "'rows.csv'" in str(caught.value) or "too few" in str(caught.value)


def test_unknown_label_columns_are_answered_with_the_nearest(read):
    with pytest.raises(UsageError, match="'knid'; did you mean kind"):
        read(CSV, label="knid")
    with pytest.raises(DataError, match="no columns beside the labels"):
        read("a\n1\n2\n", label="a")
    for missing in ("", " ", '""'):
        with pytest.raises(DataError, match="labels: the label of line 3 is missing"):
            read(f"a,k\n1,u\n2,{missing}\n3,u\n", label="k")
    with pytest.raises(DataError, match=r"label of line 3 is 'nan', which stands for a missing value.*another name"):
        read("a,k\n1,u\n2,nan\n3,u\n", label="k")


def test_spaces_around_a_label_are_no_class_of_their_own(read):
    content = "a,k\n" + "".join(f"{i},{' a' if i % 2 else 'a'}\n{i + 0.5},b \n" for i in range(20))
    assert read(content, label="k").label_names == ("a", "b")


def test_how_a_file_was_read_stands_in_the_description(read):
    content = ",a,b\n" + "".join(f"{i},{a},{b}\n" for i, (a, b, _) in enumerate(ROWS.tolist()))
    split = read(content)
    assert split.data_shape == (2,) and "column 1 (without a name) read as row names and left out" in split.description
    split = read(content.replace(",a", "id,a", 1))
    assert split.data_shape == (3,) and "WARNING: counts the rows" in split.description
    assert "column 'id'" in split.description


def test_constant_columns_of_a_file_are_named(read):
    content = CSV.replace("kind,", "").replace("x,", "4,").replace("y,", "4,").replace("z,", "4,")
    header = "height,weight,always4,age"
    split = read("\n".join([header, *content.splitlines()[1:]]))
    assert "column 'always4'" in split.description
    assert (split.test[:, 2] == 0).all()


def test_csv_beyond_the_memory_limit_is_refused_before_it_is_read(read):
    with pytest.raises(DataError, match=r"memory_limit=100 bytes; save it as \.npy"):
        read(CSV, label="kind", memory_limit=100)
    with pytest.raises(DataError, match="values take more than memory_limit"):
        read("1,2,3,4,5,6\n" * 20, memory_limit=300)


def test_npz_lists_its_arrays(load, tmp_path):
    np.savez(tmp_path / "many.npz", train=ROWS, other=ROWS[:7], codes=CODES)
    with pytest.raises(UsageError, match=r"'train': \(60, 3\) float64, 'other': \(7, 3\) float64.*key="):
        load("many.npz")
    assert len(all_rows(load("many.npz", key="train"))) == 60
    with pytest.raises(UsageError, match="'trian'; did you mean train"):
        load("many.npz", key="trian")
    with pytest.raises(DataError, match="60 labels for 7 rows"):
        load("many.npz", key="other", label="codes")


def test_npz_finds_the_only_candidate(load, tmp_path):
    np.savez(tmp_path / "one.npz", ROWS)
    np.savez(tmp_path / "two.npz", x=ROWS, y=CODES, names=np.array(["a", "b"]))
    assert load("one.npz").checksum() == load("two.npz").checksum()


def test_python_objects_are_never_unpickled(load, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    trap = np.array([[Trap()]], dtype=object)
    np.save(tmp_path / "trap.npy", trap)
    np.savez(tmp_path / "trap.npz", x=trap)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Trap()))
    for name in ("trap.npy", "trap.npz", "pickle.npy"):
        with pytest.raises(DataError, match=r"never unpickled|no readable \.npy header"):
            load(name)
    assert not (tmp_path / "executed").exists()


def test_labels_that_are_objects_are_told_how_to_be_saved(load, tmp_path):
    np.savez(tmp_path / "labelled.npz", x=ROWS, y=np.array(["a"] * 60, dtype=object))
    with pytest.raises(DataError, match=r"array 'y': holds Python objects.*text with \.astype\(str\)"):
        load("labelled.npz", key="x", label="y")


def test_a_sparse_matrix_is_told_how_to_be_saved(load, tmp_path):
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.coo_matrix, scipy.sparse.dia_matrix):
        scipy.sparse.save_npz(tmp_path / "sparse.npz", kind(ROWS))
        with pytest.raises(DataError, match=r"'sparse.npz' holds a sparse matrix; save scipy.*toarray\(\)"):
            load("sparse.npz", key="data")


def test_an_archive_under_the_name_of_an_array_is_said(load, tmp_path):
    np.savez(tmp_path / "a.npz", x=ROWS)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"'a.npy' is a zip archive, as \.npz and \.xlsx files are"):
        load("a.npy")


def test_an_object_array_beside_the_data_does_not_matter(load, tmp_path):
    np.savez(tmp_path / "meta.npz", x=ROWS, meta=np.array([{"author": 1}], dtype=object))
    assert len(all_rows(load("meta.npz", key="x"))) == 60


def header(shape, descr="<f8"):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "content, message",
    [
        (header((10**12, 10**6)), "is truncated: its header promises"),
        (header((2**64, 2**64)), "is truncated"),
        (header((10**18, 10), "<U0"), "not real numbers"),
        (header((-5, 3)), "impossible shape"),
        (header((True, 3)) + bytes(24), "impossible shape"),
        (header((True,)) + bytes(8), "impossible shape"),
        (header((1,) * 60), "impossible shape"),
        (header((0, 3)), "holds no values"),
        (header((2, 2)) + bytes(31), "is truncated.*32 bytes, it holds 31"),
        (header((2, 2)) + bytes(33), "bytes left over"),
        (header((2, 2), "<c16") + bytes(64), "complex128"),
        (header((2, 2), [("a", "<f8")]) + bytes(32), "not real numbers"),
        (header((2, 2), "<U3") + bytes(48), "is missing"),
        (header((2,)) + bytes(16), "has 1 axes"),
        (b"", "no readable .npy header"),
        (b"\x93NUMPY\x03\x00" + header((2, 2))[8:], "version 3.0"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "no readable .npy header"),
    ],
    ids=str,
)
def test_absurd_npy_headers_are_refused_within_bounds(read, bounded, content, message):
    with bounded(4), pytest.raises(DataError, match=message):
        read(content, "rows.npy")


def test_npz_bombs_are_refused_within_bounds(load, tmp_path, bounded):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((10**7, 5)) + bytes(8 * 5 * 10**7))
    assert (tmp_path / "bomb.npz").stat().st_size < 10**6
    with bounded(8), pytest.raises(DataError, match="takes 400000000 bytes, more than memory_limit=1000000"):
        load("bomb.npz", memory_limit=10**6)


def test_an_npz_bomb_within_the_memory_limit_is_refused_before_it_is_unpacked(load, tmp_path, bounded):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w") as stream:
            stream.write(header((25 * 10**5, 10)))
            for _ in range(20):
                stream.write(bytes(10**7))
    with bounded(8), pytest.raises(DataError, match=r"unpacks to 200000.* bytes, more than 500 times what it takes"):
        load("bomb.npz")


def test_npz_with_a_lying_header_is_refused(load, tmp_path, bounded):
    with zipfile.ZipFile(tmp_path / "lie.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((20, 5)) + bytes(8 * 99))
    with bounded(4), pytest.raises(DataError, match="does not fit its"):
        load("lie.npz", key="x")


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.pkl", "rows"])
def test_other_types_of_file_are_refused(read, name):
    with pytest.raises(UsageError, match=r"give \.npy, \.npz, \.csv or \.parquet"):
        read(b"content", name)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"path": "absent.npy"}, r"path='absent.npy' does not exist \(looked in "),
        ({"path": "."}, r"is a folder; give a file, or read a folder of pictures with image-folder\[path"),
        ({"path": ""}, "is not a path"),
        ({"path": 5}, "is not a path"),
        ({"path": "a\0b"}, "is not a path"),
        ({"path": "rows.npy", "key": "x"}, r"key='x' is for \.npz files"),
        ({"path": "rows.npy", "label": "absent.npy"}, "label='absent.npy' does not exist"),
        ({"path": "rows.npy", "memory_limit": 0}, "memory_limit=0"),
        ({"path": "rows.npy", "memory_limit": 0.5}, "memory_limit=0.5"),
        ({"path": "rows.npy", "scale": "units"}, "unknown scale 'units'; did you mean unit"),
        ({"path": "rows.npy", "test": 0}, "test=0"),
        ({"path": "x" * 5000}, "cannot be read"),
    ],
)
def test_senseless_parameters_are_refused(load, tmp_path, parameters, message):
    np.save(tmp_path / "rows.npy", ROWS)
    with pytest.raises(UsageError, match=message):
        load(**parameters)


def test_images_in_a_file_keep_their_shape(load, tmp_path):
    np.save(tmp_path / "pictures.npy", RNG.integers(0, 256, (30, 9, 8, 3), dtype=np.uint8))
    split = load("pictures.npy")
    assert split.data_shape == (3, 9, 8) and split.scale == 255.0
    assert "bernoulli" in split.likelihoods


@pytest.mark.parametrize("name", ["True", "1.0", "1e3", "0.10", "none"])
def test_a_column_is_found_by_its_name_as_typed_and_as_advised(load, tmp_path, name):
    registry = Registry.discover()
    lines = [f"{name},a,b", *(f"{'xy'[i % 2]},{a!r},{b!r}" for i, (a, b, _) in enumerate(ROWS.tolist()))]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="make it the label") as caught:
        load("rows.csv", strict=True)
    advised = re.search(r"\((label=.*)\)$", str(caught.value))[1]
    for words in {advised, f"label={name}"} - {"label=none"}:
        params = registry.resolve("dataset", parse_call(f"file[path=rows.csv,{words}]")).params
        assert load(**params).label_names == ("x", "y")


def r_csv(frame):
    """As R's write.csv writes it: row names from 1 in a column without a name, text in quotes."""
    frame = frame.set_axis([str(row + 1) for row in range(len(frame))])
    return frame.to_csv(quoting=csv.QUOTE_NONNUMERIC)


@pytest.mark.parametrize("write", [r_csv, pd.DataFrame.to_csv], ids=["R", "pandas"])
def test_iris_as_people_write_it_is_four_numbers_and_three_kinds(read, write):
    frame = load_iris(as_frame=True).frame.replace({"target": dict(enumerate(["setosa", "versicolor", "virginica"]))})
    split = read(write(frame), scale="none")
    kinds = [(frame["target"] == name).to_numpy() for name in ("setosa", "versicolor", "virginica")]
    assert same_rows(all_rows(split), np.column_stack([frame.drop(columns="target"), *kinds]))
    for words in ("column 1 (without a name) read as row names", "'target' (3 kinds: setosa, versicolor, virginica)"):
        assert words in split.description
    scaled = read(write(frame))
    assert scaled.train[:, :4].std(0) == pytest.approx(1, abs=1e-6) and set(scaled.train[:, 4:].ravel()) == {0, 1}


def test_a_table_of_kinds_alone_stays_0_and_1(read):
    content = "a,b\n" + "".join(f"{'xy'[i % 2]},{'uvw'[i % 3]}\n" for i in range(60))
    split = read(content)
    assert set(all_rows(split).ravel()) == {0, 1} and "bernoulli" in split.likelihoods


@pytest.mark.parametrize("text", ["weight,age", "\"weight\",'age'", ["weight", "age"], " weight , age"])
def test_columns_are_named_in_text_or_lists(read, text):
    assert same_rows(all_rows(read(CSV, columns=text, scale="none")), ROWS[:, 1:])
    split = read(CSV, drop=text, scale="none", label="kind")
    assert same_rows(all_rows(split), ROWS[:, :1]) and "left out as asked: 'weight', 'age'" in split.description
    calls = [
        Registry.discover().resolve("dataset", call) for call in read_calls("dataset", "file[path=a,drop=[[a,b]]]")
    ]
    assert [call.params["drop"] for call in calls] == [["a", "b"]]


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"drop": "wieght"}, "unknown column 'wieght'; did you mean weight"),
        ({"columns": "kind", "label": "kind"}, "unknown column 'kind'"),
        ({"categories": "agee"}, "unknown column 'agee'; did you mean age"),
        ({"columns": "age", "drop": "age"}, "no columns"),
        ({"missing": "mode"}, "unknown missing 'mode'"),
        ({"header": "maybe"}, "unknown header 'maybe'"),
        ({"strict": True, "categories": "age"}, "leave out strict, or categories and missing"),
        ({"strict": True}, r"column 3 \('kind'\): 'x' is not a number"),
    ],
)
def test_senseless_choices_of_columns_are_refused(read, parameters, message):
    with pytest.raises(UsageError, match=message):
        read(CSV, **parameters)


def test_choices_for_csv_files_are_refused_for_arrays(load, tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    with pytest.raises(UsageError, match="header and strict are for CSV files; not for"):
        load("rows.npy", missing="drop")


def test_a_first_line_of_numbers_that_may_be_names_is_asked_about(read):
    body = "".join(f"{a},{b},{c}\n" for a, b, c in RNG.integers(0, 3000, (40, 3)))
    content = "1960,1970,1980\n" + body
    with pytest.raises(UsageError, match=r"line 1 .*\(1960, 1970, 1980\), which may name .*header=yes.*header=no"):
        read(content)
    assert len(all_rows(read(content, header="yes"))) == 40
    assert len(all_rows(read(content, header="no"))) == 41
    assert len(all_rows(read(content.replace(",", ";"), header="no", drop="column2"))) == 41
    years = "1960,1970\n" + "".join(f"{'xy'[i % 2]},{i * i}\n" for i in range(40))
    assert "'1960' (2 kinds: x, y)" in read(years).description
    with pytest.raises(UsageError, match="header=yes"):
        read(content.replace("1960", "1960", 1) + "NA,5,6\n")


def test_cells_of_files_keep_the_ids_that_they_had_before_tables_of_text_were_read():
    resolved = Registry.discover().resolve("dataset", parse_call("file[path=a.csv,missing=median]"))
    assert format_call(resolved) == (
        "file[path=a.csv,label=none,key=none,scale=auto,validation=0.16,test=0.2,split_seed=0,memory_limit=2000000000]"
    )
