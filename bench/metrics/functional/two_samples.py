"""Classifier two-sample accuracy, and distances to the nearest of two reference sets."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.contracts.metric import Estimate, Missing
from bench.evaluate.neighbours import nearest

_STEPS, _BATCH, _HIDDEN, _REPLICATES = 300, 256, 64, 5


def classifier_two_sample(fake: Tensor, real: Tensor, generator: torch.Generator) -> Estimate | Missing:
    """Cross-fitted accuracy of telling fake (M, f) from real (N, f), mean over up to 5 sets of N fakes, and its error.

    Features are standardised by the real ones; networks with 64 hidden units, 300 Adam steps, one for each set and each
    half that they are not trained on.
    """
    N = min(len(fake), len(real))
    scale = real.std(0)
    if float(scale.max()) <= 0:
        return Missing("the held-out data are constant")
    live = scale > 1e-6 * scale.max()
    sets = [part for part in fake.split(N) if len(part) == N][:_REPLICATES]

    def standardised(rows: Tensor) -> Tensor:
        return ((rows[:, live] - real[:, live].mean(0)) / scale[live]).clamp(-20, 20)

    reals, half = standardised(real[torch.randperm(len(real), generator=generator)[:N].to(real.device)]), N // 2
    train, test = [], []
    for part in sets:
        fakes = standardised(part)
        folds = [torch.cat([fakes[rows], reals[rows]]) for rows in (slice(0, half), slice(half, 2 * half))]
        train += folds
        test += folds[::-1]
    labels = torch.cat([torch.ones(half), torch.zeros(half)]).to(real)
    correct = _correct(torch.stack(train), torch.stack(test), labels, generator)  # (2 sets,)
    scores = correct.reshape(len(sets), 2).mean(1).double().cpu()
    mean = float(scores.mean())
    single = (mean * (1 - mean) / (4 * half)) ** 0.5
    return Estimate(mean, float(scores.std()) / len(sets) ** 0.5 if len(sets) > 1 else single)


def _correct(x: Tensor, x_new: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Accuracy on x_new of E networks trained side by side on x: two (E, n, f), labels (n,) → (E,)."""
    E, n, f = x.shape
    shapes = ((E, f, _HIDDEN), (E, 1, _HIDDEN), (E, _HIDDEN, 1), (E, 1, 1))
    spreads = (f**-0.5, 0.0, _HIDDEN**-0.5, 0.0)
    weights = [
        (spread * torch.randn(shape, generator=generator)).to(x).requires_grad_(True)
        for shape, spread in zip(shapes, spreads, strict=True)
    ]

    def logits(rows: Tensor) -> Tensor:
        first, bias, second, offset = weights
        return torch.baddbmm(offset, torch.relu(torch.baddbmm(bias, rows, first)), second)[..., 0]

    with torch.enable_grad():
        optimiser = torch.optim.AdamW(weights, lr=5e-3, weight_decay=0.1)
        for _ in range(_STEPS):
            index = torch.randint(n, (min(_BATCH, n),), generator=generator).to(x.device)
            target = labels[index].expand(E, -1)
            loss = F.binary_cross_entropy_with_logits(logits(x[:, index]), target, reduction="none").mean(1).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        return ((logits(x_new) > 0) == (labels > 0.5)).double().mean(1)


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
