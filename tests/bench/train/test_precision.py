"""Precision: products in training take the format that is asked for, and nothing else does."""

import copy

import numpy as np
import pytest
import torch
from runs import execute
from torch.utils._python_dispatch import TorchDispatchMode

from bench.contracts.variant import Batch, Context, Variant
from bench.losses import ReconstructionCost
from bench.networks.build import attach
from bench.networks.conv import conv
from bench.networks.factories import mlp
from bench.networks.linear import Linear
from bench.spec.registry import Registry
from bench.train import TrainPlan, loop, precision, train
from bench.train.batches import Rows

REGISTRY = Registry.discover()
CPU = torch.device("cpu")
FORMATS = ("float32", "bf16")
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "convolution", "convolution_backward", "mkldnn_linear")


@pytest.fixture(scope="module")
def digits():
    split = REGISTRY.load("dataset", "digits")()
    return split.train, split.validation


def trained(kind, seeds, data, how, steps=80, network=None):
    cost = ReconstructionCost("squared")
    shape, n = data[0].shape[1:], len(data[0])
    networks = network or mlp([32])
    models = [attach(kind(), Context(shape, 4, cost, networks, seed, n, None, lambda: 0.08)) for seed in seeds]
    rows, validation = (Rows(part, None, CPU) for part in data)
    plan = TrainPlan(steps, 64, "adam", {"lr": 3e-3}, "cosine", precision=how, record_from=0)
    return train(models, seeds, rows, validation, plan, CPU)[0]


class Formats(TorchDispatchMode):
    """Notes the types of the factors of every product, and of the results of everything else."""

    def __init__(self):
        super().__init__()
        self.products, self.others = set(), set()

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        name = function.name().removeprefix("aten::").partition(".")[0]
        if name in PRODUCTS:
            self.products |= {value.dtype for value in arguments if isinstance(value, torch.Tensor)}
        elif name.startswith(("exp", "addcmul", "_fused_adam")) and isinstance(result, torch.Tensor):
            self.others.add(result.dtype)
        return result


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)], ids=["alone", "stacked"])
def test_bf16_trains_to_nearly_the_same_loss_with_other_bits(digits, seeds):
    kind = REGISTRY.load("variant", "vae")
    plain, half = (trained(kind, seeds, digits, how, steps=300) for how in ("float32", "bf16"))
    for one, other in zip(plain, half, strict=True):
        a, b = one.history["validation_loss"], other.history["validation_loss"]
        assert a[-1] != b[-1]
        assert b[-1] == pytest.approx(a[-1], rel=0.02)
        assert a[-1] < 0.6 * a[0]  # so that agreement means that both have learnt
        assert {value.dtype for value in other.variant.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(("how", "expected"), [("float32", {torch.float32}), ("bf16", {torch.bfloat16})])
@pytest.mark.parametrize("seeds", [(0,), (0, 1)], ids=["alone", "stacked"])
@pytest.mark.parametrize("network", [mlp([32]), conv([4])], ids=["mlp", "conv"])
def test_products_forward_and_backward_run_in_the_format_asked_for(digits, how, expected, seeds, network):
    cost = ReconstructionCost("squared")
    kind = REGISTRY.load("variant", "vae")
    models = [attach(kind(), Context((1, 8, 8), 4, cost, network, s, 64, None, lambda: 0.08)) for s in seeds]
    rows = Rows(digits[0][:128], None, CPU)
    plan = TrainPlan(2, 64, "adam", {"lr": 3e-3}, "constant", precision=how, record_from=0)
    run = loop._Run(models, seeds, rows, rows, plan, CPU)
    run.one_step()  # the first finds out in float32 what the loss draws
    formats = set()
    run.update = lambda due, gradients, scale: formats.update(gradient.dtype for gradient in gradients.values())
    with Formats() as seen:
        run.one_step()
    assert seen.products == expected
    assert seen.others == formats == {torch.float32}
    run.stack.train_mode(False)
    with Formats() as seen:
        run.validation()
    assert seen.products == {torch.float32}


def batch_of(x):
    return Batch(x, None, torch.zeros(()), len(x))


class Peculiar(Variant):
    """Multiplies matrices of its own in `loss`, and has networks in a list."""

    def setup(self, context):
        self.critics = torch.nn.ModuleList([torch.nn.Linear(context.latent_dim, 3)])

    def loss(self, batch, draw):
        z = self.encoder(batch.x)
        scores = self.critics[0](z)
        self.formats = (z.dtype, scores.dtype, (z @ z.T).dtype)
        return {"loss": self.reconstruction_cost(z, batch.x) + (z @ z.T).mean() + scores.mean()}

    def encode(self, x):
        return self.encoder(x)


def normed(data_shape, head_width, latent_dim):
    """Networks of stock layers, some of which take no bfloat16 input beside their float32 weights."""
    n = int(np.prod(data_shape))
    encoder = [torch.nn.Flatten(), torch.nn.Linear(n, 16), torch.nn.LayerNorm(16), torch.nn.GELU()]
    decoder = [
        torch.nn.Linear(latent_dim, 16),
        torch.nn.Softmax(-1),
        torch.nn.Linear(16, n),
        torch.nn.Unflatten(1, data_shape),
    ]
    return torch.nn.Sequential(*encoder, torch.nn.Linear(16, head_width)), torch.nn.Sequential(*decoder)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)], ids=["alone", "stacked"])
