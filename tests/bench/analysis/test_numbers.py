"""How numbers are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis import numbers

NAN = math.nan


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [
        (0.012142, 0.00028, "0.01214 ± 0.00028"),
        (0.7331, 0.0163, "0.733 ± 0.016"),
        (1234.5, 12.3, "1,234 ± 12"),
        (8.0, 0.0, "8.000 ± 0"),
        (0.5, NAN, "0.5000"),
        (NAN, NAN, "–"),
        (-12.34, 0.056, "-12.340 ± 0.056"),
        (1e-9, 2e-10, "1.000e-09 ± 2.0e-10"),
    ],
)
def test_intervals_have_the_digits_they_support(mean, half, text):
    assert numbers.with_interval(mean, half) == text


@given(st.floats(-1e6, 1e6), st.floats(1e-5, 1e5))
def test_what_is_written_reads_back_within_a_tenth_of_the_interval(mean, half):
    text = numbers.with_interval(mean, half).replace(",", "")
    read_mean, read_half = (float(part) for part in text.split(" ± "))
    assert read_mean == pytest.approx(mean, abs=max(0.051 * half, 0.501))
    assert read_half == pytest.approx(half, rel=0.06, abs=0.501)
    if half < 10:
        assert read_mean == pytest.approx(mean, abs=0.051 * half)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (numbers.signed(0.5, 0.1), "+0.50 ± 0.10"),
        (numbers.signed(-0.5, 0.1), "-0.50 ± 0.10"),
        (numbers.signed(0.0, 0.0), "0"),
        (numbers.number(None), "–"),
        (numbers.number(0.000012345, 3), "1.23e-05"),
        (numbers.number(123456.0, 3), "123,456"),
        (numbers.p_value(0.00001), "< 0.0001"),
        (numbers.p_value(0.0042), "0.0042"),
        (numbers.p_value(0.25), "0.25"),
        (numbers.percent(0.0123), "1.2 %"),
        (numbers.percent(0.25), "25 %"),
        (numbers.percent(0.0), "0 %"),
        (numbers.seconds(0.123), "0.12 s"),
        (numbers.seconds(75), "1 min 15 s"),
        (numbers.seconds(7260), "2 h 1 min"),
        (numbers.size(1.5e9), "1.5 GB"),
        (numbers.count(NAN), "–"),
    ],
)
def test_texts(call, text):
    assert call == text


def test_seeds_are_those_of_a_fresh_run_up_to_what_anybody_runs():
    assert numbers.seeds_text(34) == "a fresh run of about 34 seeds"
    assert numbers.seeds_text(1001) == "a fresh run of more than 1,000 seeds" == numbers.seeds_text(float("inf"))
    assert [numbers.seeds_cell(n) for n in (None, 34, float("inf"))] == ["", "about 34", "> 1,000"]


def test_a_number_with_the_ends_of_its_interval():
    nan = float("nan")
    assert numbers.between(0.617, 0.58, 0.664, 2) == "0.62 [0.58, 0.66]"
    assert numbers.between(0.617, nan, nan, 2) == "0.62" and numbers.between(nan, nan, nan, 2) == "n/a"
