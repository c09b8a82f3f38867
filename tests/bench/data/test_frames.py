"""Frames of polars and Arrow are read as those of pandas are: same rows, names, labels and refusals."""

import numpy as np
import pandas as pd
import pytest

import bench
from bench.data.frames import plain_frame, plain_labels
from bench.errors import DataError, UsageError

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"mass": RNG.normal(size=60), "age": RNG.integers(0, 9, 60), "on": RNG.random(60) < 0.5})
KINDS = ["red" if i % 2 else "blue" for i in range(60)]


def polars(frame):
    library = pytest.importorskip("polars")
    return library.DataFrame({name: frame[name].to_numpy() for name in frame})


def arrow(frame):
    library = pytest.importorskip("pyarrow")
    return library.table({name: frame[name].to_numpy() for name in frame})


def batch(frame):
    return arrow(frame).to_batches()[0]


@pytest.mark.parametrize("make", [polars, arrow, batch])
def test_a_frame_is_the_same_frame(make):
    found = plain_frame(make(FRAME))
    assert isinstance(found, pd.DataFrame) and list(found.columns) == list(FRAME.columns)
    np.testing.assert_array_equal(found.to_numpy(float), FRAME.to_numpy(float))


def test_what_is_no_such_frame_is_left_alone():
    for thing in (FRAME, FRAME.to_numpy(), [[1, 2]], None, "text"):
        assert plain_frame(thing) is thing and plain_labels(thing) is thing


@pytest.mark.parametrize("make", [polars, arrow])
def test_a_run_on_it_is_the_run_on_the_array(make, tmp_path, no_report):
    labels = {"polars": lambda: pytest.importorskip("polars").Series(KINDS),
              "arrow": lambda: pytest.importorskip("pyarrow").array(KINDS)}[make.__name__]()  # fmt: skip
    how = {"seeds": 1, "steps": 3, "latent_dim": 1, "batch_size": 8, "metrics": "test_mse", "quiet": True}
    one = bench.run(["ae"], data=make(FRAME), labels=labels, output=tmp_path / "a", **how)
    two = bench.run(["ae"], data=FRAME, labels=KINDS, output=tmp_path / "b", **how)
    assert one["value"].tolist() == two["value"].tolist() and one["cell_id"].tolist() == two["cell_id"].tolist()
    model = bench.load_model(one.attrs["run"], "ae")
    np.testing.assert_array_equal(model.encode(make(FRAME)), model.encode(FRAME))


@pytest.mark.parametrize("make", [polars, arrow])
def test_an_estimator_knows_its_columns(make):
    model = bench.Autoencoder("ae", latent_dim=1, steps=3, network="mlp[hidden=[4]]").fit(make(FRAME))
    assert model.feature_names_in_.tolist() == list(FRAME.columns)
    np.testing.assert_array_equal(model.transform(make(FRAME)), model.transform(FRAME))
    with pytest.raises(ValueError, match="feature names"):
        model.transform(make(FRAME[["age", "mass", "on"]]))


@pytest.mark.parametrize("make", [polars, arrow])
def test_text_and_missing_values_are_refused_by_name_as_those_of_pandas(make):
    with pytest.raises(UsageError, match="row 0, column 'kind' holds text"):
        bench.run(["ae"], data=make(FRAME.assign(kind=KINDS)))
    with pytest.raises(UsageError, match="row 3, column 'mass' is missing"):
        bench.run(["ae"], data=make(FRAME.assign(mass=FRAME["mass"].where(FRAME.index != 3))))


def test_frames_that_cannot_be_read_say_why():
    with pytest.raises(DataError, match=r"give frame.collect\(\)"):
        plain_frame(polars(FRAME).lazy())
    with pytest.raises(DataError, match="two columns of the name 'a'"):
        plain_frame(pytest.importorskip("pyarrow").table([[1, 2], [3, 4]], names=["a", "a"]))
