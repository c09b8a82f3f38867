"""Labels of any type as codes: names, order, and what is refused."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.labels import encode_labels, require_one_index
from bench.data.split_arrays import split_arrays
from bench.errors import DataError


@given(st.lists(st.integers(-3, 3) | st.sampled_from(["a", "b", " "[:0] + "ü"]), min_size=1, max_size=19))
def test_codes_give_the_labels_back(labels):
    codes, names = encode_labels(labels, len(labels))
    assert codes.dtype == np.int64
    assert [names[code] for code in codes] == [str(label) for label in labels]
    assert len(set(names)) == len(names) == codes.max() + 1


@pytest.mark.parametrize(
    "labels, names",
    [
        ([10, 9, 2], ("2", "9", "10")),
        (["10", "9", "2"], ("2", "9", "10")),
        (["b", "a", "c"], ("a", "b", "c")),
        (np.array([1.0, 0.0, 2.0]), ("0", "1", "2")),
        (np.array([[1], [0], [2]]), ("0", "1", "2")),
        ([True, False, True], ("False", "True")),
        ([0.5, 1.5, 0.5], ("0.5", "1.5")),
        (pd.Series(["y", "x", "y"]), ("x", "y")),
        (pd.Series(["y", "x", "y"], dtype="category"), ("x", "y")),
        (np.array([b"p", b"q", b"q"]), ("p", "q")),
    ],
)
def test_classes_are_sorted(labels, names):
    codes, found = encode_labels(labels, 3)
    assert found == names
    assert sorted(set(codes)) == list(range(len(names)))


@pytest.mark.parametrize("missing", [None, float("nan"), "", "  ", pd.NA])
def test_a_missing_label_is_named(missing):
    with pytest.raises(DataError, match="label of row 1 is missing"):
        encode_labels(["a", missing, "b"], 3)


@pytest.mark.parametrize("text", ["nan", "NaN", "NA", "<NA>", " NULL ", np.str_("nan"), b"nan"])
def test_a_text_that_stands_for_a_missing_label_is_no_class(text):
    with pytest.raises(DataError, match=r"label of row 1 is '.*', which stands for a missing value.*another name"):
        encode_labels(["a", text, "b"], 3)


def test_words_that_may_name_a_class_are_classes():
    assert encode_labels(["none", "-", "?", "Na"], 4)[1] == ("-", "?", "Na", "none")


def test_spaces_around_labels_do_not_count():
    codes, names = encode_labels([" a", "a", "a\t", b"a ", "b c"], 5)
    assert names == ("a", "b c") and codes.tolist() == [0, 0, 0, 0, 1]


def test_labels_that_look_the_same_are_one_class():
    codes, names = encode_labels(["caf\u00e9", "cafe\u0301", "\u200bcaf\u00e9", "\ufeffcaf\u00e9\u00a0"], 4)
    assert names == ("caf\u00e9",) and codes.tolist() == [0, 0, 0, 0]


def test_a_collection_without_order_is_no_column_of_labels():
    for labels in ({"a": 0, "b": 1}, {"a", "b"}, pd.Series([0, 1]).to_dict()):
        with pytest.raises(DataError, match=r"labels: a (dict|set) where one label per row is expected"):
            encode_labels(labels, 2)


FRAME = pd.DataFrame({"x": range(4)}, index=[3, 1, 2, 0])


def test_labels_of_another_index_are_refused():
    """In pandas a row's label is the one of its index: by position 3 of these 4 rows would get another one's."""
    for index in ([0, 1, 2, 3], [10, 11, 12, 13], list("abcd")):
        labels = pd.Series(list("pqrs"), index=index)
        with pytest.raises(DataError, match=rf"row 0 has index 3 in the data and {index[0]} in the labels.*to_numpy"):
            require_one_index(FRAME, labels)
        with pytest.raises(DataError, match="row 0 has index 3"):
            split_arrays(FRAME, labels)


def test_labels_of_the_same_index_or_without_one_are_fine():
    same = pd.Series(list("pqrs"), index=[3, 1, 2, 0])
    for labels in (same, same.to_frame(), same.to_numpy(), list(same), same.astype("category").array):
        require_one_index(FRAME, labels)
    require_one_index(FRAME.to_numpy(), same)
    require_one_index(FRAME.reset_index(drop=True), pd.Series(list("pqrs")))


def test_numbers_in_other_spellings_are_sorted_as_text():
    assert encode_labels(["1_0", "9", "\u0661"], 3)[1] == ("9", "1_0", "\u0661")


def test_other_lengths_and_shapes_are_refused():
    with pytest.raises(DataError, match="2 labels for 3 rows"):
        encode_labels([1, 2], 3)
    with pytest.raises(DataError, match=r"shape \(3, 2\)"):
        encode_labels(np.zeros((3, 2)), 3)
    with pytest.raises(DataError, match="one label per row"):
        encode_labels(5, 3)


def test_an_identifier_is_no_label():
    with pytest.raises(DataError, match="30 different values in 30 rows"):
        encode_labels(np.arange(30) / 7, 30)


def test_other_objects_are_named_by_type():
    with pytest.raises(DataError, match="row 0 is a date"):
        encode_labels([datetime.date(2020, 1, 1), 2], 2)
