"""Planar posterior: no steps is the VAE; the log-determinant is that of the Jacobian; steps stay invertible."""

import torch
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, terms

from bench.parts.flows import planar


def test_without_steps_it_is_a_one_draw_vae():
    assert_same_loss(model_of("planar", steps=0), model_of("iwae", samples=1), tolerance=1e-13)
    assert_other_loss(model_of("planar", steps=2), model_of("iwae", samples=1))


def test_maps_without_direction_are_the_vae_too():
    model, plain, x = model_of("planar", steps=2), model_of("iwae", samples=1), data()
    with torch.no_grad():
        for block in (3, 5):  # w = 0 makes a map the shift u tanh(b), and b starts at 0
            model.encoder[-1].weight[3 * block : 3 * block + 3] = 0
            model.encoder[-1].bias[3 * block : 3 * block + 3] = 0
        shared = model.state_dict()
        for name in ("encoder.3.weight", "encoder.3.bias"):
            shared[name] = shared[name][:6]
        plain.load_state_dict(shared, strict=False)
    assert torch.allclose(terms(model, x, Draw64(1))["loss"], terms(plain, x, Draw64(1))["loss"], rtol=1e-9)


def test_the_log_determinant_is_that_of_the_jacobian_and_never_flips():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        z, u, w = (torch.randn(1, 3, generator=generator).double() * 3 for _ in range(3))
        offset = torch.randn((), generator=generator).double()
        jacobian = torch.autograd.functional.jacobian(lambda code: planar(code[None], u, w, offset)[0][0], z[0])  # noqa: B023
        sign, log_size = torch.linalg.slogdet(jacobian)
        assert sign > 0
        assert torch.allclose(planar(z, u, w, offset)[1], log_size, rtol=1e-8, atol=1e-10)


def test_the_density_of_a_draw_is_the_base_density_over_the_volume_change():
    model, x, draw = model_of("planar", steps=3, beta=2.0), data(2), Draw64()
    with torch.no_grad():
        model.encoder[-1].weight.mul_(5)
    found = terms(model, x, draw)
    mean, log_variance, flow = model.split(x)
    start = mean + (0.5 * log_variance).exp() * draw.noted[0][0]
    for row in range(2):

        def one(code, row=row):
            return flow(code.expand(2, 3))[0][row]

        jacobian = torch.autograd.functional.jacobian(one, start[row].detach())
        base = torch.distributions.Normal(mean[row], (0.5 * log_variance[row]).exp()).log_prob(start[row]).sum()
        log_q = base - torch.linalg.slogdet(jacobian)[1]
        log_p = torch.distributions.Normal(0.0, 1.0).log_prob(one(start[row])).sum()
        assert torch.allclose(found["kl"][row], log_q - log_p, rtol=1e-9)
    assert torch.allclose(found["loss"], found["reconstruction"] + 2.0 * NAT * found["kl"], rtol=1e-12)


def test_offsets_are_learned():
    model = model_of("planar")
    found = torch.autograd.grad(terms(model, data())["loss"].sum(), list(model.offsets))
    assert all(bool(gradient != 0) for gradient in found)
