"""Speed gates as ratios within one process: the training step and the core against loops that are kept here.

Limits are what was measured on two cores plus a margin below 30 %, so that a slowdown of that size cannot pass. Each
test also hands the subject to pytest-benchmark, which can save and compare times between commits.
"""

import pytest
from loops import CPU, DIGITS_STACK, MNIST, Job, bare_step, matrix_products, suite_step
from paired import compare, repeated, require

from bench.losses import ReconstructionCost
from bench.throughput.workload import Inputs, OnePass, Shape, idiom, losses
from bench.train.device import keep_freed_memory
from bench.train.replay.compiler import Compiler

EAGER = Compiler(False, "eager", "")


@pytest.fixture(autouse=True)
def as_in_training(one_thread):
    """One thread is steadier; freed memory is kept, as in training, whichever tests ran before in this process."""
    keep_freed_memory()


def gate(benchmark, subject, reference, limit, times):
    """Require that `subject` takes at most `limit` times as long as `reference`, each repeated so many times."""
    verdict = compare(repeated(subject, times), repeated(reference, times), limit)
    benchmark.extra_info.update(ratio=verdict.ratio, limit=limit, verdict=str(verdict))
    benchmark.pedantic(subject, rounds=5, iterations=times)
    require(verdict)


@pytest.mark.parametrize(("job", "limit"), [(MNIST, 1.0), (Job(dim=784, hidden=400, latent_dim=20), 1.15)],
                         ids=["bernoulli", "squared"])  # fmt: skip
def test_a_training_step_against_a_bare_loop(benchmark, job, limit):
    """One model of 784-400-20: history, schedule and seeded streams included, no slower than the plain loop."""
    gate(benchmark, suite_step(job), bare_step(job), limit, 3)


def test_a_training_step_against_its_matrix_products(benchmark):
    """784-400-20 with Bernoulli cost: everything but the products is less than two thirds of their time."""
    gate(benchmark, suite_step(MNIST), matrix_products(MNIST), 1.6, 3)


def test_ten_stacked_seeds_against_their_matrix_products(benchmark):
    gate(benchmark, suite_step(DIGITS_STACK), matrix_products(DIGITS_STACK), 1.6, 3)


def test_ten_stacked_seeds_against_ten_single_ones(benchmark):
    """Stacking pays on small networks: one stacked step costs less than ten steps of one model."""
    single = suite_step(Job())
    gate(benchmark, suite_step(DIGITS_STACK), repeated(single, 10), 0.9, 2)


# The idiom's Bernoulli cost is no steady reference: its log1p was measured ten times slower in a fresh process than
# after other libraries have run (ratios 0.27 and 0.96 of the same code). Limits are those of the fast state; in the
# slow one these two gates see a slowdown of 30 % only if it adds up to much more.
@pytest.mark.parametrize(("cost", "limit"), [("bernoulli", 1.15), ("squared", 1.75)])
def test_losses_against_the_idiom(benchmark, cost, limit):
    """The functions that training runs, under autograd, K = 1; a squared cost this small is all bookkeeping."""
    inputs = Inputs(Shape("vae", ReconstructionCost(cost), 512, 784, 20), CPU)
    gate(benchmark, losses(inputs, True), idiom(inputs, True), limit, 5)


@pytest.mark.parametrize(("cost", "limit"), [("bernoulli", 0.7), ("squared", 0.9)])
def test_one_pass_without_a_compiler_against_the_idiom(benchmark, cost, limit):
    inputs = Inputs(Shape("vae", ReconstructionCost(cost), 512, 784, 20), CPU)
    gate(benchmark, OnePass(inputs, True, EAGER), idiom(inputs, True), limit, 5)


def test_a_training_step_that_became_30_percent_slower_is_caught():
    """Thirteen steps against ten: never "ok"."""
    step = suite_step(Job())
    verdict = compare(repeated(step, 13), repeated(step, 10), 1.15)
    assert verdict.outcome != "ok", str(verdict)
