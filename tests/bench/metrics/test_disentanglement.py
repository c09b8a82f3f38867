"""Disentanglement: identity codes score 1, duplicated and merged codes what metrics.md computes, dead ones nothing."""

import dataclasses
import math

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.losses import ReconstructionCost
from bench.metrics.disentanglement import Disentanglement
from bench.metrics.functional.dci import dci_scores, importance_scores
from bench.metrics.functional.disentangle import (
    bin_columns,
    corrected_information,
    factorvae_score,
    modularity,
    mutual_information,
    mutual_information_gap,
    sap_score,
)


def factors_of(n: int = 3000, F: int = 4, levels: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(levels, size=(n, F))


def test_identity_codes_are_perfect():
    factors = factors_of()
    codes = factors + 0.01 * np.random.default_rng(1).standard_normal(factors.shape)
    information = mutual_information(bin_columns(codes), factors)
    assert mutual_information_gap(information, factors) == pytest.approx(1, abs=0.02)
    assert modularity(information) == pytest.approx(1, abs=0.001)
    assert sap_score(codes, factors) == pytest.approx(1, abs=0.02)
    assert factorvae_score(codes, factors, np.random.default_rng(0)) == 1
    scores = dci_scores(codes, factors, np.random.default_rng(0))
    assert scores["dci_disentanglement"] == pytest.approx(1, abs=0.03)
    assert scores["dci_completeness"] == pytest.approx(1, abs=0.03)
    assert scores["dci_informativeness"] > 0.99


def test_duplicated_codes():
    """Each factor in two of ten codes: no gap, disentanglement 1, completeness 1 - ln 2/ln 10."""
    factors = factors_of(F=5)
    codes = np.repeat(factors.astype(float), 2, axis=1)
    information = mutual_information(bin_columns(codes), factors)
    assert mutual_information_gap(information, factors) == pytest.approx(0, abs=1e-12)
    assert sap_score(codes, factors) == pytest.approx(0, abs=1e-12)
    exact = np.kron(np.eye(5), np.ones((2, 1)))  # importance (10, 5)
    disentanglement, completeness = importance_scores(exact)
    assert disentanglement == pytest.approx(1)
    assert completeness == pytest.approx(1 - math.log(2) / math.log(10))
    noisy = codes + 0.01 * np.random.default_rng(1).standard_normal(codes.shape)
    forest = dci_scores(noisy, factors, np.random.default_rng(0))
    assert forest["dci_disentanglement"] == pytest.approx(1, abs=0.03)
    assert forest["dci_completeness"] == pytest.approx(completeness, abs=0.05)


def test_one_code_for_two_of_ten_factors():
    importance = np.kron(np.eye(5), np.ones((1, 2)))  # five codes, ten factors
    assert importance_scores(importance)[0] == pytest.approx(1 - math.log(2) / math.log(10))
    assert importance_scores(importance)[1] == pytest.approx(1)
    assert importance_scores(np.zeros((3, 2))) == (0.0, 0.0)
    with_dead_codes = np.concatenate([importance, np.zeros((3, 10))])
    assert importance_scores(with_dead_codes)[0] == pytest.approx(1 - math.log(2) / math.log(10))
    assert importance_scores(np.ones((3, 1)))[0] == 1  # one factor


def test_mutual_information_is_what_entropies_leave_over():
    """I(a; b) = H(a) + H(b) - H(a, b) in nats, from counts."""

    def entropy(columns):
        shares = np.unique(columns, axis=0, return_counts=True)[1] / len(columns)
        return -(shares * np.log(shares)).sum()

    rng = np.random.default_rng(0)
    a = rng.integers(6, size=(400, 2))
    b = np.stack([a[:, 0] // 2, rng.integers(3, size=400), a.sum(1)], 1)
    found = mutual_information(a, b)
    assert found.shape == (2, 3)
    for i in range(2):
        for k in range(3):
            both = np.stack([a[:, i], b[:, k]], 1)
            expected = entropy(a[:, i]) + entropy(b[:, k]) - entropy(both)
            assert found[i, k] == pytest.approx(expected, abs=1e-12)


def test_dead_codes_are_no_vote_and_no_zero_over_zero():
    factors = factors_of(F=3)
    codes = np.concatenate([factors.astype(float), np.zeros((len(factors), 2))], 1)
    assert factorvae_score(codes, factors, np.random.default_rng(0)) == 1
    assert factorvae_score(codes[:, 3:], factors, np.random.default_rng(0)) == pytest.approx(1 / 3)
    faint = np.concatenate(
        [factors.astype(float), 1e-3 * np.random.default_rng(2).standard_normal((len(factors), 1))], 1
    )
    assert factorvae_score(faint, factors, np.random.default_rng(0), prune_variance=0.05) == 1


def test_numbers_of_nominal_factors_do_not_matter():
    """A code that names a class is perfect however classes are numbered; as an order it would fall to a quarter."""
    rng = np.random.default_rng(0)
    kinds, other = rng.integers(5, size=3000), rng.integers(5, size=3000)
    codes = np.stack([kinds, other], 1) + 0.01 * rng.standard_normal((3000, 2))
    relabelled = np.array([3, 0, 4, 1, 2])[kinds]
    for names in (kinds, relabelled):
        assert sap_score(codes, np.stack([names, other], 1), (True, False)) == pytest.approx(1, abs=0.01)
        scores = dci_scores(codes, np.stack([names, other], 1), np.random.default_rng(0), (True, False))
        assert scores["dci_informativeness"] > 0.99 and scores["dci_disentanglement"] > 0.95
    assert sap_score(codes, np.stack([relabelled, other], 1)) < 0.7
    noise = sap_score(rng.standard_normal((3000, 2)), np.stack([relabelled, other], 1), (True, True))
    assert noise == pytest.approx(0, abs=0.005)


def test_declared_nominal_factors_reach_the_scores(toolbox):
    plain = split_with_factors()
    turned = np.random.default_rng(0).permutation(20)
    parts = {f"{part}_factors": getattr(plain, f"{part}_factors").copy() for part in ("train", "validation", "test")}
    for values in parts.values():
        values[:, 0] = turned[values[:, 0].astype(int)]
    renamed = dataclasses.replace(plain, **parts)
    model = Model("identity", 3, (3,), ReconstructionCost("squared"), lambda x: x, lambda z: z, lambda z: z)
    ordered = toolbox.evaluate(model, renamed, Disentanglement())["sap"].value
    nominal = toolbox.evaluate(model, dataclasses.replace(renamed, nominal_factors=("a",)), Disentanglement())
    assert nominal["sap"].value > 0.95 > ordered + 0.2


def test_noise_has_no_modularity():
    """Plug-in information of noise is its bias, the same for no factor: without the correction noise looks modular."""
    rng = np.random.default_rng(0)
    codes, factors = bin_columns(rng.standard_normal((2000, 6))), factors_of(2000)
    assert modularity(mutual_information(codes, factors)) > 0.3
    assert corrected_information(codes, factors).max() < 1e-3
    assert modularity(corrected_information(codes, factors)) == 0
    perfect = corrected_information(factors, factors)
    assert modularity(perfect) == 1
    assert perfect.diagonal() == pytest.approx(
        [mutual_info_score(column, column) - 16 / 4000 for column in factors.T], rel=1e-9
    )


def test_modularity_leaves_uninformative_codes_out():
    assert modularity(np.array([[1.0, 0.0], [0.0, 0.0]])) == 1
    assert modularity(np.array([[1.0, 1.0]])) == 0
    assert modularity(np.zeros((2, 2))) == 0


def test_binning_keeps_few_values_and_bins_many():
    values = np.stack([np.tile([3.0, -1.0], 50), np.linspace(0, 1, 100)], 1)
    binned = bin_columns(values)
    assert set(binned[:, 0]) == {0, 1}
    assert np.bincount(binned[:, 1]).tolist() == [5] * 20


def split_with_factors(n: int = 600) -> Split:
    parts = [factors_of(n, 3, 20, seed).astype(np.float32) for seed in range(3)]
    return Split(
        *(part / 20 for part in parts),
        train_factors=parts[0],
        validation_factors=parts[1],
        test_factors=parts[2],
        factor_names=("a", "b", "c"),
    )


def test_rows(toolbox):
    split = split_with_factors()
    model = Model("identity", 3, (3,), ReconstructionCost("squared"), lambda x: x, lambda z: z, lambda z: z)
    measured = toolbox.evaluate(model, split, Disentanglement())
    assert measured["mig"].value > 0.7
    assert measured["dci_disentanglement"].value > 0.9
    assert measured["mig_rotated"].value < 0.4 * measured["mig"].value
    assert measured["mig_rotated"].error > 0


@pytest.mark.parametrize(
    ("change", "words"), [("codes", "constant"), ("factors", "no factor varies"), ("rows", "fewer")]
)
def test_poor_data_say_so(toolbox, change, words):
    split = split_with_factors(50 if change == "rows" else 600)
    if change == "factors":
        split = dataclasses.replace(split, test_factors=np.zeros_like(split.test_factors))
    scale = 0.0 if change == "codes" else 1.0
    model = Model("scaled", 3, (3,), ReconstructionCost("squared"), lambda x: scale * x, lambda z: z, lambda z: z)
    assert words in toolbox.evaluate(model, split, Disentanglement())["mig"].reason
