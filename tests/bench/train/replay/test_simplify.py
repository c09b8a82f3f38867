"""A simplified list of operations gives the same bits from fewer operations, and never keeps what is written to."""

import pytest
import torch

from bench.torch_private import recorded
from bench.train.replay import simplify
from bench.train.replay.simplify import drop_no_ops, fold_constants, simplified

X = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


def operations(graph):
    return sum(node.op == "call_function" for node in graph.graph.nodes)


def without_no_ops(graph, inputs):
    drop_no_ops(graph)
    graph.recompile()
    return graph


def checked(function, *inputs, after=simplified):
    """How many operations `function` has before and after, once both are known to give the same bits thrice."""
    graph = recorded(function, inputs)
    before = operations(graph)
    graph = after(graph, inputs)
    for repeat in range(3):
        shifted = [value + repeat for value in inputs]
        for one, other in zip(function(*shifted), graph(*shifted), strict=True):
            assert torch.equal(one, other)
    return before, operations(graph)


def test_the_gradient_of_a_mean_keeps_no_operation_on_its_own_seed():
    def loss_and_gradient(x):
        x = x.detach().requires_grad_()
        rows = (x * 0.3).square().sum(-1)
        return [rows.detach(), torch.autograd.grad((rows.mean() * 7).sum(), x)[0]]

    before, after = checked(loss_and_gradient, X)
    assert after <= before - 4


def test_aliases_and_permutations_that_permute_nothing_go():
    def views(x):
        return [torch.ops.aten.alias(x).permute(0, 1).exp(), torch.ops.aten.detach(x.permute(1, 0)).contiguous()]

    before, after = checked(views, X, after=without_no_ops)
    assert before > after == 3


def test_what_depends_on_numbers_stays():
    def numbers(x):
        return [x.exp() * x.sum(), x.mean().expand(3).clone()]

    before, after = checked(numbers, X)
    assert after == before


def write_to_it(x):
    total = torch.zeros_like(x)
    total.add_(x)
    return [total]


def write_to_a_view_of_it(x):
    total = torch.zeros_like(x)
    total[:, :2].add_(x[:, :2])
    return [total * 2]


def write_as_output(x):
    scratch = torch.zeros_like(x)
    torch.exp(x, out=scratch)
    return [scratch + 1]


def write_to_one_of_a_list(x):
    totals = [torch.zeros_like(x), torch.ones_like(x)]
    torch._foreach_add_(totals, [x, x])
    return totals


@pytest.mark.parametrize("function", [write_to_it, write_to_a_view_of_it, write_as_output, write_to_one_of_a_list])
def test_a_constant_that_is_written_to_is_made_anew_in_every_call(function):
    checked(function, X)


def test_a_constant_read_by_a_writing_operation_is_kept():
    def reads(x):
        scratch = x * 2
        torch.sub(x.new_ones(()), x, out=scratch)
        return [scratch]

    before, after = checked(reads, X)
    assert after == before - 1


def test_parts_of_constants_are_constants():
    def parts(x):
        first, second = torch.arange(6.0, device=x.device).split(3)
        return [x[:, :3] * first + second]

    before, after = checked(parts, X)
    assert after < before - 2


def test_large_constants_are_not_kept():
    def large(x):
        return [torch.ones(400, 400) * x.sum()]

    graph = recorded(large, [X])
    fold_constants(graph, [X])
    assert not list(graph.buffers())


def test_chance_is_not_folded():
    def noisy(x):
        return [x + torch.rand(6) + torch.rand_like(torch.ones(6))]

    graph = simplified(recorded(noisy, [X]), [X])
    assert sum("rand" in str(node.target) for node in graph.graph.nodes) == 2


def test_what_cannot_be_simplified_stays_as_it_was(monkeypatch):
    def fails(graph, inputs):
        drop_no_ops(graph)
        raise AttributeError("renamed")

    monkeypatch.setattr(simplify, "fold_constants", fails)
    graph = recorded(lambda x: [x.permute(0, 1).exp()], [X])
    before = operations(graph)
    assert simplified(graph, [X]) is graph
    assert operations(graph) == before
    assert torch.equal(graph(X)[0], X.exp())
