"""The convolutional networks: exact sizes for any image, the published parameter counts, independence of the stack."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench.contracts.variant import Context
from bench.errors import Incompatible, UsageError
from bench.losses import ReconstructionCost
from bench.networks.build import build_networks
from bench.networks.conv import conv
from bench.networks.factories import networks_named


def n_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def context(data_shape, networks, seed=0, latent_dim=2):
    cost = ReconstructionCost("squared")
    return Context(data_shape, latent_dim, cost, networks, seed, 10, None, lambda: 1.0)


@settings(max_examples=40, deadline=None)
@given(
    colours=st.sampled_from([1, 3]),
    height=st.integers(8, 40),
    width=st.integers(8, 40),
    channels=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    dense=st.sampled_from([0, 3]),
)
def test_every_image_size_comes_back_exactly(colours, height, width, channels, dense):
    factory = conv(channels=channels, dense=dense)
    encoder, decoder = factory((colours, height, width), 6, 3)
    assert encoder(torch.zeros(2, colours, height, width)).shape == (2, 6)
    assert decoder(torch.zeros(2, 3)).shape == (2, colours, height, width)


def test_parameter_counts_of_the_keras_example():
    encoder, decoder = conv(channels=[32, 64], dense=16)((1, 28, 28), 4, 2)
    assert (n_parameters(encoder), n_parameters(decoder)) == (69_076, 65_089)
    kinds = [nn.Linear, nn.ConvTranspose2d, nn.ConvTranspose2d, nn.ConvTranspose2d]
    layers = [layer for layer in decoder if isinstance(layer, (nn.Linear, nn.ConvTranspose2d))]
    assert [isinstance(layer, kind) for layer, kind in zip(layers, kinds, strict=True)] == [True] * 4
    assert [layer.out_channels for layer in layers[1:]] == [64, 32, 1]


def test_networks_agree_with_the_plain_layers_in_the_usual_memory_order():
    encoder, decoder = conv(channels=[4, 6], dense=5, activation="tanh")((3, 11, 9), 4, 2)
    x, z = torch.rand(7, 3, 11, 9), torch.randn(7, 2)

    first, second, dense, head = (layer for layer in encoder if list(layer.parameters()))
    h = torch.tanh(second(torch.tanh(first(x)))).contiguous()  # (7, 6, 3, 3)
    flat = torch.stack([h[:, c, i, j] for i in range(3) for j in range(3) for c in range(6)], 1)
    torch.testing.assert_close(encoder(x), head(torch.tanh(dense(flat))))

    start, up, upper, last = (layer for layer in decoder if list(layer.parameters()))
    image = torch.empty(7, 6, 3, 3)
    for place, column in enumerate(torch.tanh(start(z)).T):
        image[:, place % 6, place // 18, place // 6 % 3] = column
    torch.testing.assert_close(decoder(z), last(torch.tanh(upper(torch.tanh(up(image))))))


def test_a_translated_image_moves_the_feature_maps():
    """By two pixels in the image, by one after a convolution of stride 2: what a scrambled memory order would break."""
    encoder, _ = conv(channels=[3], dense=0)((1, 16, 16), 2, 1)
    features = encoder[:3]
    x = torch.zeros(1, 1, 16, 16)
    x[..., 6:10, 4:8] = torch.rand(4, 4)
    torch.testing.assert_close(features(x.roll((2, 4), (2, 3))), features(x).roll((1, 2), (2, 3)))


def test_stacked_seeds_give_what_single_ones_give():
    pairs = [build_networks(context((1, 9, 8), conv(channels=[3, 4], dense=5), seed), 2) for seed in range(3)]
    x, z = torch.rand(3, 4, 1, 9, 8), torch.randn(3, 4, 2)
    for place, inputs in ((0, x), (1, z)):
        models = [pair[place] for pair in pairs]
        parameters, buffers = torch.func.stack_module_state(models)

        def call(parameters, buffers, inputs, model=models[0]):
            return torch.func.functional_call(model, (parameters, buffers), (inputs,))

        stacked = torch.vmap(call)(parameters, buffers, inputs)
        single = torch.stack([model(one) for model, one in zip(models, inputs, strict=True)])
        torch.testing.assert_close(stacked, single)


@pytest.mark.parametrize("factory", [conv(channels=[4, 8], init="glorot"), conv(channels=[4, 8])])
def test_weights_depend_on_the_seed_alone_and_not_on_the_head(factory):
    narrow, decoder = build_networks(context((1, 12, 12), factory, seed=3), 1)
    wide, again = build_networks(context((1, 12, 12), factory, seed=3), 2)
    other, _ = build_networks(context((1, 12, 12), factory, seed=4), 1)
    for (name, one), (_, two) in zip(narrow.named_parameters(), wide.named_parameters(), strict=True):
        assert torch.equal(one, two[: len(one)]), name
    assert all(torch.equal(a, b) for a, b in zip(decoder.parameters(), again.parameters(), strict=True))
    assert not torch.equal(narrow[1].weight, other[1].weight)


def test_glorot_start_has_its_range_and_no_bias():
    encoder, decoder = networks_named("conv", {"channels": [32, 64], "dense": 16, "init": "glorot"})((1, 28, 28), 4, 2)
    fans = [(1 + 32) * 9, (32 + 64) * 9, 3136 + 16, 16 + 4, 2 + 3136, 128 * 9, 96 * 9, 33 * 9]
    layers = [layer for layer in (*encoder, *decoder) if list(layer.parameters())]
    for layer, fan in zip(layers, fans, strict=True):
        bound = (6 / fan) ** 0.5
        assert 0.8 * bound < float(layer.weight.detach().abs().max()) <= bound
        assert not layer.bias.any()
    plain, _ = networks_named("mlp", {"hidden": [20], "init": "glorot"})((30,), 4, 2)
    assert float(plain[1].weight.detach().abs().max()) <= (6 / 50) ** 0.5
    assert not plain[1].bias.any()


@pytest.mark.parametrize(("shape", "words"), [((784,), "--network mlp"), ((1, 7, 28), "7×28"), ((3, 20, 4), "20×4")])
def test_data_that_do_not_fit_are_told_why(shape, words):
    with pytest.raises(Incompatible, match=words):
        build_networks(context(shape, conv()), 1)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"channels": []}, "give widths in brackets"),
        ({"channels": 32}, "give widths in brackets"),
        ({"channels": [32, 0]}, "conv channels=0"),
        ({"dense": -1}, "conv dense=-1"),
        ({"activation": "rely"}, "did you mean relu"),
        ({"init": "glorto"}, "did you mean glorot"),
        ({"norm": "bacth"}, "did you mean batch"),
        ({"kernel": 5}, "unknown parameter of conv"),
    ],
)
def test_wrong_parameters_are_refused(params, words):
    with pytest.raises(UsageError, match=words):
        networks_named("conv", params)