def test_stock_layers_train_in_bf16(digits, seeds):
    kind = REGISTRY.load("variant", "vae")
    plain, half = (trained(kind, seeds, digits, how, 60, normed)[-1].history["validation_loss"] for how in FORMATS)
    assert half[-1] != plain[-1] and half[-1] == pytest.approx(plain[-1], rel=0.02)


def test_what_a_plugin_computes_in_its_loss_is_float32(digits):
    model = attach(Peculiar(), Context((1, 8, 8), 4, ReconstructionCost("squared"), mlp([8]), 0, 64, None, lambda: 1.0))
    x = torch.from_numpy(np.array(digits[0][:16]))
    with precision.network_products("bf16", model, CPU), Formats() as seen:
        loss = model.loss(batch_of(x), None)
    assert model.formats == (torch.float32,) * 3
    assert seen.products == {torch.bfloat16, torch.float32}
    assert loss["loss"].dtype == torch.float32


@pytest.mark.parametrize("seeds", [(0,), (0, 1)], ids=["alone", "stacked"])
def test_a_bf16_step_is_recorded_and_replayed_to_the_same_bits(digits, seeds, monkeypatch):
    made = []

    class Kept(loop.Gradients):
        def __init__(self, *arguments, compiled, **given):
            super().__init__(*arguments, replay=bool(made), compiled=compiled)
            made.append(self)

    monkeypatch.setattr(loop, "Gradients", Kept)
    kind = REGISTRY.load("variant", "vae")
    ordinary, replayed = (trained(kind, seeds, digits, "bf16") for _ in range(2))
    assert any(made[1].recorder.trusts())
    for one, other in zip(ordinary, replayed, strict=True):
        for name, value in one.variant.state_dict().items():
            assert torch.equal(value, other.variant.state_dict()[name]), name


class Sequential(REGISTRY.load("variant", "vae")):
    """The same variant on the path of those that cannot be stacked."""

    stackable = False


def test_a_variant_that_is_not_stackable_trains_in_bf16(digits):
    plain, half = (trained(Sequential, (0,), digits, how)[0].history["train_loss"] for how in ("float32", "bf16"))
    assert plain[-1] != half[-1] and half[-1] == pytest.approx(plain[-1], rel=0.05)


class Failing(Variant):
    """Fails in the middle of a step."""

    def loss(self, batch, draw):
        if self.encoder(batch.x).requires_grad:
            raise ZeroDivisionError
        return {"loss": batch.x.sum((1, 2, 3))}


def test_networks_are_as_before_afterwards_even_after_an_error(digits):
    model = attach(Failing(), Context((1, 8, 8), 4, ReconstructionCost("squared"), mlp([8]), 0, 64, None, lambda: 1.0))
    model.decoder.forward = own = model.decoder.forward
    before = copy.copy(vars(model.encoder))
    with pytest.raises(ZeroDivisionError), precision.network_products("bf16", model, CPU):
        model.loss(batch_of(torch.zeros(2, 1, 8, 8)), None)
    assert vars(model.encoder) == before and model.decoder.forward is own
    assert model.encoder(torch.zeros(2, 1, 8, 8)).dtype == torch.float32
    assert not torch.is_autocast_enabled("cpu")


def test_the_stacked_layer_still_computes_on_devices_without_autocast():
    with torch.device("meta"):
        assert Linear(3, 2)(torch.zeros(4, 3)).shape == (4, 2)


def test_tf32_is_switched_on_for_a_gpu_and_off_again_even_after_an_error():
    """Convolutions too, which torch would otherwise round to TF32 whatever the precision is called."""

    def state():
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    before = state()
    seen = []
    for how, device in (("tf32", "cuda"), ("tf32", "cpu"), ("float32", "cuda"), ("bf16", "cuda")):
        with pytest.raises(ZeroDivisionError), precision.tf32_products(how, torch.device(device)):
            seen.append(state())
            raise ZeroDivisionError
        assert state() == before
    assert seen == [("high", True), before, ("highest", False), ("highest", False)]


def test_training_has_tf32_on_in_its_steps_and_off_in_its_validation(digits, monkeypatch):
    seen = {(loop._Run, "one_step"): set(), (loop.Validation, "__call__"): set()}
    monkeypatch.setattr(loop, "tf32_products", lambda how, device: precision.tf32_products(how, torch.device("cuda")))
    for (kind, name), noted in seen.items():
        plain = getattr(kind, name)

        def watched(*arguments, plain=plain, noted=noted):
            noted.add(torch.get_float32_matmul_precision())
            return plain(*arguments)

        monkeypatch.setattr(kind, name, watched)
    before = torch.get_float32_matmul_precision()
    trained(REGISTRY.load("variant", "ae"), (0,), digits, "tf32", steps=3)
    assert list(seen.values()) == [{"high"}, {before}]
    with pytest.raises(ZeroDivisionError):
        trained(Failing, (0,), digits, "tf32", steps=3)
    assert torch.get_float32_matmul_precision() == before


def test_tf32_changes_nothing_on_a_cpu(digits):
    kind = REGISTRY.load("variant", "vae")
    one, other = (trained(kind, (0, 1), digits, how, steps=30)[1].variant for how in ("float32", "tf32"))
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_a_run_in_bf16_says_so_in_its_report(tmp_path):
    execute(tmp_path / "run", variant=["ae"], seeds=1, steps=5, precision="bf16")
    text = (tmp_path / "run" / "report.md").read_text()
    assert "bf16 products of the networks in training" in text and "--precision bf16" in text
    assert "precision: bf16" in (tmp_path / "run" / "spec.yaml").read_text()
