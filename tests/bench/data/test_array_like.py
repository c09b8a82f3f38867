"""Arrays, frames, tensors and lists as numbers: accepted layouts, and messages that name row and column."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bench.data.array_like import Names, arrange, as_numbers, column_names
from bench.errors import DataError

ROWS = [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        tuple(map(tuple, ROWS)),
        np.array(ROWS),
        np.array(ROWS, dtype=object),
        np.array([["1", "2"], ["3", "4.0"]]),
        torch.tensor(ROWS, requires_grad=True),
        pd.DataFrame(ROWS, columns=["a", "b"]),
        pd.DataFrame(ROWS, dtype="Float64"),
        np.ma.masked_array(ROWS, mask=False),
        torch.tensor(ROWS, dtype=torch.bfloat16),
        torch.tensor(ROWS, dtype=torch.float8_e5m2),
        torch.tensor(ROWS).mT.contiguous().mT,
        np.array(ROWS).astype(">f4"),
        np.asfortranarray(ROWS)[::-1][::-1],
    ],
    ids=lambda data: f"{type(data).__name__}-{getattr(data, 'dtype', '')}",
)
def test_containers_of_numbers_are_read(data):
    np.testing.assert_array_equal(as_numbers(data, Names()), ROWS)


def test_arrays_of_numbers_are_not_copied():
    data = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert as_numbers(data, Names()) is data


FRAME = pd.DataFrame({"a": [1.0, 2.0], "s": ["x", "y"]})


@pytest.mark.parametrize(
    "data, message",
    [
        ([[1, 2], [3]], "row 1 has 1 values where row 0 has 2"),
        ([[1, 2], 3], "row 1 has no list where row 0 has 2"),
        ([[1, "a"], [3, 4]], r"row 0, column 1 holds text \('a'\)"),
        (np.array([["1", ""]]), "row 0, column 1 is missing"),
        (np.array([["1", "1_0"]]), r"row 0, column 1 holds text \('1_0'\)"),
        ([[1, "١"]], r"row 0, column 1 holds text \('١'\)"),
        (pd.DataFrame({"a": ["1", "１"]}), r"row 1, column 'a' holds text \('１'\)"),
        (np.array([[b"1", b"1_0"]]), "row 0, column 1 holds text"),
        (FRAME, r"row 0, column 's' holds text \('x'\)"),
        (FRAME.assign(s=[1, pd.NA]), "row 1, column 's' is missing"),
        (np.array([[1, 2j]]), "complex128"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "datetime64"),
        (np.zeros(3, dtype=[("x", "f4"), ("y", "f4")]), "fields x, y"),
        (np.ma.masked_array(ROWS, mask=[[0, 0], [0, 1]]), "row 1, column 1 is missing"),
        (scipy.sparse.eye(3).tocsr(), "toarray"),
        (np.array([[1, {}]], dtype=object), "row 0, column 1 holds dict"),
        ("text", "a str is not an array"),
        ({"a": [1, 2]}, "a dict is not an array"),
        ((row for row in ROWS), "a generator is not an array"),
        (torch.utils.data.TensorDataset(torch.tensor(ROWS)), "a TensorDataset is not an array"),
        (torch.eye(3).to_sparse(), r"sparse and quantised tensors are not read; give data.to_dense\(\)"),
        (torch.empty(2, 2, device="meta"), "a tensor without readable values"),
        ([torch.ones(2, requires_grad=True)], "requires grad"),
        (torch.tensor(ROWS) * 1j, "complex64"),
        (np.array([[1, np.complex128(1 + 2j)]], dtype=object), "row 0, column 1 holds complex128"),
        (np.array([[1, np.datetime64("2020-01-01")]], dtype=object), "row 0, column 1 holds datetime64"),
        (np.array([[1, np.timedelta64(3, "s")]], dtype=object), "row 0, column 1 holds timedelta64"),
        (FRAME[["a"]].assign(t=pd.Timestamp("2020")), r"row 0, column 't' holds Timestamp"),
        (FRAME[["a"]].assign(t=pd.Timedelta("1s")), r"row 0, column 't' holds Timedelta"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_table_of_numbers_is_named(data, message):
    with pytest.raises(DataError, match=message):
        as_numbers(data, Names(column_names(data)))


@pytest.mark.parametrize(
    "shape, arranged",
    [
        ((5, 4), (5, 4)),
        ((5, 8, 9), (5, 1, 8, 9)),
        ((5, 1, 8, 9), (5, 1, 8, 9)),
        ((5, 3, 8, 9), (5, 3, 8, 9)),
        ((5, 8, 9, 1), (5, 1, 8, 9)),
        ((5, 8, 9, 3), (5, 3, 8, 9)),
        ((5, 3, 9, 3), (5, 3, 9, 3)),
        ((5, 12, 8, 9), (5, 12, 8, 9)),
    ],
)
def test_layouts(shape, arranged):
    assert arrange(np.zeros(shape)).shape == arranged


def test_pictures_in_the_order_of_matlab_are_no_rows():
    with pytest.raises(DataError, match=r"looks like \(H, W, 3, N\).*numpy.transpose\(data, \(3, 2, 0, 1\)\)"):
        arrange(np.zeros((32, 32, 3, 100)))
    assert arrange(np.transpose(np.zeros((32, 32, 3, 100)), (3, 2, 0, 1))).shape == (100, 3, 32, 32)


def test_channels_are_moved_not_mixed():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(arrange(pixels)[:, 2], pixels[..., 2])


@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (5, 0), (5, 8, 9, 2), (5, 8, 9, 4), (2, 2, 2, 2, 2)], ids=str)
def test_other_layouts_are_refused_with_the_shape(shape):
    with pytest.raises(DataError) as caught:
        arrange(np.zeros(shape))
    assert str(shape) in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=12,
)
odd_arrays = arrays.arrays(
    st.sampled_from(["f2", "f8", "i1", "u8", "?", "S2", "U2", "c8", "M8[s]", "m8[s]"]),
    arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=3),
)


@given(anything | odd_arrays)
def test_anything_is_either_numbers_or_one_line(data):
    try:
        found = arrange(as_numbers(data, Names()))
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert found.dtype.kind in "biuf" and found.ndim in (2, 4) and found.size
