"""Every discovered variant passes every conformance check; planted faults fail theirs."""

import numpy as np
import pytest
import torch

from bench.conformance.variant import CHECKS, check_variant
from bench.contracts.variant import Variant
from bench.errors import Incompatible
from bench.spec.registry import Registry

REGISTRY = Registry.discover()


@pytest.mark.parametrize("name", REGISTRY.names("variant"))
def test_every_variant_conforms(name):
    checks = check_variant(REGISTRY.load("variant", name))
    failed = [f"{check.name}: {check.detail}" for check in checks if check.passed is False]
    assert not failed, failed
    assert len(checks) == len(CHECKS) and all(check.ran for check in checks)


class Base(Variant):
    """A correct plain autoencoder for the faults below to spoil."""

    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encoder(batch.x), batch.x)}

    def encode(self, x):
        return self.encoder(x)


def faulty(**methods):
    return type("Faulty", (Base,), methods)


def scalar_loss(self, batch, draw):
    return {"loss": self.reconstruction_cost(self.encoder(batch.x), batch.x).mean()}


def unseeded(self, context):
    self.register_buffer("codebook", torch.from_numpy(np.random.default_rng().normal(size=3)).float())


def constant(self, context):
    for parameter in self.parameters():
        parameter.data.fill_(0.1)


def own_noise(self, batch, draw):
    z = self.encoder(batch.x)
    return {"loss": self.reconstruction_cost(z + torch.randn_like(z), batch.x)}


def writes_data(self, batch, draw):
    batch.x.mul_(0.5)
    return {"loss": self.reconstruction_cost(self.encoder(batch.x), batch.x)}


def branches(self, batch, draw):
    cost = self.reconstruction_cost(self.encoder(batch.x), batch.x)
    return {"loss": cost if cost.sum().item() > 0 else -cost}


def nan_loss(self, batch, draw):
    return {"loss": self.reconstruction_cost(self.encoder(batch.x), batch.x) * float("nan")}


def batch_statistics(self, x):
    z = self.encoder(x)
    return z + torch.arange(len(x))[:, None]


def counting(self, batch, draw):
    self.calls = getattr(self, "calls", 0) + 1
    return {"loss": self.reconstruction_cost(self.encoder(batch.x), batch.x)}


def rebinding(self, batch, draw):
    self.codebook = self.codebook * 0.9
    return {"loss": self.reconstruction_cost(self.encoder(batch.x), batch.x)}


def copying(self, batch, draw):
    cost = self.reconstruction_cost(self.encoder(batch.x) + self.codebook, batch.x)
    self.codebook.copy_(self.codebook * 0.9 + 0.1)
    return {"loss": cost}


def returning(self, batch, draw):
    cost = self.reconstruction_cost(self.encoder(batch.x) + self.codebook, batch.x)
    return {"loss": cost}, {"codebook": self.codebook * 0.9 + 0.1}


def codebook(self, context):
    self.register_buffer("codebook", torch.zeros(context.latent_dim))


def drawn(self, context):
    self.centre = torch.randn(context.latent_dim)


FAULTS = {
    "what outlives a call lies in buffers": [
        {"loss": counting},
        {"setup": codebook, "loss": rebinding},
        {"setup": drawn},
    ],
    "loss returns finite per-example terms for every cost": [{"loss": scalar_loss}, {"loss": nan_loss}],
    "weights follow from the seed": [{"setup": unseeded}, {"setup": constant}],
    "all randomness comes from draw": [{"loss": own_noise}],
    "the data are left untouched": [{"loss": writes_data}],
    "encode, decode, posterior and prior have the stated shapes": [{"encode": lambda self, x: self.encoder(x)[:, :1]}],
    "every parameter has a player, every player a gradient": [{"players": {"loss": ("encoder.",)}}],
    "encode treats examples one by one": [{"encode": batch_statistics}],
    "seeds in a stack equal seeds alone": [{"loss": branches}],
    "a short training stays finite and changes the weights": [{"loss": nan_loss}],
}


@pytest.mark.parametrize(("check", "methods"), [(name, fault) for name, faults in FAULTS.items() for fault in faults])
def test_each_check_finds_its_planted_fault(check, methods):
    outcome = {result.name: result for result in check_variant(faulty(**methods))}
    assert outcome[check].passed is False, outcome[check]
    assert outcome[check].detail


def test_the_unspoilt_base_passes():
    assert all(check.passed is not False for check in check_variant(Base))


@pytest.mark.parametrize("loss", [copying, returning])
def test_state_in_buffers_passes(loss):
    failed = [check for check in check_variant(faulty(setup=codebook, loss=loss)) if check.passed is False]
    assert not failed


def moving_codebook(returned):
    """A codebook that follows the mean code, written in place or `returned`."""

    def setup(self, context):
        self.register_buffer("codebook", torch.zeros(context.latent_dim))

    def loss(self, batch, draw):
        z = self.encoder(batch.x)
        new = 0.9 * self.codebook + 0.1 * z.detach().mean(0)
        far = (z - self.codebook).square().sum(-1)
        terms = {"loss": self.reconstruction_cost(z, batch.x) + far, "far": far, "near": far / 2}
        if returned:
            return terms, {"codebook": new}
        self.codebook.copy_(new)
        return terms

    return faulty(setup=setup, loss=loss)


@pytest.mark.parametrize("returned", [True, False])
def test_a_codebook_that_moves_in_a_buffer_is_no_fault(returned):
    assert [check for check in check_variant(moving_codebook(returned)) if not check.passed] == []


def of(change):
    def loss(self, batch, draw):
        cost = self.reconstruction_cost(self.encoder(batch.x), batch.x)
        return {"loss": change(cost, batch, self)}

    return faulty(loss=loss)


def squared_slope(cost, batch, model):
    x = batch.x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model.encoder(x).sum(), x, create_graph=True)
    return cost + slope.flatten(1).square().sum(1)


UNSTACKABLE = {
    "calls .item()": lambda cost, batch, model: cost * (1.0 if cost.sum().item() > 0 else -1.0),
    "branches on a tensor's value": lambda cost, batch, model: cost if cost.sum() > 0 else -cost,
    "takes a tensor's memory": lambda cost, batch, model: cost + float(cost.detach().numpy()[0]),
    "differentiates inside itself": squared_slope,
    "makes a shape from a tensor's values": lambda cost, batch, model: cost + 0 * cost[cost.detach() > 0].sum(),
}


@pytest.mark.parametrize("said", UNSTACKABLE)
def test_what_cannot_be_stacked_is_told_the_word_that_says_so(said):
    kind = of(UNSTACKABLE[said])
    checks = check_variant(kind)
    details = [check.detail for check in checks if check.passed is False and not check.name.startswith("gradients")]
    assert details and all(f"Faulty.loss {said}" in text and "stackable = False" in text for text in details), details
    assert not any("vmap" in text for text in details)
    kind.stackable, kind.straight_through = False, True  # what goes through NumPy has no gradient
    assert [check for check in check_variant(kind) if check.passed is False] == []


def test_costs_that_do_not_go_with_a_variant_are_named_and_the_others_are_tried():
    def setup(self, context):
        if context.cost.name != "bernoulli":
            raise Incompatible(f"no {context.cost.name}")

    checks = check_variant(faulty(setup=setup))
    assert all(check.passed for check in checks)
    (detail,) = [check.detail for check in checks if check.name.startswith("loss returns")]
    assert detail == "not under squared cost (no squared); not under gaussian cost (no gaussian)"
