"""Statistics in blocks against numpy over everything at once, and the choice of scaling."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bench.contracts import rows
from bench.contracts.rows import rescale, restore
from bench.data import scaling
from bench.data.array_like import Names
from bench.data.scaling import fit_scaling, summarise, within_unit
from bench.errors import DataError, UsageError

NAMES = Names(what="data")
RNG = np.random.default_rng(0)


def fit(array, scale="auto", train=None):
    train = np.arange(len(array)) if train is None else train
    return fit_scaling(summarise(array, train, NAMES), scale, array.dtype, NAMES)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(rows, "BLOCK_BYTES", 7 * 8 * 3)


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_moments_match_numpy_over_many_blocks(small_blocks, offset):
    array = offset + RNG.normal(size=(101, 3)) * [1, 5, 0.1]
    train = RNG.permutation(101)[:60]
    summary = summarise(array, train, NAMES)
    np.testing.assert_allclose(summary.mean, array[train].mean(0), rtol=1e-13)
    np.testing.assert_allclose(summary.variance, array[train].var(0), rtol=1e-5 if offset else 1e-12)
    np.testing.assert_array_equal(summary.train_low, array[train].min(0))
    np.testing.assert_array_equal(summary.high, array.max(0))


def test_blocks_without_training_rows_do_not_count(small_blocks):
    array = RNG.normal(size=(50, 3))
    summary = summarise(array, np.arange(20, 25), NAMES)
    np.testing.assert_allclose(summary.mean, array[20:25].mean(0))


def test_only_training_rows_decide():
    array = RNG.normal(size=(50, 3))
    train = np.arange(40)
    fitted = fit(array, "standard", train)
    array[40:] *= 1000
    again = fit(array, "standard", train)
    np.testing.assert_array_equal(fitted.shift, again.shift)
    np.testing.assert_array_equal(fitted.scale, again.scale)


def test_standardised_columns_have_mean_0_and_variance_1():
    array = RNG.normal(3.0, [1, 10, 0.01], size=(500, 3))
    fitted = fit(array)
    scaled = rescale(array, fitted.shift, fitted.scale)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(0), 1, rtol=1e-6)


def test_unit_columns_span_the_unit_interval():
    array = RNG.normal(3.0, [1, 10, 0.01], size=(500, 3))
    fitted = fit(array, "unit")
    scaled = rescale(array, fitted.shift, fitted.scale)
    np.testing.assert_allclose(scaled.min(0), 0, atol=1e-7)
    np.testing.assert_allclose(scaled.max(0), 1, atol=1e-6)


PIXELS = RNG.integers(0, 256, (30, 1, 8, 8))
SHARES = RNG.random((30, 8))


@pytest.mark.parametrize(
    "array, words",
    [
        (PIXELS.astype(np.uint8), "divided by 255"),
        (PIXELS.astype(np.float64), "divided by 255"),
        (PIXELS.reshape(30, 64), "divided by 255"),
        (PIXELS.reshape(30, 64)[:, :63].astype(np.uint8), "divided by 255"),
        (PIXELS.reshape(30, 64)[:, :63], "standardised"),
        (PIXELS.reshape(30, 64) + 0.5, "standardised"),
        (PIXELS.reshape(30, 64) // 4, "standardised"),
        (PIXELS / 255, "as given"),
        (PIXELS.reshape(30, 64) / 255, "as given"),
        (PIXELS % 2, "as given"),
        (PIXELS % 2 == 0, "as given"),
        (PIXELS - 300, "mapped to [0, 1]"),
        (PIXELS / 2e4, "mapped to [0, 1]"),
        (SHARES, "as given"),
        (SHARES * 1e-3, "standardised"),
        (SHARES * 1e-8, "standardised"),
        (SHARES * 1e-30, "standardised"),
        (SHARES * [1, 1, 1, 1, 1e-4, 1e-4, 1e-4, 1e-4], "standardised"),
        (SHARES * [1, 1, 1, 1, 1, 1, 1, 1e-4], "standardised"),
        (SHARES * 1e-3 + 0.5, "standardised"),
        (np.tile(SHARES, 10), "as given"),
        (np.tile(SHARES, 10) * np.repeat([1, 1e-4], 40), "standardised"),
        (np.tile(SHARES, 10) * np.repeat([1, 4 / 255], [70, 10]), "as given"),
        (np.tile(SHARES, 10) * np.repeat([1, 4 / 255], [30, 50]), "standardised"),
        (np.concatenate([SHARES, np.zeros((30, 3))], 1), "as given"),
        (PIXELS * 257.0, "mapped to [0, 1]"),
        (RNG.normal(size=(30, 3)), "standardised"),
    ],
)
def test_what_auto_chooses(array, words):
    assert words in fit(array).words


def test_images_keep_one_pair_of_numbers():
    images = PIXELS - 300.0
    for scale in ("unit", "standard"):
        fitted = fit(images, scale)
        assert np.ndim(fitted.shift) == np.ndim(fitted.scale) == 0
    scaled = rescale(images, fitted.shift, fitted.scale)
    assert scaled.mean() == pytest.approx(0, abs=1e-5) and scaled.std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("constant", [0.1, 0.0, 1e9, -3.3])
@pytest.mark.parametrize("scale", ["standard", "unit"])
def test_constant_columns_become_zero_and_are_named(scale, constant):
    array = RNG.normal(size=(50, 3))
    array[:, 1] = constant
    fitted = fit(array, scale)
    assert fitted.constant == (1,)
    assert (rescale(array, fitted.shift, fitted.scale)[:, 1] == 0).all()


@pytest.mark.parametrize("scale", ["standard", "unit"])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int32, np.int16, np.uint8])
def test_a_column_constant_in_training_is_zero_in_every_part(scale, kind):
    array = RNG.integers(0, 200, (50, 3)).astype(kind)
    array[:, 1], train = 7, np.arange(40)
    array[45:, 1] = 100
    summary = summarise(array, train, NAMES)
    fitted = fit_scaling(summary, scale, np.dtype(np.float64), NAMES)
    scaled = rescale(array, fitted.shift, fitted.scale)
    assert (scaled[:, 1] == 0).all() and np.isfinite(scaled).all()
    np.testing.assert_allclose(restore(scaled, fitted.shift, fitted.scale)[:45], array[:45], atol=1e-3)
    assert "at 0 although held-out rows hold other values: column 1" in fitted.warnings


@pytest.mark.parametrize(
    "array, reason",
    [
        (2**62 + np.arange(20)[:, None] % 2, "column 0 holds values too close together .*4.61169e.18.*subtract"),
        (1e-160 * np.arange(20)[:, None], "column 0 holds values too small to compute with .at most 1.9e-159"),
        (1e16 + 2 * np.arange(20.0)[:, None] % 4, "too close together"),
        (np.stack([np.ones(20), 1e-160 * np.arange(20)], 1), "column 1 holds values too small"),
    ],
    ids=["2^62 apart by 1", "1e-160", "1e16 apart by 2", "one of two columns"],
)
def test_what_cannot_be_told_apart_has_its_own_reason(array, reason):
    with pytest.raises(DataError, match=reason):
        fit(array)


def test_one_column_that_cannot_be_told_apart_is_named_and_kept_at_zero():
    array = np.stack([np.arange(20) ** 2, 2**62 + np.arange(20) % 2], 1)
    fitted = fit(array)
    assert fitted.constant == (1,)
    assert fitted.warnings == ("too small or too close together to be told apart and kept at 0: column 1",)


@pytest.mark.parametrize(
    "array, reason",
    [
        (1e-160 * np.arange(1e3, 1e3 + 20)[:, None] * 1e12, "too small for 32-bit numbers; use scale=standard"),
        (1.7e9 + np.arange(20.0)[:, None], "too close together for their size for 32-bit numbers; use scale=standard"),
    ],
    ids=["small", "close"],
)
def test_values_as_given_that_32_bits_cannot_tell_apart_are_refused(array, reason):
    with pytest.raises(DataError, match=reason):
        fit(array, "none")
    assert rescale(array, *_pair(fit(array))).std() == pytest.approx(1, abs=1e-5)
    mixed = np.concatenate([array, np.arange(20.0)[:, None] ** 2], 1)
    assert "too small or too close together for 32-bit numbers as given: column 0" in fit(mixed, "none").warnings


def _pair(fitted):
    return fitted.shift, fitted.scale


def test_a_column_that_counts_the_rows_is_said_over_block_borders(small_blocks):
    array = RNG.normal(size=(50, 3))
    array[:, 1] = np.arange(5, 55)
    assert any("counts the rows" in words and "column 1" in words for words in fit(array).warnings)
    array[21, 1] += 1
    assert fit(array).warnings == ()
    assert fit(np.arange(20.0)[:, None] * [2.0, -1.0]).warnings == ()


def test_data_without_variation_are_refused():
    with pytest.raises(DataError, match="nothing to learn"):
        fit(np.full((20, 3), 0.3))


def test_unknown_scales_are_answered_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean standard"):
        fit(PIXELS, "standart")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_placed(small_blocks, wrong):
    array = RNG.normal(size=(30, 3))
    array[17, 2] = wrong
    with pytest.raises(DataError, match="row 17, column 2"):
        fit(array)
    images = RNG.normal(size=(30, 1, 4, 4))
    images[17, 0, 2, 3] = wrong
    with pytest.raises(DataError, match=r"row 17, position \(0, 2, 3\)"):
        fit(images)


@pytest.mark.parametrize("scale", ["none", "standard", "unit"])
def test_values_beyond_float32_are_refused(scale):
    array = RNG.normal(size=(30, 3))
    array[:, 1] *= 1e307
    with pytest.raises(DataError, match="column 1 holds values too large") if scale != "unit" else _ok():
        fit(array, scale)


def _ok():
    from contextlib import nullcontext

    return nullcontext()


def test_large_offsets_are_subtracted_before_digits_are_lost():
    array = 1.7e9 + np.arange(10.0)[:, None]
    np.testing.assert_array_equal(rescale(array, np.array([1.7e9]), np.array([1.0]))[:, 0], np.arange(10))


@given(arrays.arrays(np.float64, (12, 2), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_any_table_is_scaled_to_finite_numbers_or_refused(array):
    for scale in scaling.SCALES:
        try:
            fitted = fit(array, scale, np.arange(8))
        except DataError:
            continue
        scaled = rescale(array, fitted.shift, fitted.scale)
        assert scaled.dtype == np.float32 and np.isfinite(scaled).all()


@given(arrays.arrays(np.float64, (12, 2), elements=st.floats(-2, 2)))
def test_within_unit_is_what_the_scaled_values_show(array):
    try:
        summary = summarise(array, np.arange(8), NAMES)
        fitted = fit_scaling(summary, "auto", array.dtype, NAMES)
    except DataError:
        return
    scaled = rescale(array, fitted.shift, fitted.scale)
    if within_unit(summary, fitted):
        assert scaled.min() >= 0 and scaled.max() <= 1


@pytest.mark.parametrize("scale", scaling.SCALES)
def test_a_spread_beyond_the_largest_number_is_no_crash(scale):
    array = np.full((12, 2), -1e292)
    array[0, 0] = 1.7976931348623157e308
    with contextlib.suppress(DataError):
        fitted = fit(array, scale, np.arange(8))
        assert np.isfinite(rescale(array, fitted.shift, fitted.scale)).all()
