"""Classifier two-sample accuracy, and distances to the nearest of two reference sets."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contracts.metric import Estimate, Missing
from bench.neighbours import nearest

_STEPS, _BATCH, _HIDDEN = 300, 256, 64


def classifier_two_sample(fake: Tensor, real: Tensor, generator: torch.Generator) -> Estimate | Missing:
    """Cross-fitted accuracy of telling fake (M, f) from real (N, f), with its binomial standard error.

    As many fakes as reals; features are standardised by the real ones; a network with 64 hidden units, 300 Adam steps.
    """
    N = min(len(fake), len(real))
    scale = real.std(0)
    live = scale > 1e-6 * scale.max().clamp_min(1e-30)
    if not bool(live.any()):
        return Missing("the held-out data are constant")
    x = torch.cat([fake[:N], real[:N]])[:, live]
    x = ((x - real[:, live].mean(0)) / scale[live]).clamp(-20, 20)
    y = torch.cat([torch.ones(N), torch.zeros(N)]).to(x)
    fold = torch.cat([torch.randperm(N, generator=generator), torch.randperm(N, generator=generator)]).to(x.device) % 2
    correct = sum(_correct(x[fold != k], y[fold != k], x[fold == k], y[fold == k], generator) for k in (0, 1))
    accuracy = correct / (2 * N)
    return Estimate(accuracy, (accuracy * (1 - accuracy) / (2 * N)) ** 0.5)


def _correct(x: Tensor, y: Tensor, x_new: Tensor, y_new: Tensor, generator: torch.Generator) -> int:
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(x.shape[1], _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 1)).to(x.device)
        optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=0.1)
        for _ in range(_STEPS):
            index = torch.randint(len(x), (min(_BATCH, len(x)),), generator=generator).to(x.device)
            loss = F.binary_cross_entropy_with_logits(network(x[index])[:, 0], y[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        return int(((network(x_new)[:, 0] > 0) == (y_new > 0.5)).sum())


def nearest_ratio(points: Tensor, train: Tensor, test: Tensor) -> Estimate | Missing:
    """E dist(y, nearest of train) / E dist(y, nearest of test) over points (M, f), with its delta-method error."""
    if len(train) == 0 or len(test) == 0:
        return Missing("there are no rows to compare with", "too_few")
    to_train, to_test = (nearest(points, rows)[0][:, 0].double() for rows in (train, test))
    if float(to_test.mean()) <= 0:
        return Missing("every point is a held-out datum, so the ratio is not defined")
    ratio = float(to_train.mean() / to_test.mean())
    error = float((to_train - ratio * to_test).std() / to_test.mean()) / len(points) ** 0.5
    return Estimate(ratio, error)
