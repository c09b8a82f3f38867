"""Networks of users: weights that are no function of the seed are refused in one line, and so are wrong shapes."""

import math
import sys
import types

import pytest
import torch
from torch import nn

from bench.contracts.variant import Variant
from bench.errors import Incompatible, PluginError
from bench.networks.build import build_model
from bench.spec.training import TrainSettings


class Plain(Variant):
    def encode(self, x):
        return self.encoder(x)


def pair(data_shape, head_width, latent_dim, extra=0):
    d = math.prod(data_shape)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(d, head_width + extra))
    return encoder, nn.Sequential(nn.Linear(latent_dim, d), nn.Unflatten(-1, data_shape))


def reseeding(*arguments):
    torch.manual_seed(0)
    return pair(*arguments)


def random(*arguments):
    torch.seed()
    return pair(*arguments)


class Both(nn.Module):
    """Returns two tensors."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x), x


def division(data_shape, head_width, latent_dim):
    return nn.Linear(1, head_width // 0), None


WRONG = {
    "one": lambda *given: pair(*given)[0],
    "three": lambda *given: (*pair(*given), None),
    "four": lambda *given: (*pair(*given), *pair(*given)),
    "nothing": lambda *given: None,
    "functions": lambda *given: tuple(network.forward for network in pair(*given)),
    "division": division,
    "both": lambda *given: (Both(pair(*given)[0]), pair(*given)[1]),
}


@pytest.fixture
def build(monkeypatch):
    module = types.ModuleType("own_networks")
    module.pair, module.reseeding, module.random = pair, reseeding, random
    for name, factory in WRONG.items():
        setattr(module, name, factory)
    monkeypatch.setitem(sys.modules, "own_networks", module)

    def model(name, seed=0):
        settings = TrainSettings(latent_dim=2, network=f"own_networks:{name}")
        shapes = dict(data_shape=(1, 2, 2), n_train=4, n_classes=None)
        return build_model(Plain, settings, seed=seed, auto_kl_weight=lambda: 1.0, **shapes)

    return model


def test_a_network_that_draws_from_the_global_generator_is_seeded(build):
    weights = [model.encoder[1].weight for model in (build("pair"), build("pair"), build("pair", 1))]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("reseeding", "the same weights for every seed"), ("random", "other weights each time")],
)
def test_a_network_that_ignores_the_seed_is_refused(build, name, expected):
    with pytest.raises(PluginError, match=f"network own_networks:{name} gives {expected}") as raised:
        build(name)
    assert "\n" not in str(raised.value)


def test_wrong_shapes_are_told(build):
    with pytest.raises(Incompatible, match=r"the encoder returns shape \(2, 3\) where \(2, 2\) is expected"):
        build("pair[extra=1]")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("one", "returns a Sequential; return two modules"),
        ("three", r"returns \(Sequential, Sequential, NoneType\); return two modules"),
        ("four", "return two modules"),
        ("nothing", "returns a NoneType; return two modules"),
        ("functions", r"returns \(method, method\); return two modules"),
        ("division", r"network 'own_networks:division' fails on data of \(1, 2, 2\): ZeroDivisionError"),
        ("both", "a network returns a tuple where one tensor is expected"),
    ],
)
def test_what_is_no_pair_of_networks_is_told_in_one_line(build, name, words):
    with pytest.raises(PluginError, match=words) as raised:
        build(name)
    assert "\n" not in str(raised.value)


def test_memory_that_runs_out_in_a_network_is_no_fault_of_it(build, monkeypatch):
    def huge(*given):
        raise MemoryError("no room")

    monkeypatch.setattr("own_networks.pair", huge)
    with pytest.raises(MemoryError):
        build("pair")
