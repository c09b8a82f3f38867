"""k-sparse: k = L is the plain autoencoder; k entries remain, by brute force the nearest; invalid k is refused."""

import itertools

import pytest
import torch
from zoo import LATENT, assert_other_loss, assert_same_loss, data, model_of, number

from bench.errors import Incompatible, UsageError


def test_with_all_entries_it_is_the_plain_autoencoder():
    assert_same_loss(model_of("top-k", k=LATENT), model_of("ae"))
    assert_other_loss(model_of("top-k", k=1), model_of("ae"))


@pytest.mark.parametrize("k", [1, 2])
def test_codes_are_the_nearest_of_all_that_have_k_entries(k):
    model, plain, x = model_of("top-k", k=k), model_of("ae"), data()
    z = plain.encode(x)
    masks = torch.tensor([[number(j in kept) for j in range(LATENT)] for kept in itertools.combinations(range(3), k)])
    candidates = z[:, None] * masks  # (B, choices, L)
    best = (candidates - z[:, None]).square().sum(-1).argmin(1)
    assert torch.equal(model.encode(x), candidates[torch.arange(len(x)), best])


def test_a_projection_stays_where_it_is_with_negative_entries_too():
    model = model_of("top-k", k=2)
    z = torch.tensor([[-3.0, -1.0, 2.0], [-1.0, -2.0, -3.0]])
    assert model.project(z).tolist() == [[-3.0, 0.0, 2.0], [0.0, -2.0, -3.0]]
    assert torch.equal(model.project(model.project(z)), model.project(z))


def test_k_out_of_range_is_refused():
    with pytest.raises(UsageError):
        model_of("top-k", k=0)
    with pytest.raises(Incompatible, match="k=4 is more than the latent dimension 3"):
        model_of("top-k", k=4)
