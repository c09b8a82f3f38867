"""A list of operations written as Python gives the recorded function's bits, and holds no value longer than needed."""

import weakref

import pytest
import torch

from bench.torch_private import recorded
from bench.train.replay.listing import listed

X = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


def views(x):
    first, second = x.t().split(3)
    return [torch.cat([first, second.unsqueeze(0)[0]], 1).permute(1, 0).contiguous(), x.view(-1)]


def constants(x):
    table = torch.tensor([0.5, float("inf")])
    return [x.clamp(min=float("-inf"), max=0.1) + table[0], torch.full((2,), float("inf")) * x.sum()]


def norms(x):
    return [torch.linalg.vector_norm(x, dim=-1), x.sum(0, keepdim=True), x.mean(-1), torch.add(x, x, alpha=3)]


def in_place(x):
    return [torch.addmm(x[0], x, torch.eye(6)).relu_(), x.double().to(torch.float32)]


def gradients(x):
    x = x.detach().requires_grad_()
    value = torch.nn.functional.softplus(x @ x.t()).square().mean() + x.relu().amax(0).sum()
    return [value.detach(), torch.autograd.grad(value, x)[0]]


@pytest.mark.parametrize("function", [views, constants, norms, in_place, gradients])
def test_the_bits_are_those_of_the_function(function):
    run = listed(recorded(function, [X]))
    for repeat in range(2):
        for one, other in zip(run(X + repeat), function(X + repeat), strict=True):
            assert torch.equal(one, other) and one.dtype == other.dtype and one.stride() == other.stride()


def test_a_value_is_dropped_after_its_last_use():
    """Of fifty large values in a row two are alive at a time."""

    def chain(x):
        for _ in range(50):
            x = x + 1.0
        return [x.sum()]

    run = listed(recorded(chain, [X]))
    made, alive = [], []

    def counting(x, one):
        alive.append(sum(value() is not None for value in made))
        result = torch.Tensor.add(x, one)
        made.append(weakref.ref(result))
        return result

    for name, value in list(run.__globals__.items()):
        if value in (torch.add, torch.Tensor.add, torch.ops.aten.add.Tensor):
            run.__globals__[name] = counting
    run(X)
    assert len(alive) == 50 and max(alive) == 1


def test_an_operation_of_another_library_is_called_itself():
    marked = []

    @torch.library.custom_op("aebench_test::marked", mutates_args=())
    def operation(x: torch.Tensor) -> torch.Tensor:
        marked.append(1)
        return x * 2

    run = listed(recorded(lambda x: [torch.ops.aebench_test.marked(x)], [X]))
    marked.clear()
    assert torch.equal(run(X)[0], X * 2)
    assert marked == [1]
