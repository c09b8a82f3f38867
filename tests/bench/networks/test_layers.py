"""Normalisation and starts of the built-in networks: by their definitions, and the same in a stack as alone."""

import numpy as np
import pytest
import torch
from torch import nn

from bench.contracts.variant import Context, Variant
from bench.errors import UsageError
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.conv import conv
from bench.networks.factories import networks_named
from bench.networks.mlp import mlp
from bench.train import TrainPlan, loop, train
from bench.train.batches import Rows
from bench.train.gradients import Gradients

CPU = torch.device("cpu")
X = np.random.default_rng(0).random((96, 1, 8, 8), dtype=np.float32)


class Plain(Variant):
    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encoder(batch.x), batch.x)}

    def encode(self, x):
        return self.encoder(x)


def trained(networks, seeds, monkeypatch):
    """State dictionaries after a short training of seeds in one stack, and whether its steps were recorded."""
    made = []
    monkeypatch.setattr(loop, "Gradients", lambda *a, **k: made.append(Gradients(*a, **k)) or made[-1])
    cost = ReconstructionCost("squared")
    models = [attach(Plain(), Context((1, 8, 8), 2, cost, networks, s, 96, None, lambda: 0.1)) for s in seeds]
    rows, plan = Rows(X, None, CPU), TrainPlan(15, 32, "sgd", {"lr": 1e-3}, "constant", record_from=0)
    results, _ = train(models, seeds, rows, rows, plan, CPU)
    return [result.variant.state_dict() for result in results], any(made[0].recorder.trusts())


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("build", [lambda norm: mlp([6], norm=norm), lambda norm: conv([3, 4], dense=5, norm=norm)],
                         ids=["mlp", "conv"])  # fmt: skip
def test_normalised_networks_train_in_a_stack_as_alone(build, norm, monkeypatch):
    """Batch normalisation moves its running statistics, which the price of is that steps are not recorded."""
    together, recorded = trained(build(norm), (0, 1), monkeypatch)
    (alone,), _ = trained(build(norm), (1,), monkeypatch)
    for name, value in alone.items():
        torch.testing.assert_close(together[1][name], value, rtol=1e-3, atol=1e-4)
    means = [value for name, value in alone.items() if name.endswith("running_mean")]
    assert recorded == (norm == "layer")
    assert bool(means) == (norm == "batch") and all(bool(mean.ne(0).any()) for mean in means)


def test_what_precedes_an_activation_is_normalised():
    x = torch.as_tensor(X)
    encoder, decoder = mlp([7], "identity", norm="layer")((1, 8, 8), 2, 2)
    hidden = encoder[:3](x)
    torch.testing.assert_close(hidden.mean(1), torch.zeros(96), atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden.var(1, correction=0), torch.ones(96), atol=1e-2, rtol=0)
    assert isinstance(decoder[1], nn.LayerNorm) and not isinstance(decoder[3], (nn.LayerNorm, nn.BatchNorm1d))
    encoder, decoder = conv([3, 5], 4, "identity", norm="batch")((1, 8, 8), 2, 2)
    hidden = encoder[:3](x)  # (96, 3, 4, 4)
    torch.testing.assert_close(hidden.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden.var((0, 2, 3), correction=0), torch.ones(3), atol=1e-2, rtol=0)
    kinds = [type(layer) for layer in decoder]
    assert kinds.count(nn.BatchNorm2d) == 2 and kinds.count(nn.BatchNorm1d) == 1 and kinds[-1] is nn.ConvTranspose2d


BOUNDS = {
    "he": lambda fan_in, fan_out: (6 / fan_in) ** 0.5,
    "glorot": lambda fan_in, fan_out: (6 / (fan_in + fan_out)) ** 0.5,
}


@pytest.mark.parametrize(("init", "bound"), BOUNDS.items())
def test_uniform_starts_have_their_range_and_no_bias(init, bound):
    encoder, decoder = networks_named("conv", {"channels": [32], "dense": 64, "init": init})((1, 16, 16), 8, 8)
    fans = [(9, 288), (2048, 64), (64, 8), (8, 2048), (288, 288), (288, 9)]
    layers = [layer for layer in (*encoder, *decoder) if list(layer.parameters())]
    for layer, fan in zip(layers, fans, strict=True):
        largest = float(layer.weight.detach().abs().max())
        assert 0.85 * bound(*fan) < largest <= bound(*fan), layer
        assert not layer.bias.any()


def test_orthogonal_starts_are_orthogonal():
    encoder, _ = mlp([20], init="orthogonal")((30,), 4, 2)
    torch.testing.assert_close(encoder[1].weight @ encoder[1].weight.T, torch.eye(20), atol=1e-5, rtol=0)
    assert not encoder[1].bias.any()


def test_unknown_normalisations_are_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match="did you mean layer"):
        networks_named("mlp", {"norm": "layr"})
    plain = mlp([6])((4,), 2, 2)
    assert [type(layer) for layer in plain[0]] == [type(layer) for layer in mlp([6], norm="none")((4,), 2, 2)[0]]
