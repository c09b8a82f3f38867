"""IAF: no steps is the VAE; the log-determinant is that of the Jacobian, which is triangular."""

import torch
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, terms


def test_without_steps_it_is_a_one_draw_vae():
    assert_same_loss(model_of("iaf", steps=0), model_of("iwae", samples=1), tolerance=1e-13)
    assert_other_loss(model_of("iaf", steps=1), model_of("iwae", samples=1))


def loosened(model):
    """The model with steps that move codes far and depend on the context."""
    with torch.no_grad():
        for value in model.steps.parameters():
            value.add_(torch.randn(value.shape, generator=torch.Generator().manual_seed(2)).double() * 0.8)
    return model


def test_a_step_is_autoregressive_and_its_log_determinant_right():
    model, x = loosened(model_of("iaf", steps=1)), data(1)
    context = model.split_head(x)[2]
    for z in torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double():
        jacobian = torch.autograd.functional.jacobian(lambda code: model.steps[0](code[None], context)[0][0], z)
        assert torch.equal(jacobian.triu(1), torch.zeros(3, 3).double())
        assert jacobian[(1, 2, 2), (0, 0, 1)].abs().min() > 1e-6
        change = model.steps[0](z[None], context)[1]
        assert torch.allclose(change, torch.linalg.slogdet(jacobian)[1], rtol=1e-10)


def test_the_density_of_a_draw_is_the_base_density_over_the_volume_change():
    model, x, draw = loosened(model_of("iaf", steps=3)), data(2), Draw64()
    found = terms(model, x, draw)
    mean, log_variance, flow = model.split(x)
    start = mean + (0.5 * log_variance).exp() * draw.noted[0][0]
    for row in range(2):

        def one(code, row=row):
            return flow(code.expand(2, 3))[0][row]

        jacobian = torch.autograd.functional.jacobian(one, start[row].detach())
        base = torch.distributions.Normal(mean[row], (0.5 * log_variance[row]).exp()).log_prob(start[row]).sum()
        log_q = base - torch.linalg.slogdet(jacobian)[1]
        z = one(start[row])
        log_p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum()
        assert torch.allclose(found["kl"][row], log_q - log_p, rtol=1e-9)
    assert torch.allclose(found["loss"], found["reconstruction"] + NAT * found["kl"], rtol=1e-12)


def test_steps_follow_each_other_reversed_and_all_see_the_context():
    model, x = loosened(model_of("iaf", steps=3)), data()
    mean, _, context = model.split_head(x)
    z, change = mean, 0
    for step in model.steps:
        z, more = step(z, context)
        z, change = z[:, [2, 1, 0]], change + more
    found, log_change = model.split(x)[2](mean)
    assert torch.allclose(found, z, rtol=1e-12) and torch.allclose(log_change, change, rtol=1e-12)
    assert torch.equal(model.encode(x), found)


def test_draws_of_the_posterior_come_with_their_density():
    model, x = loosened(model_of("iaf")), data()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z, log_q = model.posterior(x).sample_and_log_prob((4,))
        torch.manual_seed(0)
        noise = torch.randn(4, 7, 3, dtype=torch.float64)
    mean, log_variance, flow = model.split(x)
    expected, change = flow(mean + (0.5 * log_variance).exp() * noise)
    base = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    assert torch.allclose(z, expected, rtol=1e-12) and z.shape == (4, 7, 3)
    log_base = base.log_prob(mean + (0.5 * log_variance).exp() * noise).sum(-1)
    assert torch.allclose(log_q, log_base - change, rtol=1e-10)


def test_a_density_integrates_to_one_in_one_dimension():
    """With one dimension a step is linear: q(z|x) is a normal whose moments are known."""
    model, x = loosened(model_of("iaf", latent=1, steps=2)), data(1)
    mean, log_variance, flow = model.split(x)
    centre, change = flow(mean)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z, log_q = model.posterior(x).sample_and_log_prob((10,))
    spread = (0.5 * log_variance).exp() * change.exp()
    assert torch.allclose(log_q, torch.distributions.Normal(centre, spread).log_prob(z).sum(-1), rtol=1e-9)
