"""Classification of codes: k nearest neighbours, and a multinomial logistic regression chosen on validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.evaluate.neighbours import nearest

#: L2 penalties of the probe, per training row: ½ penalty ‖W‖² beside the mean cross-entropy.
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
_ITERATIONS = 60


@dataclass(frozen=True)
class LabelledCodes:
    """Codes (N, L) and integer labels (N,) of "train", "test" and, where there are any, "validation" rows."""

    codes: dict[str, Tensor]
    labels: dict[str, np.ndarray]

    def standardised(self, part: str) -> Tensor:
        """Codes with the training codes' mean and scale taken out; a constant dimension becomes 0."""
        train = self.codes["train"]
        scale = train.std(0)
        live = scale > 1e-6 * scale.max().clamp_min(1e-30)
        return (self.codes[part] - train.mean(0)) / torch.where(live, scale, torch.inf)

    def targets(self, part: str) -> Tensor:
        """Labels of a part as positions in the sorted training classes (N,); -1 for a class without training rows."""
        classes = np.unique(self.labels["train"])
        place = np.searchsorted(classes, self.labels[part]).clip(0, len(classes) - 1)
        found = np.where(classes[place] == self.labels[part], place, -1)
        return torch.as_tensor(found, device=self.codes["train"].device)

    @property
    def n_classes(self) -> int:
        """The number of classes in the training rows."""
        return len(np.unique(self.labels["train"]))


def knn_accuracy(data: LabelledCodes, k: int = 10) -> float:
    """Accuracy of the majority of the k nearest training codes; ties go to the nearer neighbours."""
    k = min(k, len(data.codes["train"]))
    _, indices = nearest(data.standardised("test"), data.standardised("train"), k, exact=False)
    votes = F.one_hot(data.targets("train")[indices], data.n_classes).double()  # (N, k, C)
    rank = torch.linspace(1e-3, 0, k, device=votes.device, dtype=votes.dtype)[:, None]
    predicted = (votes * (1 + rank / k)).sum(1).argmax(1)
    return float((predicted == data.targets("test")).double().mean())


def probe_accuracy(data: LabelledCodes) -> float:
    """Accuracy of the softmax regression with the validation-best penalty (1e-3 where there is no validation)."""
    x, y = data.standardised("train"), data.targets("train")
    if "validation" not in data.codes:
        return _accuracy(fit_softmax(x, y, data.n_classes, 1e-3), data, "test")
    weights, fits = None, []
    for penalty in reversed(PENALTIES):
        weights = fit_softmax(x, y, data.n_classes, penalty, weights)
        fits.append((_accuracy(weights, data, "validation"), weights))
    return _accuracy(max(fits, key=lambda pair: pair[0])[1], data, "test")


def fit_softmax(x: Tensor, y: Tensor, n_classes: int, penalty: float, start: Tensor | None = None) -> Tensor:
    """Weights (L+1, C) that minimise mean cross-entropy + ½ penalty ‖W‖² (not of the last row, the bias), by L-BFGS."""
    inputs = torch.cat([x, torch.ones_like(x[:, :1])], 1)
    weights = torch.zeros(inputs.shape[1], n_classes).to(x) if start is None else start.clone()
    weights.requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [weights], max_iter=_ITERATIONS, tolerance_grad=1e-5, tolerance_change=1e-7, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(inputs @ weights, y) + 0.5 * penalty * weights[:-1].square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    return weights.detach()


def _accuracy(weights: Tensor, data: LabelledCodes, part: str) -> float:
    x = data.standardised(part)
    predicted = (x @ weights[:-1] + weights[-1]).argmax(1)
    return float((predicted == data.targets(part)).double().mean())
