"""Columns of text that became 0s and 1s, apart from numbers: is the largest of a text's decoded columns the true kind?

A squared error adds what a wrong kind costs to what a wrong number costs, in units that have nothing in common. A data
set whose table has such columns says so in `Split.truth["kinds"]`, text → places of its columns; `numbers_mse` is the
squared error of what is left, columns that mark missing values (`truth["flags"]`) left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.contracts.metric import Metric, Missing, Value, each
from bench.contracts.view import View

#: Where a split's truth keeps text → places of its columns, and all columns of 0 and 1.
KINDS, FLAGS = "kinds", "flags"


class Kinds(Metric):
    """How often the kinds of a text are decoded rightly, and the squared error of numbers alone."""

    family = "reconstruction"
    values = each(
        Value(
            "kinds_accuracy",
            "Share of held-out cells of text (one-hot columns) whose kind has the largest decoded value.",
            True,
            range="[0, 1]",
            formula="mean over rows and texts of [argmax_k decode(mu(x))_k = kind]",
        ),
        Value(
            "kinds_baseline",
            "The same share for the kind that is most frequent in training.",
            None,
            range="[0, 1]",
            formula="mean over rows and texts of [most frequent kind = kind]",
        ),
        Value(
            "numbers_mse",
            "As test_mse, over the columns of numbers alone.",
            False,
            unit="per dim",
            range="[0, inf)",
            formula="E||decode(mu(x)) - x||^2 / d over columns of numbers",
        ),
        needs=("encode", "decode"),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Of the held-out rows that pairwise metrics use; a cell whose kind no training row has counts for nothing."""
        groups: dict[str, Sequence[int]] = view.split.truth.get(KINDS) or {}
        if not groups:
            none = Missing("the data have no column of text that became columns of 0 and 1")
            return {value.name: none for value in self.values}
        true, decoded, train = view.test.flat, view.reconstructions("test"), view.rows("train").flat
        right, usual, cells = 0, 0, 0
        for places in groups.values():
            known = true[:, places].sum(1) > 0.5
            kind = true[known][:, places].argmax(1)
            right += int((decoded[known][:, places].argmax(1) == kind).sum())
            usual += int((train[:, places].sum(0).argmax() == kind).sum())
            cells += int(known.sum())
        few = Missing("no held-out row has a kind that training rows have", "too_few")
        return {
            "kinds_accuracy": right / cells if cells else few,
            "kinds_baseline": usual / cells if cells else few,
            "numbers_mse": _of_numbers(true, decoded, view.split.truth.get(FLAGS) or ()),
        }


def _of_numbers(true: Tensor, decoded: Tensor, flags: Sequence[int]) -> float | Missing:
    numbers = torch.ones(true.shape[1], dtype=torch.bool, device=true.device)
    numbers[list(flags)] = False
    if not numbers.any():
        return Missing("the table has no column of numbers")
    return float((decoded - true)[:, numbers].double().square().mean())
