"""Networks of sequences: exact lengths, torch's own recurrence, stacked seeds, weights of the seed alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.contracts.variant import Context
from bench.errors import Incompatible, UsageError
from bench.losses import ReconstructionCost
from bench.networks.build import build_networks
from bench.networks.conv1d import conv1d
from bench.networks.factories import networks_named
from bench.networks.gru import GatedUnits, gru

FACTORIES = {"conv1d": conv1d(channels=[3, 4], dense=5), "gru": gru(hidden=6), "glorot": gru(hidden=6, init="glorot"),
             "bare": conv1d(channels=[3], dense=0, init="he")}  # fmt: skip


def pair_of(factory, shape=(2, 9), seed=0, blocks=1):
    cost = ReconstructionCost("squared")
    return build_networks(Context(shape, 3, cost, factory, seed, 10, None, lambda: 1.0), blocks)


@settings(max_examples=25, deadline=None)
@given(
    series=st.integers(1, 3),
    length=st.integers(4, 40),
    kernel=st.sampled_from([3, 5, 7]),
    channels=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    norm=st.sampled_from(["none", "batch", "layer"]),
)
def test_every_length_comes_back_exactly(series, length, kernel, channels, norm):
    encoder, decoder = conv1d(channels=channels, kernel=kernel, dense=3, norm=norm)((series, length), 6, 3)
    assert encoder(torch.zeros(2, series, length)).shape == (2, 6)
    assert decoder(torch.zeros(2, 3)).shape == (2, series, length)


def test_the_units_are_those_of_torch():
    ours, theirs = GatedUnits(2, 5), torch.nn.GRU(2, 5, batch_first=True)
    theirs.load_state_dict(
        {"weight_ih_l0": ours.of_input.weight, "bias_ih_l0": ours.of_input.bias,
         "weight_hh_l0": ours.of_state.weight, "bias_hh_l0": ours.of_state.bias}
    )  # fmt: skip
    x, state = torch.randn(4, 7, 2), torch.zeros(4, 5)
    expected, _ = theirs(x)
    for now, then in zip(x.unbind(1), expected.unbind(1), strict=True):
        state = ours.step(ours.of_input(now), state)
        torch.testing.assert_close(state, then)
    encoder, _ = gru(hidden=5)((2, 7), 4, 3)
    encoder[0].units = ours
    torch.testing.assert_close(encoder(x.transpose(1, 2)), encoder[1](expected[:, -1]))


@pytest.mark.parametrize("name", FACTORIES)
def test_stacked_seeds_give_what_single_ones_give(name):
    pairs = [pair_of(FACTORIES[name], seed=seed, blocks=2) for seed in range(3)]
    for place, inputs in ((0, torch.rand(3, 4, 2, 9)), (1, torch.randn(3, 4, 3))):
        models = [pair[place] for pair in pairs]
        parameters, buffers = torch.func.stack_module_state(models)

        def call(parameters, buffers, inputs, model=models[0]):
            return torch.func.functional_call(model, (parameters, buffers), (inputs,))

        single = torch.stack([model(one) for model, one in zip(models, inputs, strict=True)])
        torch.testing.assert_close(torch.vmap(call)(parameters, buffers, inputs), single)
        gradients = torch.vmap(torch.func.grad(lambda *given, call=call: call(*given).square().sum()))(
            parameters, buffers, inputs
        )
        models[1](inputs[1]).square().sum().backward()
        for key, parameter in models[1].named_parameters():
            torch.testing.assert_close(gradients[key][1], parameter.grad, msg=key)


@pytest.mark.parametrize("name", FACTORIES)
def test_weights_depend_on_the_seed_alone_and_not_on_the_head(name):
    (narrow, decoder), (wide, again) = pair_of(FACTORIES[name], seed=3), pair_of(FACTORIES[name], seed=3, blocks=2)
    for one, two in zip(narrow.parameters(), wide.parameters(), strict=True):
        assert torch.equal(one, two[: len(one)])
    assert all(torch.equal(a, b) for a, b in zip(decoder.parameters(), again.parameters(), strict=True))
    other, _ = pair_of(FACTORIES[name], seed=4)
    assert not torch.equal(next(narrow.parameters()), next(other.parameters()))


@pytest.mark.parametrize("name", ["conv1d", "gru"])
@pytest.mark.parametrize(("shape", "words"), [((64,), "cut windows"), ((1, 8, 8), "mlp"), ((2, 3), "4 time steps")])
def test_data_that_do_not_fit_are_told_why(name, shape, words):
    with pytest.raises(Incompatible, match=f"{name} needs .*{words}"):
        pair_of(FACTORIES[name], shape)


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("conv1d", {"channels": 3}, "give widths in brackets"),
        ("conv1d", {"kernel": 4}, "is even"),
        ("gru", {"hidden": 0}, "gru hidden=0"),
        ("gru", {"init": "glorto"}, "did you mean glorot"),
        ("gru", {"layers": 2}, "unknown parameter of gru"),
    ],
)
def test_wrong_parameters_are_refused(name, params, words):
    with pytest.raises(UsageError, match=words):
        networks_named(name, params)
