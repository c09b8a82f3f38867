"""Gates that noise cannot move: operations, operators per training step, parameters, bytes allocated, host waits."""

import pytest
import torch
from dispatched import dispatched, recurring
from loops import CPU, DIGITS_STACK, MNIST, Job, bare_step, models, suite_step
from torch.utils.flop_counter import FlopCounterMode

from bench.losses import ReconstructionCost
from bench.throughput.workload import Inputs, OnePass, Shape
from bench.train.batches import Rows
from bench.train.replay.compiler import Compiler
from bench.train.stack import flops_per_step

VARIANTS = ("ae", "stochastic-ae", "vae")
#: The most operators of one training step once it has settled (measured with torch 2.14, plus a tenth for others).
MOST_OPERATORS = {"ae": 57, "stochastic-ae": 76, "vae": 97}
EAGER = Compiler(False, "eager", "")


@pytest.mark.parametrize("variant", VARIANTS)
def test_flops_are_those_of_the_matrix_products(variant):
    """Forward, weight gradients, and input gradients of all layers but the first: nothing is computed twice."""
    job = Job(variant)
    assert flops_per_step(models(job)[0], Rows(job.data(), None, CPU), job.batch_size, CPU) == job.flops


def test_flops_of_several_draws():
    """S draws of one code run the decoder S times, the encoder once."""
    job = Job("vae")
    encoder, decoder = job.layers[:2], job.layers[2:]
    products = [2 * job.batch_size * i * o for i, o in encoder] + [2 * 5 * job.batch_size * i * o for i, o in decoder]
    found = flops_per_step(models(job, samples=5)[0], Rows(job.data(), None, CPU), job.batch_size, CPU)
    assert found == 3 * sum(products) - products[0]


@pytest.mark.parametrize("job", [MNIST, DIGITS_STACK], ids=["one model", "a stack of ten"])
def test_flops_of_a_whole_step(job):
    """What the training loop runs, optimiser and history included, has no product beyond the model's own."""
    step = suite_step(job)
    with FlopCounterMode(display=False) as counter:
        step()
    assert counter.get_total_flops() == job.width * job.flops


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters(variant):
    job = Job(variant)
    expected = sum(inputs * outputs + outputs for inputs, outputs in job.layers)
    assert sum(parameter.numel() for parameter in models(job)[0].parameters()) == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_operators_per_step(variant):
    counts = recurring(suite_step(Job(variant)))
    assert counts.total <= MOST_OPERATORS[variant], counts.operators.most_common(12)


def test_a_bare_loop_dispatches_as_many():
    """The suite's step keeps history, schedules and streams per seed, and still needs no more operators."""
    job = Job()
    bare = bare_step(job)
    bare()
    assert recurring(suite_step(job)).total <= recurring(bare).total * 1.25


@pytest.mark.parametrize("width", [5, 10])
def test_operators_do_not_grow_with_the_stack(width):
    two = recurring(suite_step(Job(width=2)))
    many = recurring(suite_step(Job(width=width)))
    assert many.operators == two.operators


@pytest.mark.parametrize("job", [Job(), MNIST, DIGITS_STACK], ids=["digits", "mnist", "stack"])
def test_no_step_waits_for_the_host(job):
    """`.item()`, `bool(tensor)` and copies to the host all read a scalar or move data across devices."""
    counts = dispatched(suite_step(job))
    assert not {"aten._local_scalar_dense.default", "aten._to_copy.default", "aten.nonzero.default"} & set(
        counts.operators
    )


@pytest.mark.parametrize(("width", "share"), [(1, 3.6), (10, 4.5)])
def test_bytes_allocated_per_step(width, share):
    """Per model: the gradients of the parameters, and so many times the outputs of its layers.

    Outputs, their gradients and the gradients before the activations make three; a stack keeps activations apart.
    """
    job = Job(width=width)
    outputs = 4 * job.batch_size * sum(outputs for _, outputs in job.layers)
    parameters = 4 * sum(inputs * outputs + outputs for inputs, outputs in job.layers)
    assert recurring(suite_step(job)).allocated <= width * (share * outputs + parameters)


def test_memory_does_not_grow_from_step_to_step():
    step = suite_step(Job())
    assert recurring(step).allocated == recurring(step).allocated


@pytest.mark.parametrize("cost", ["squared", "bernoulli"])
def test_the_core_reuses_its_buffers(cost):
    """The one-pass kernels allocate nothing as large as the data, only halves of it for the product of factors."""
    shape = Shape("vae", ReconstructionCost(cost), 64, 784, 20)
    one_pass = OnePass(Inputs(shape, CPU), True, EAGER)
    one_pass()
    counts = dispatched(one_pass)
    data = 4 * shape.batch_size * shape.dim
    assert counts.largest <= (data // 2 if cost == "bernoulli" else data // 8)


def test_the_losses_walk_the_data_once_per_result():
    """Squared cost under autograd: the difference, its norm and the gradient; nothing else of the data's size."""
    params, x = torch.randn(64, 784, requires_grad=True), torch.rand(64, 784)
    counts = dispatched(lambda: torch.autograd.grad(ReconstructionCost("squared")(params, x).sum(), params))
    assert counts.allocated < 2.1 * params.nbytes


def test_a_planted_operator_is_seen():
    """The gates above notice ten more passes over a layer's output."""
    job = Job("ae")
    step = suite_step(job)
    extra = torch.randn(job.batch_size, job.hidden)

    def slower():
        step()
        for _ in range(10):
            extra.exp()

    plain, planted = recurring(step), recurring(slower)
    assert planted.total == plain.total + 10 > MOST_OPERATORS["ae"]
    assert planted.allocated == plain.allocated + 10 * extra.nbytes
