"""Verdicts on curves whose right verdict is plain."""

import numpy as np
import pytest

from bench.validity.judge import BLIND, GAUGE, NO_REFERENCE, SEES, UNSTEADY, WON, Curve, judged, rank_correlation


def curve(values, better=True, noise=0.01, target=None, **rest):
    given = {"name": "m", "kind": "samples", "sweep": "blur", "ranks": True, "claims": ("blur",)} | rest
    values = np.array(values, dtype=float)
    return Curve(
        given["name"], given["kind"], given["sweep"], np.arange(len(values)), values, noise,
        None if target is not None else better, target, given["ranks"], given["claims"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "better", "expected"),
    [
        ((0.9, 0.8, 0.5, 0.2), True, SEES),
        ((0.1, 0.2, 0.5, 0.9), False, SEES),
        ((0.9, 0.8, 0.2, 0.0, 0.0, 0.0), True, SEES),  # at its worst it stays there
        ((0.9, 0.905, 0.895, 0.9), True, BLIND),
        ((0.9, 0.95, 0.5, 0.2), True, WON),
        ((0.9, 0.5, 0.2, 0.97), True, WON),
        ((0.9, 0.1, 0.6, 0.2, 0.5), True, UNSTEADY),
        ((0.9, 0.2, 0.5, 0.9), True, UNSTEADY),  # it comes back
        ((0.9, 0.8, np.nan, np.nan), True, SEES),  # no number is no good number
    ],
)
def test_verdicts(values, better, expected):
    assert curve(values, better).verdict == expected
    assert curve([-value for value in values], not better).verdict == expected


def test_better_than_real_within_noise_is_no_win():
    assert curve((0.9, 0.92, 0.5, 0.2, 0.1, 0.0), noise=0.01).verdict == SEES
    assert curve((0.9, 0.92, 0.5, 0.2, 0.1, 0.0), noise=0.001).verdict == WON


def test_a_target_is_missed_on_either_side():
    assert curve((0.5, 0.6, 0.8, 1.0), target=0.5).verdict == SEES
    assert curve((0.5, 0.4, 0.2, 0.0), target=0.5).verdict == SEES
    assert curve((0.7, 0.5, 0.6, 0.9), target=0.5).verdict == WON


def test_what_may_rank():
    kept, won = curve((0.9, 0.5, 0.2)), curve((0.9, 1.0, 0.2), sweep="averaging")
    missed = curve((0.9, 0.9, 0.9), sweep="noise", claims=("noise",))
    assert judged([kept])[0].passes
    assert judged([kept, won])[0].broken == ["won by averaging"]
    assert judged([missed])[0].broken == ["claims to see noise and is blind"]
    assert judged([curve((0.9, 0.9, 0.9), sweep="noise")])[0].passes  # not claimed


def test_an_invariant_value_must_not_notice_other_codes():
    same, other = (curve(v, kind=GAUGE, sweep="affine", claims=()) for v in ((0.5, 0.5, 0.5), (0.5, 0.4, 0.3)))
    assert judged([same])[0].passes
    assert judged([other])[0].broken == ["changes under affine codes"]


def test_rounding_is_no_change_of_gauge_and_no_win():
    for values in ((1.56873597, 1.56873596, 1.56873598), (1e6, 1e6 - 0.05, 1e6), (0.0, 0.0, 0.0)):
        assert curve(values, False, noise=0.0, kind=GAUGE, sweep="affine", claims=()).verdict == BLIND
    assert curve((1.5687, 1.5680, 1.5687), False, noise=0.0).verdict == WON
    under = {"kind": GAUGE, "sweep": "affine", "claims": ()}
    assert curve((0.5, 0.46, 0.5), noise=0.01, **under).verdict == BLIND  # 4 of one number's, 2.8 of a difference's
    assert curve((0.5, 0.45, 0.5), noise=0.01, **under).verdict != BLIND


def test_where_real_data_have_no_number_nothing_wins():
    judgement = judged([curve((np.nan, 0.2, 0.5, 0.9), claims=())])[0]
    assert judgement.verdicts == {"blur": NO_REFERENCE} and judgement.passes
    claimed = judged([curve((np.nan, 0.2, 0.5, 0.9))])[0]
    assert claimed.broken == ["claims to see blur and is without a number"]


def test_rank_correlation_against_scipy():
    from scipy.stats import spearmanr

    for seed in range(20):
        values = np.random.default_rng(seed).standard_normal(7)
        assert rank_correlation(values) == pytest.approx(spearmanr(values, np.arange(7)).statistic)
