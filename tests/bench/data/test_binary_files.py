"""IDX, pickle-as-data and MATLAB readers against gzip, pickle and scipy, and with planted faults."""

import gzip
import io
import os
import pickle
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from bench.data.vision_files import read_idx, read_mat, read_pickle
from bench.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (7, 4, 5), dtype=np.uint8)


def idx(shape, content, kind=8):
    return bytes([0, 0, kind, len(shape)]) + b"".join(struct.pack(">I", axis) for axis in shape) + content


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_is_read_plain_and_gzipped(tmp_path, suffix):
    path = tmp_path / f"images{suffix}"
    content = idx(IMAGES.shape, IMAGES.tobytes())
    path.write_bytes(gzip.compress(content) if suffix else content)
    np.testing.assert_array_equal(read_idx(path, 3), IMAGES)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "starts with nothing where 00 00 08 03"),
        (b"\x1f\x8b\x08\x00" * 5, "starts with 1f 8b 08 00"),
        (idx((7,), bytes(40)), "starts with 00 00 08 01"),
        (idx((7, 4, 5), IMAGES.tobytes(), kind=13), "starts with 00 00 0d 03"),
        (idx((7, 4, 5), IMAGES.tobytes()[:-1]), "is truncated: 139 bytes follow"),
        (idx((7, 4, 5), IMAGES.tobytes() + b"x"), "goes on after"),
        (idx((2**32 - 1,) * 3, b""), "the header gives shape"),
        (idx((2**20, 28, 28), b""), "is truncated: 0 bytes follow"),
        (idx((0, 28, 28), b""), "0 bytes; expected from 1"),
    ],
    ids=str,
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_faults_are_named_within_bounds(tmp_path, content, message, suffix):
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    tracemalloc.start()
    with pytest.raises(DataError, match=message):
        read_idx(path, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_gzip_bomb_stops_at_what_the_header_promises(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx((10, 28, 28), bytes(200 << 20)), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(DataError, match="goes on after"):
        read_idx(path, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_gzip_bomb_that_keeps_its_header_s_promise_stops_early(tmp_path):
    """200 MB of zeros, as many as the header says, in less than 1 MB."""
    path = tmp_path / "bomb.gz"
    packer = zlib.compressobj(1, wbits=31)
    with path.open("wb") as stream:
        stream.write(packer.compress(idx((200 << 10, 32, 32), b"")))
        for _ in range(200):
            stream.write(packer.compress(bytes(1 << 20)))
        stream.write(packer.flush())
    tracemalloc.start()
    with pytest.raises(DataError, match="unpacks to more than 100 times its size"):
        read_idx(path, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 160 << 20


def test_the_shape_is_doubted_before_anything_is_unpacked(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx((1, 2**10, 2**19), bytes(8 << 20)), 1))
    tracemalloc.start()
    with pytest.raises(DataError, match="images of 1024×524288 pixels; expected 28×28"):
        read_idx(path, 3, (28, 28))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_damaged_gzip_file_is_named(tmp_path):
    content = bytearray(gzip.compress(idx(IMAGES.shape, IMAGES.tobytes())))
    path = tmp_path / "images.gz"
    path.write_bytes(content[:-9])
    with pytest.raises(DataError, match="corrupt gzip"):
        read_idx(path, 3)
    path.write_bytes(b"no gzip at all")
    with pytest.raises(DataError, match="corrupt gzip"):
        read_idx(path, 3)


plain = st.dictionaries(
    st.text(max_size=3) | st.binary(max_size=3),
    st.lists(st.integers(-(2**40), 2**40) | st.none() | st.booleans() | st.text(max_size=3) | st.binary(max_size=5))
    | st.integers(),
    max_size=4,
)


@given(plain, st.integers(0, 5))
def test_plain_values_come_back_from_every_protocol(value, protocol):
    if protocol < 3:  # before protocol 3 empty bytes are a call of a type, which batches do not hold
        value = {
            key: item
            for key, item in value.items()
            if b"" not in (item if isinstance(item, list) else ()) and key != b""
        }
    expected = {key.decode("latin-1") if isinstance(key, bytes) else key: item for key, item in value.items()}
    assert read_pickle(pickle.dumps(value, protocol), "f") == expected


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_bytes_come_back(protocol, order):
    pixels = np.array(IMAGES[0], order=order)
    content = pickle.dumps({b"data": pixels, b"labels": [3, 1], "more": (1, 2.5, None)}, protocol)
    batch = read_pickle(content, "f")
    np.testing.assert_array_equal(batch["data"], pixels)
    assert batch["labels"] == [3, 1] and batch["more"] == (1, 2.5, None)


def test_batches_written_by_python_2_come_back():
    """The opcodes of the official files: short strings as keys and the pixels as one string."""
    pixels = bytes(range(6))
    content = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b"
        b"\x87Rq\x05(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x06" + pixels + b"tbU\x06labelsq\x08]q\x09(K\x06K\x09eu."
    )
    reference = pickle.loads(content, encoding="bytes")
    batch = read_pickle(content, "f")
    np.testing.assert_array_equal(batch["data"], reference[b"data"])
    assert batch["labels"] == reference[b"labels"] == [6, 9]


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_in_a_pickle_is_called(tmp_path, protocol):
    trap = str(tmp_path / "executed")
    for value in (Trap(trap), {b"data": [Trap(trap)]}):
        with pytest.raises(DataError, match=r"asks for '(posix|nt) mkdir'|asks for 'os mkdir'"):
            read_pickle(pickle.dumps(value, protocol), "f")
    assert not os.path.exists(trap)


@pytest.mark.parametrize("kind", ["f8", "O", "i8", "U3"])
def test_arrays_of_other_types_are_refused(kind):
    with pytest.raises(DataError, match=r"another type than unsigned bytes|corrupt"):
        read_pickle(pickle.dumps({"data": np.ones(3).astype(kind)}, 2), "f")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"\x80\x02",
        b"}u.",
        b"h\x05.",
        b"((((",
        b"]]a",
        b"(lp0\nI1\na.x"[:-4],
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
    ],
    ids=str,
)
def test_broken_pickles_are_refused(content):
    with pytest.raises(DataError, match="truncated or corrupt"):
        read_pickle(content, "f")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}" + b")" + b"\x85" * 300_000 + b"K\x01s.",
        b"\x80\x02}(" + b"(" * 300_000 + b"t" * 300_000 + b"K\x01u.",
        b"\x80\x04" + b")" + b"\x85" * 300_000 + b"\x91.",
        b"}K\x01r\xff\xff\xff\x7fs.",
        b"p2147483647\n.",
    ],
    ids=["a key of tuples", "marks", "a frozen set", "memo", "memo as text"],
)
def test_pickles_that_nest_or_number_without_end_are_one_line_in_little_memory(content):
    """Hashing a tuple within 300,000 tuples would overflow the stack and end the process."""
    tracemalloc.start()
    with pytest.raises(DataError, match=r"tuples within tuples|more memory than it fills|corrupt"):
        read_pickle(content, "f")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20


