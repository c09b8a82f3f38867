"""The worked methods, data set, metric and networks: exact against formulas written apart from them, and usable."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import erf
from scipy.stats import norm
from zoo import Draw64, data, number, outcome

from bench.conformance.dataset import check_dataset
from bench.conformance.metric import check_metric
from bench.conformance.variant import check_variant
from bench.contracts.model import Model
from bench.contracts.variant import Context
from bench.errors import Incompatible
from bench.evaluate.evaluate import evaluate
from bench.evaluate.evaluated_model import evaluated_model
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.factories import mlp
from bench.spec.registry import Registry

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "methods"
REGISTRY = Registry.discover([FOLDER])
METHODS = ("my-sigma-vae", "my-vq", "my-wae")
LATENT, SHAPE, NAT = 3, (1, 2, 3), 0.1
EXACT = {"rtol": 1e-6, "atol": 1e-9}


def model_of(name, seed=0, cost="squared", **params):
    """An attached float64 model."""
    context = Context(SHAPE, LATENT, ReconstructionCost(cost), mlp((8,), "tanh"), seed, 40, None, lambda: NAT)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return attach(REGISTRY.load("variant", name)(**params), context).double()


def arrays(*tensors):
    return [tensor.detach().numpy() for tensor in tensors]


@pytest.fixture(scope="module")
def nets():
    spec = importlib.util.spec_from_file_location("worked_nets", FOLDER / "my_nets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", METHODS)
def test_a_method_conforms(name):
    failed = {check.name: check.detail for check in check_variant(REGISTRY.load("variant", name))
              if check.passed is False or not check.ran}  # fmt: skip
    assert failed == {}


def test_names_are_the_authors_own():
    built_in = Registry.discover()
    own = {kind: set(REGISTRY.names(kind)) - set(built_in.names(kind)) for kind in ("variant", "dataset", "metric")}
    assert own == {"variant": set(METHODS), "dataset": {"my-waves"}, "metric": {"my-slopes"}}


@pytest.mark.parametrize("rows", [1, 7])
def test_the_wae_by_loops_over_pairs(rows):
    model, x, draw = model_of("my-wae", weight=2.5), data(rows), Draw64()
    terms, _ = outcome(model, x, draw)
    z, p, target = arrays(model.encode(x), draw.noted[0], x.flatten(1))

    def k(a, b):
        return 2 * LATENT / (2 * LATENT + ((a - b) ** 2).sum())

    pairs = [(i, j) for i in range(rows) for j in range(rows) if i != j]
    own = sum((k(z[i], z[j]) + k(p[i], p[j])) / len(pairs) for i, j in pairs)
    distance = own - 2 * np.mean([k(a, b) for a in z for b in p])
    decoded = arrays(model.decode(model.encode(x)))[0].reshape(rows, -1)
    expected = ((decoded - target) ** 2).sum(1) + 2.5 * distance
    np.testing.assert_allclose(arrays(terms["loss"])[0], expected, **EXACT)


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (1.0, 1.0)])
def test_the_sigma_vae_by_normal_densities(progress, weight):
    model, x, draw = model_of("my-sigma-vae", free_nats=0.02, warm_up=0.4), data(), Draw64()
    with torch.no_grad():
        model.log_sigma.fill_(-0.7)
    terms, _ = outcome(model, x, draw, progress)
    mean, log_variance = arrays(*model.moments(x))
    z = mean + np.exp(log_variance / 2) * arrays(draw.noted[0])[0][0]
    decoded = arrays(model.decode(torch.from_numpy(z)))[0].reshape(len(x), -1)
    nll = -norm.logpdf(x.flatten(1).numpy(), decoded, math.exp(-0.7)).sum(1)
    kl = 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1)
    paid = sum(max(0.02, column.mean()) for column in kl.T)
    assert min(column.mean() for column in kl.T) < 0.02 < max(column.mean() for column in kl.T)
    np.testing.assert_allclose(arrays(terms["loss"])[0], nll + weight * paid, **EXACT)
    np.testing.assert_allclose(arrays(model.log_likelihood(torch.from_numpy(z)[None], x)[0])[0], -nll, **EXACT)


def test_the_sigma_vae_starts_at_the_noise_of_pca_and_moves_to_the_error():
    model, x = model_of("my-sigma-vae"), data()
    assert math.isclose(model.decoder_variance, NAT / 2, rel_tol=1e-6)
    z = model.encode(x)
    error = number((model.decode(z) - x).square().mean())
    with torch.no_grad():
        model.log_sigma.fill_(0.5 * math.log(error))
    (slope,) = torch.autograd.grad(model.log_likelihood(z, x).mean(), [model.log_sigma])
    assert abs(number(slope)) < 1e-9
    with pytest.raises(Incompatible, match="take --recon squared"):
        model_of("my-sigma-vae", cost="bernoulli")


def test_the_vq_by_loops_over_many_batches():
    model = model_of("my-vq", codes=4, commitment=0.5, decay=0.8)
    sums, counts = (value.copy() for value in arrays(model.sums, model.counts))
    moved = set()
    for seed in range(6):
        x = data(seed=seed)
        terms, buffers = outcome(model, x)
        z = arrays(model.encoder(x))[0]
        codebook = sums / counts[:, None]
        nearest = np.array([np.argmin(((row - codebook) ** 2).sum(1)) for row in z])
        e = codebook[nearest]
        decoded = arrays(model.decode(torch.from_numpy(e)))[0].reshape(len(x), -1)
        expected = ((decoded - x.flatten(1).numpy()) ** 2).sum(1) + 0.5 * ((z - e) ** 2).sum(1)
        np.testing.assert_allclose(arrays(terms["loss"])[0], expected, **EXACT)
        np.testing.assert_allclose(arrays(model.encode(x))[0], e, **EXACT)
        for code in set(nearest.tolist()):
            mine = z[nearest == code]
            sums[code] = 0.8 * sums[code] + 0.2 * mine.sum(0)
            counts[code] = 0.8 * counts[code] + 0.2 * len(mine)
            moved.add(code)
        assert not torch.equal(buffers["sums"], model.sums)  # pure: the harness moves them
        for name, value in buffers.items():
            model.get_buffer(name).copy_(value)
        np.testing.assert_allclose(arrays(model.sums)[0], sums, **EXACT)
        np.testing.assert_allclose(arrays(model.counts)[0], counts, **EXACT)
    assert 0 < len(moved) < 4  # some codes were chosen, and some stayed


def test_the_vq_gives_the_gradient_of_its_code_to_the_encoder():
    model, x = model_of("my-vq", codes=4, commitment=0.0), data()
    e = model.encode(x).detach().requires_grad_()
    (slope,) = torch.autograd.grad(model.reconstruction_cost(e, x).sum(), [e])
    (bias,) = torch.autograd.grad(outcome(model, x)[0]["loss"].sum(), [model.encoder[-1].bias])
    np.testing.assert_allclose(*arrays(bias, slope.sum(0)), **EXACT)


def test_the_waves_are_sines_of_their_factors():
    load = REGISTRY.load("dataset", "my-waves")
    assert [check.detail for check in check_dataset(load) if not check.passed] == []
    split = load(n=100, length=16, noise=0.0)
    frequency, phase = split.test_factors.T
    angles = 2 * np.pi * (frequency[:, None] * np.arange(16) / 15 + phase[:, None])
    np.testing.assert_allclose(split.test[:, 0], np.sqrt(2) * np.sin(angles), atol=1e-6)
    assert (split.test_labels == np.floor(frequency) - 1).all() and split.data_shape == (1, 16)
    assert sum(map(len, (split.train, split.validation, split.test))) == 100


def measured(split, decode):
    """The slope error of a model that decodes every row to `decode` of it."""
    d = split.dimension
    model = Model("any", d, split.data_shape, ReconstructionCost("squared"), encode=lambda x: x.flatten(1),
                  decode=lambda z: decode(z).reshape(-1, *split.data_shape))  # fmt: skip
    return evaluate(model, split, [REGISTRY.load("metric", "my-slopes")()]).values["slope_error"]


def test_the_slope_error_of_known_reconstructions():
    kind, info = REGISTRY.load("metric", "my-slopes"), REGISTRY.info("metric", "my-slopes")
    assert [check.detail for check in check_metric(kind, info) if not check.passed] == []
    split = REGISTRY.load("dataset", "my-waves")(n=100, length=16)
    for scale, offset in ((1.0, 0.0), (0.25, 3.0), (0.0, 1.0), (-1.0, 0.0)):
        found = measured(split, lambda z, scale=scale, offset=offset: scale * z + offset)
        assert math.isclose(found.value, (1 - scale) ** 2, abs_tol=1e-6), scale


def test_residual_blocks_by_numpy(nets):
    encoder, decoder = (net.double() for net in nets.residual((2, 3), 4, 2, width=5, blocks=2))
    x = data(4).reshape(4, 2, 3)

    def linear(h, layer):
        weight, bias = arrays(layer.weight, layer.bias)
        return h @ weight.T + bias

    def blocks(h, modules):
        for block in modules:
            mean, variance = h.mean(1, keepdims=True), h.var(1, keepdims=True)
            u = linear((h - mean) / np.sqrt(variance + 1e-5), block.body[1])
            h = h + linear(u * 0.5 * (1 + erf(u / np.sqrt(2))), block.body[3])
        return h

    codes = linear(blocks(linear(x.flatten(1).numpy(), encoder[1]), encoder[2:4]), encoder[4])
    np.testing.assert_allclose(arrays(encoder(x))[0], codes, **EXACT)
    z = torch.from_numpy(codes[:, :2])
    decoded = linear(blocks(linear(codes[:, :2], decoder[0]), decoder[1:3]), decoder[3])
    np.testing.assert_allclose(arrays(decoder(z))[0].reshape(4, -1), decoded, **EXACT)


def test_convolutions_over_time_by_loops(nets):
    encoder, decoder = (net.double() for net in nets.temporal((2, 16), 3, 3, channels=3))
    x = torch.rand((2, 2, 16), generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def halved(h, layer):
        weight, bias = arrays(layer.weight, layer.bias)  # (out, in, 4), (out,)
        padded = np.pad(h, ((0, 0), (0, 0), (1, 1)))
        steps = range(0, padded.shape[2] - 3, 2)
        return np.stack([np.einsum("bik,oik->bo", padded[:, :, at : at + 4], weight) + bias for at in steps], axis=2)

    def doubled(h, layer):
        weight, bias = arrays(layer.weight, layer.bias)  # (in, out, 4), (out,)
        out = np.zeros((len(h), weight.shape[1], 2 * h.shape[2] + 2))
        for at in range(h.shape[2]):
            out[:, :, 2 * at : 2 * at + 4] += np.einsum("bi,iok->bok", h[:, :, at], weight)
        return out[:, :, 1:-1] + bias[:, None]

    def gelu(u):
        return u * 0.5 * (1 + erf(u / np.sqrt(2)))

    features = gelu(halved(gelu(halved(x.numpy(), encoder[0])), encoder[2]))
    weight, bias = arrays(encoder[5].weight, encoder[5].bias)
    np.testing.assert_allclose(arrays(encoder(x))[0], features.reshape(2, -1) @ weight.T + bias, **EXACT)
    inner = decoder[:3](torch.zeros(2, 3, dtype=torch.float64) + 1)
    expected = doubled(gelu(doubled(arrays(inner)[0], decoder[3])), decoder[5])
    np.testing.assert_allclose(arrays(decoder[3:](inner))[0], expected, **EXACT)
    with pytest.raises(Incompatible, match="T a multiple of 4"):
        nets.temporal((1, 8, 8), 3, 3)


def test_the_vq_is_evaluated_as_one():
    model = evaluated_model(model_of("my-vq").float(), "my-vq", 40, torch.device("cpu"))
    assert model.discrete and not model.euclidean
