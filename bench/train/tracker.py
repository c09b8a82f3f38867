"""What happens to each seed while a stack trains: history of every loss term, divergence, early stopping.

Numbers stay on the device between evaluation points, so that a step never waits for the host.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class Tracker:
    """Per-seed history and stopping of K seeds.

    Args:
        width: K.
        interval: the most training steps between two evaluation points.
        patience: evaluation points without a better validation loss after which a seed stops; None never stops.
        device: where the loss terms are.
    """

    def __init__(self, width: int, interval: int, patience: int | None, device: torch.device) -> None:
        self.patience = patience
        self.width = width
        self._interval = interval
        self._device = device
        self._names: list[str] = []
        self._pending: Tensor | Any = None  # (interval, terms, K), filled up to _count
        self._count = 0
        self.points: list[dict[str, Any]] = []
        self.diverged_step = np.full(width, -1, dtype=np.int64)
        self.stopped_step = np.full(width, -1, dtype=np.int64)
        self.best_loss = np.full(width, np.inf)
        self._since_best = np.zeros(width, dtype=np.int64)

    def record(self, terms: dict[str, Tensor]) -> None:
        """Note the loss terms (K, B) of one training step."""
        if self._pending is None:
            self._names = list(terms)
            self._pending = torch.empty((self._interval, len(terms), self.width), device=self._device)
        values = torch.stack([terms[name].detach() for name in self._names])
        torch.mean(values, -1, out=self._pending[self._count])
        self._count += 1

    def close_interval(self, step: int, epoch: float, validation: dict[str, np.ndarray]) -> np.ndarray:
        """End an interval after `step` steps: store means (K,) of every term, find diverged and stopped seeds.

        Args:
            validation: term → (K,) means over the validation part; empty when there is none.

        Returns:
            A boolean array (K,): seeds whose validation loss is the best so far.
        """
        values = self._pending[: self._count].cpu().numpy().astype(np.float64)
        point: dict[str, Any] = {"step": step, "epoch": epoch}
        for position, name in enumerate(self._names):
            point[f"train_{name}"] = values[:, position].mean(0)
        for name, value in validation.items():
            point[f"validation_{name}"] = value
        self._find_divergence(values[:, self._names.index("loss")], step - self._count)
        self._count = 0
        self.points.append(point)
        return self._judge(step, validation.get("loss"))

    def _find_divergence(self, losses: np.ndarray, first_step: int) -> None:
        bad = ~np.isfinite(losses)
        fresh = bad.any(0) & (self.diverged_step < 0) & (self.stopped_step < 0)
        self.diverged_step[fresh] = first_step + bad.argmax(0)[fresh]

    def _judge(self, step: int, loss: np.ndarray | None) -> np.ndarray:
        if self.patience is None or loss is None:
            return np.zeros(self.width, dtype=bool)
        running = ~self.finished
        improved = running & np.isfinite(loss) & (loss < self.best_loss)
        self.best_loss[improved] = loss[improved]
        self._since_best = np.where(improved, 0, self._since_best + 1)
        self.stopped_step[running & (self._since_best >= self.patience)] = step
        return improved

    @property
    def finished(self) -> np.ndarray:
        """Boolean (K,): seeds that diverged or stopped early."""
        return (self.diverged_step >= 0) | (self.stopped_step >= 0)

    def history(self, index: int) -> dict[str, np.ndarray]:
        """The history of one seed: "step", "epoch", "train_<term>", "validation_<term>", one entry per point."""
        last = self.stopped_step[index]
        points = [point for point in self.points if last < 0 or point["step"] <= last]
        names = dict.fromkeys(name for point in points for name in point)
        return {
            name: np.array([_of_seed(point.get(name), index) for point in points], dtype=np.float64) for name in names
        }

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a resumed training needs, as arrays."""
        names = list(dict.fromkeys(name for point in self.points for name in point))
        state = {}
        for position, name in enumerate(self._names):
            state[f"pending.{position:04d}.{name}"] = self._pending[: self._count, position].cpu().numpy()
        state |= {
            "diverged_step": self.diverged_step,
            "stopped_step": self.stopped_step,
            "best_loss": self.best_loss,
            "since_best": self._since_best,
        }
        for position, name in enumerate(names):
            rows = [np.broadcast_to(point.get(name, np.nan), (self.width,)) for point in self.points]
            state[f"history.{position:04d}.{name}"] = np.array(rows, dtype=np.float64)
        return state

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Restore what `state` returned."""
        self.diverged_step = state["diverged_step"].astype(np.int64)
        self.stopped_step = state["stopped_step"].astype(np.int64)
        self.best_loss = state["best_loss"].astype(np.float64)
        self._since_best = state["since_best"].astype(np.int64)
        pending, columns = _ordered(state, "pending."), _ordered(state, "history.")
        if pending:
            self._names = list(pending)
            self._count = len(next(iter(pending.values())))
            self._pending = torch.empty((self._interval, len(pending), self.width), device=self._device)
            for position, values in enumerate(pending.values()):
                self._pending[: self._count, position] = torch.as_tensor(values, device=self._device)
        n_points = len(next(iter(columns.values()), ()))
        self.points = [{name: column[row] for name, column in columns.items()} for row in range(n_points)]
        for point in self.points:
            point["step"] = int(point["step"][0])
            point["epoch"] = float(point["epoch"][0])


def _of_seed(value, index: int) -> float:
    if value is None:
        return np.nan
    return float(value[index]) if np.ndim(value) else float(value)


def _ordered(state: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays called `<prefix><position>.<name>`, by name, in order of position."""
    return {name.split(".", 2)[2]: state[name] for name in sorted(state) if name.startswith(prefix)}