def test_lists_within_lists_are_no_harm():
    assert read_pickle(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", "f") is not None


@pytest.mark.parametrize(
    "content",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"(S'1'\nios\nsystem\n.",
        b"\x80\x02cnumpy\nndarray\n)\x81.",
        b"\x80\x02c_codecs\nencode\n}X\x01\x00\x00\x00aK\x01sb.",
        b"\x80\x02\x82\x01.",
        b"Pname\n.",
        b"cnumpy\nndarray\n(I1000000000000\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1000000000000\ntS'b'\ntR.",
    ],
    ids=str,
)
def test_nothing_but_stand_ins_is_made(content):
    from bench.data import vision_files

    before = dict(vars(vision_files._Encoded))
    tracemalloc.start()
    try:
        found = read_pickle(content, "f")
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(found, vision_files._Array) and found.values is None
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert dict(vars(vision_files._Encoded)) == before


MAT = {"X": RNG.integers(0, 256, (4, 4, 3, 5), dtype=np.uint8), "y": np.arange(1.0, 6)[:, None]}


def mat(arrays, **settings):
    stream = io.BytesIO()
    scipy.io.savemat(stream, arrays, **settings)
    return stream.getvalue()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", ["u1", "i2", "f4", "f8", "i4"])
def test_mat_files_are_read_as_scipy_reads_them(tmp_path, packed, kind):
    path = tmp_path / "a.mat"
    others = {"note": "text", "cells": np.array(["a", 1], dtype=object), "z": np.array([1j])}
    path.write_bytes(mat({**others, "X": MAT["X"].astype(kind), "y": MAT["y"]}, do_compression=packed))
    found, reference = read_mat(path, ("X", "y")), scipy.io.loadmat(path)
    for name in ("X", "y"):
        np.testing.assert_array_equal(found[name], reference[name])


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "not a MATLAB 5 file"),
        (bytes(400), "not a MATLAB 5 file"),
        (mat(MAT)[:-20], "truncated or corrupt"),
        (mat(MAT)[:133], "truncated or corrupt"),
        (mat(MAT)[:128], "holds no numeric array 'X'"),
        (mat({"X": MAT["X"]}), "holds no numeric array 'y'"),
        (mat({"X": MAT["X"], "y": "text"}), "holds no numeric array 'y'"),
        (mat({"X": MAT["X"], "y": np.array([1j])}), "holds no numeric array 'y'"),
        (mat(MAT).replace(struct.pack("<4i", 4, 4, 3, 5), struct.pack("<4i", 4, 4, 3, 6)), "but 240 values"),
        (mat(MAT).replace(struct.pack("<4i", 4, 4, 3, 5), struct.pack("<4i", 4, -4, 3, -5)), "corrupt"),
    ],
    ids=range(10),
)
def test_mat_faults_are_named(tmp_path, content, message):
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_mat(path, ("X", "y"))


def test_a_mat_bomb_is_refused_within_bounds(tmp_path):
    path = tmp_path / "a.mat"
    packed = zlib.compress(struct.pack("<II", 14, 200 << 20) + bytes(200 << 20), 1)
    path.write_bytes(mat({})[:128] + struct.pack("<II", 15, len(packed)) + packed)
    tracemalloc.start()
    with pytest.raises(DataError, match="decompresses to more than 1048576"):
        read_mat(path, ("X",), limit=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
