"""Sliced WAE: without weight it is the plain autoencoder; the distance is POT's of each projection."""

import numpy as np
import ot
import torch
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, number, terms


def test_without_weight_it_is_the_plain_autoencoder():
    assert_same_loss(model_of("sliced-wae", weight=0.0), model_of("ae"))
    assert_other_loss(model_of("sliced-wae"), model_of("ae"))


def test_the_distance_is_the_mean_of_one_dimensional_transports():
    model, x, draw = model_of("sliced-wae", weight=2.0, directions=5), data(), Draw64()
    found, z = terms(model, x, draw), model.encode(x).detach().numpy()
    directions, prior = (value.numpy() for value in draw.noted)
    distances = []
    for direction in directions:
        unit = direction / np.linalg.norm(direction)
        distances.append(number(ot.wasserstein_1d(z @ unit, prior @ unit, p=2)))
    assert np.allclose(found["sliced"].detach().numpy(), np.mean(distances), rtol=1e-10)
    assert torch.allclose(found["loss"], found["reconstruction"] + 2.0 * NAT * found["sliced"], rtol=1e-12)
