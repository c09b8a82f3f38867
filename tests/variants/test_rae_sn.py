"""RAE-SN: the decoder's weights have largest singular value 1; with such weights and no penalty it is the plain AE."""

import torch
from zoo import NAT, assert_other_loss, data, model_of, number, outcome, terms


def iterated(model, steps=300):
    """The model after so many steps of power iteration alone."""
    for _ in range(steps):
        for name, value in outcome(model, data())[1].items():
            model.get_buffer(name).copy_(value)
    return model


def test_weights_have_largest_singular_value_one():
    model = iterated(model_of("rae-sn"))
    for name, weight in model.normalised()[0].items():
        raw = model.decoder.get_parameter(name)
        assert torch.allclose(torch.linalg.svdvals(weight)[0], torch.ones(()).double(), atol=1e-8), name
        assert torch.allclose(weight, raw / torch.linalg.svdvals(raw)[0], rtol=1e-7), name


def test_without_penalty_it_is_the_plain_autoencoder_with_the_normalised_decoder():
    model, plain = iterated(model_of("rae-sn", weight=0.0)), model_of("ae")
    with torch.no_grad():
        for name in model.matrices:
            for each in (model, plain):
                weight = each.decoder.get_parameter(name)
                weight /= torch.linalg.svdvals(weight)[0]
    x = data()
    assert torch.allclose(terms(model, x)["loss"], terms(plain, x)["loss"], rtol=1e-9)
    assert_other_loss(model_of("rae-sn"), model_of("ae"))


def test_the_decoders_scale_does_not_matter():
    one, other = iterated(model_of("rae-sn")), iterated(model_of("rae-sn"))
    with torch.no_grad():
        for name in other.matrices:
            other.decoder.get_parameter(name).mul_(7)
    x = data()
    assert torch.allclose(one.decode(one.encode(x)), other.decode(other.encode(x)), rtol=1e-9)


def test_the_loss_adds_half_the_squared_code():
    model, x = model_of("rae-sn", weight=2.0), data()
    cost = model.reconstruction_cost(model.encode(x), x)
    assert torch.allclose(terms(model, x)["loss"], cost + NAT * model.encode(x).square().sum(1), rtol=1e-12)


def test_the_gradient_is_that_of_the_normalised_weight():
    """∂(W/σ)/∂W by finite differences, σ by SVD, once the iteration has converged."""
    model, x, step = iterated(model_of("rae-sn")), data(), 1e-6
    name = model.matrices[0]
    weight = model.decoder.get_parameter(name)
    (slope,) = torch.autograd.grad(terms(model, x)["loss"].sum(), [weight])

    def loss_at(value):
        other = model_of("rae-sn")
        other.load_state_dict(model.state_dict())
        with torch.no_grad():
            other.decoder.get_parameter(name)[0, 1] = value
            return terms(iterated(other, 50), x)["loss"].sum()

    centre = number(weight[0, 1].detach())
    numeric = (loss_at(centre + step) - loss_at(centre - step)) / (2 * step)
    assert torch.allclose(slope[0, 1], numeric, rtol=1e-5)
