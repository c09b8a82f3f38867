"""Feature spaces for distances between data: principal components, the data set's own classifier, random convolutions.

Each is made once per data set from training data alone, is frozen, never sees a model's output, and carries a digest of
its weights. Nothing is downloaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contracts.metric import Missing
from bench.evaluate.reference_data import REFERENCE_SEED, SharedData
from bench.seeding import derived_seed

SPACES = ("pixels", "pca", "classifier", "randconv")
PCA_WIDTH = 50
#: Above this dimension principal components come from a randomised decomposition of at most 10,000 rows.
LARGEST_COVARIANCE = 2048
_BATCH = 1024
_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True)
class FeatureSpace:
    """A frozen map of flat data (n, d) to features (n, f).

    Attributes:
        name: one of `SPACES`.
        digest: first 16 hex digits of the SHA-256 of its weights.
        map: (n, d) → (n, f), any n.
        classify: features (n, f) → logits (n, classes), of the classifier only.
    """

    name: str
    digest: str
    map: Callable[[Tensor], Tensor]
    classify: Callable[[Tensor], Tensor] | None = None

    def __call__(self, flat: Tensor) -> Tensor:
        """Features of flat data (n, d), in batches and without gradients: (n, f)."""
        with torch.no_grad():
            return torch.cat([self.map(batch) for batch in flat.split(_BATCH)])


@dataclass(frozen=True)
class PrincipalComponents:
    """Mean (d,), components (d, r) and variances (r,) of the training data, by falling variance."""

    mean: Tensor
    components: Tensor
    variances: Tensor

    def project(self, flat: Tensor, width: int) -> Tensor:
        """Scores on the first `width` components: (n, d) → (n, min(width, r))."""
        return (flat - self.mean) @ self.components[:, :width]


def principal_components(shared: SharedData) -> PrincipalComponents:
    """PCA of the whole training split (d ≤ 2,048), or of the first 256 directions of at most 10,000 rows."""
    return shared.once("pca", lambda: _principal_components(shared))


def _principal_components(shared: SharedData) -> PrincipalComponents:
    d, mean = shared.dimension, shared.train_mean
    if d > LARGEST_COVARIANCE:
        rows = shared.rows("train").flat - mean
        with torch.random.fork_rng():
            torch.manual_seed(derived_seed(REFERENCE_SEED, "pca"))
            _, scale, components = torch.svd_lowrank(rows, q=min(256, *rows.shape), niter=4)
        return PrincipalComponents(mean, components, scale.square() / len(rows))
    products = torch.zeros(d, d, dtype=torch.float64, device=shared.device)
    for x in shared.batches("train", 4096):
        centred = x.reshape(len(x), d) - mean
        products += centred.T @ centred
    variances, components = torch.linalg.eigh(products / shared.size("train"))
    return PrincipalComponents(mean, components.flip(1).float(), variances.flip(0).clamp_min(0).float())


def feature_space(shared: SharedData, name: str) -> FeatureSpace | Missing:
    """A space of `SPACES`, made once per data set, or why these data have none."""
    make = {"pixels": _pixels, "pca": _pca, "classifier": _classifier, "randconv": _random_convolutions}[name]
    return shared.once(("space", name), lambda: make(shared))


def space_features(shared: SharedData, space: FeatureSpace, part: str) -> Tensor:
    """Features of the rows of a part, computed once per data set: (N, f)."""
    return shared.once(("features", space.name, part), lambda: space(shared.rows(part).flat))


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name].detach().cpu().numpy()).tobytes())
    return digest.hexdigest()[:16]


def _pixels(shared: SharedData) -> FeatureSpace:
    return FeatureSpace("pixels", _digest({}), lambda flat: flat)


def _pca(shared: SharedData) -> FeatureSpace:
    pca = principal_components(shared)
    digest = _digest({"mean": pca.mean, "components": pca.components[:, :PCA_WIDTH]})
    return FeatureSpace("pca", digest, lambda flat: pca.project(flat, PCA_WIDTH))


def _random_convolutions(shared: SharedData) -> FeatureSpace | Missing:
    shape = shared.split.data_shape
    if len(shape) != 3 or min(shape[1:]) < 4:
        return Missing("random convolutions need images of at least 4 by 4 pixels")
    body = _seeded("randconv", lambda: _convolutions(shape[0], 32, 64)).to(shared.device)

    def features(flat: Tensor) -> Tensor:
        maps = body(flat.reshape(len(flat), *shape) - shared.train_mean.reshape(shape))
        return F.adaptive_avg_pool2d(maps, 2).flatten(1)  # (n, 256)

    return FeatureSpace("randconv", _digest(dict(body.state_dict())), features)


def _convolutions(channels: int, *widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers)


def _seeded(role: str, make: Callable[[], _Network]) -> _Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(REFERENCE_SEED, "features", role))
        return make().requires_grad_(False)


def _classifier(shared: SharedData) -> FeatureSpace | Missing:
    rows = shared.rows("train")
    if rows.labels is None:
        return Missing("the data set has no labels to train a classifier on")
    classes = np.unique(rows.labels)
    if len(classes) < 2:
        return Missing("the training data have one class only, so there is no classifier")
    shape, n_classes = shared.split.data_shape, int(classes.max()) + 1
    body, head = _seeded("classifier", lambda: _classifier_networks(shape, n_classes)).to(shared.device)
    _train_classifier(body, head, rows.x, torch.as_tensor(rows.labels, device=shared.device).long())
    digest = _digest({**body.state_dict(prefix="body."), **head.state_dict(prefix="head.")})
    return FeatureSpace("classifier", digest, lambda flat: body(flat.reshape(len(flat), *shape)), head)


def _classifier_networks(shape: tuple[int, ...], n_classes: int, width: int = 64) -> nn.ModuleList:
    """A small convolutional or fully connected network; its features are the `width` values before the last layer."""
    if len(shape) == 3 and min(shape[1:]) >= 16:
        convolutions = _convolutions(shape[0], 16, 32)
        flat = convolutions(torch.zeros(1, *shape)).numel()
        body = nn.Sequential(convolutions, nn.Flatten(), nn.Linear(flat, width), nn.ReLU())
    else:
        d = int(np.prod(shape))
        body = nn.Sequential(nn.Flatten(), nn.Linear(d, 128), nn.ReLU(), nn.Linear(128, width), nn.ReLU())
    return nn.ModuleList([body, nn.Linear(width, n_classes)])


def _train_classifier(body: nn.Module, head: nn.Module, x: Tensor, y: Tensor) -> None:
    """Cross-entropy with Adam 2e-3, batches of 128, 10 passes but at least 500 steps; frozen afterwards."""
    parameters = [*body.parameters(), *head.parameters()]
    generator = torch.Generator().manual_seed(derived_seed(REFERENCE_SEED, "classifier order"))
    with torch.enable_grad():
        for parameter in parameters:
            parameter.requires_grad_(True)
        optimiser = torch.optim.Adam(parameters, lr=2e-3)
        steps = max(500, 10 * len(x) // 128)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            index = torch.randint(len(x), (min(128, len(x)),), generator=generator).to(x.device)
            loss = F.cross_entropy(head(body(x[index])), y[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    for parameter in parameters:
        parameter.requires_grad_(False)
