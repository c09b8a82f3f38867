"""Hyper-parameter grids: which of several settings of a variant validation data choose, by what, and how surely.

The whole grid is reported; the choice never looks at the test split.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.analysis.leads import Lead, lead_of
from bench.analysis.numbers import p_value, seeds_text, with_interval
from bench.analysis.selection import CALIBRATED, MEAN_ERROR, Cost, calibrated_bound, extra_terms, final_terms
from bench.analysis.stats import Interval, mean_interval
from bench.errors import BenchError
from bench.store.measurements import History

if TYPE_CHECKING:
    from bench.analysis.sections import Row, Section

#: Settings that a sentence names.
_MOST_NAMED = 4
NOTE = (
    "Where a run has several settings of one variant, validation data choose one (✓); the test split is not looked at. "
    "Settings are compared by paired t tests over seeds, Holm-adjusted over all pairs of the grid."
)
COLUMNS = ("dataset", "variant", "setting", "kl_weight", "criterion", "value", "low", "high", "seeds", "chosen",
           "separated", "collapsed")  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One setting of a grid: its row in the section, the criterion's interval over seeds, whether it is chosen."""

    index: int
    row: Row
    value: Interval
    chosen: bool

    @property
    def text(self) -> str:
        """The criterion as tables show it."""
        return with_interval(self.value.mean, self.value.half_width) if self.value.n else "n/a"


@dataclass(frozen=True)
class Grid:
    """Settings of one variant on one data set.

    Attributes:
        criterion: its name, "" where nothing can be compared; explanation: what it is and why.
        sentence: which setting is chosen and how sure that is, or why none is. separated: chosen beyond seed noise.
    """

    dataset: str
    variant: str
    criterion: str
    explanation: str
    settings: list[Setting]
    sentence: str
    separated: bool

    @property
    def chosen(self) -> Setting | None:
        """The setting that validation chooses, or None."""
        return next((setting for setting in self.settings if setting.chosen), None)


def grids(sections: Sequence[Section], cells: pd.DataFrame, spec: Mapping[str, Any], history: History) -> list[Grid]:
    """Every grid of a run. Marks the chosen rows in `Section.chosen`."""
    found = []
    cost = _cost(spec)
    for section in sections:
        own = cells[(cells["dataset_label"] == section.name).to_numpy()]
        labels = list(dict.fromkeys(own["variant_label"]))  # the rows of the section, in order
        name_of = dict(zip(own["variant_label"], own["variant"], strict=True))
        groups: dict[str, list[int]] = {}
        for index, label in enumerate(labels):
            if not section.rows[index].is_control:
                groups.setdefault(name_of[label], []).append(index)
        for variant, rows in groups.items():
            if len(rows) > 1:
                settings = {labels[row]: place for place, row in enumerate(rows)}
                material = _Material(section, rows, own[(own["variant"] == variant).to_numpy()], settings, history)
                grid = _grid(variant, material, cost)
                found.append(grid)
                section.chosen |= {setting.index for setting in grid.settings if setting.chosen}
    return found


class _Material:
    """What a grid is judged by: the settings' rows, λ, validation error and loss terms by setting and seed."""

    def __init__(self, section: Section, rows: list[int], cells: pd.DataFrame, place: dict[str, int], history: History):
        self.section, self.rows, self._place, self._history = section, rows, place, history
        self._cells = cells[(cells["status"] == "ok").to_numpy()]
        self.shape = (len(rows), len(section.seeds))

    @property
    def errors(self) -> np.ndarray:
        """val_mse, (settings, S)."""
        table = self.section.values.get("val_mse")
        return np.full(self.shape, np.nan) if table is None else table[self.rows]

    @property
    def weights(self) -> list[float | str]:
        """λ of the settings that have results, "" where the variant names none."""
        rows = [self.section.rows[row] for row in self.rows]
        return [row.kl_weight_value for row in rows if row.n_ok]

    def terms(self) -> dict[tuple[int, int], dict[str, float]]:
        """Final validation loss terms by (setting, seed position)."""
        column = {seed: place for place, seed in enumerate(self.section.seeds)}
        names = ("cell_id", "variant_label", "seed", "steps_run")
        found = {}
        for cell_id, label, seed, steps in zip(*(self._cells[name] for name in names), strict=True):
            found[self._place[label], column[int(seed)]] = final_terms(self._history(cell_id), steps)
        return {key: terms for key, terms in found.items() if terms}

    def dimension(self) -> int:
        """d of the data; 0 where no cell says it."""
        shapes = (json.loads(text).get("data_shape") for text in self._cells["split"])
        shape = next((entry for entry in shapes if isinstance(entry, list) and entry), [0])
        return math.prod(int(size) for size in shape) if all(isinstance(size, int) for size in shape) else 0


def _cost(spec: Mapping[str, Any]) -> Cost | None:
    """The run's reconstruction cost; None where the spec names none that is known."""
    with contextlib.suppress(BenchError, ValueError, TypeError):
        cost = Cost.of(str(spec.get("recon", "")))
        return cost if cost.name in ("squared", "gaussian", "bernoulli") else None
    return None


def _grid(variant: str, material: _Material, cost: Cost | None) -> Grid:
    criterion, explanation, values = _criterion(material, cost)
    section = material.section
    shared = np.isfinite(values).all(0)
    if criterion and shared.any():
        values = np.where(shared, values, np.nan)  # the same seeds for every setting
    has = np.isfinite(values).any(1)
    lead = lead_of(values, False, has) if criterion and has.sum() > 1 else Lead()
    settings = [
        Setting(row, section.rows[row], mean_interval(values[place]), place == lead.leader)
        for place, row in enumerate(material.rows)
    ]
    if not criterion:
        sentence = f"No setting is chosen: {explanation}."
    elif lead.leader is None:
        sentence = "No setting is chosen: fewer than two settings have a value of the criterion."
    else:
        sentence = _sentence(settings, lead)
    return Grid(
        section.label, variant, criterion, explanation, settings, sentence, lead.marks.get(lead.leader) == "best"
    )


def _criterion(material: _Material, cost: Cost | None) -> tuple[str, str, np.ndarray]:
    """The criterion's name ("" for none), its explanation or why there is none, and its values (settings, S)."""
    weights, terms = material.weights, material.terms()
    empty = np.full(material.shape, np.nan)
    has_kl = any("kl" in entry for entry in terms.values())
    known = len({weight for weight in weights if weight != ""})
    if known > 1 or (known == 1 and "" in weights) or (known == 0 and has_kl):
        return _bound(material, cost, terms, empty)
    other = sorted({name for entry in terms.values() for name in extra_terms(entry)})
    if other:
        why = f"reconstruction would choose the least weight of {', '.join(other)}, and there is no bound to compare by"
        return "", why, empty
    same = " (λ is the same for all)" if known else ""
    return MEAN_ERROR, f"squared error per dimension on validation data{same}", material.errors


def _bound(
    material: _Material, cost: Cost | None, terms: dict[tuple[int, int], dict[str, float]], empty: np.ndarray
) -> tuple[str, str, np.ndarray]:
    """The calibrated negative ELBO of every setting and seed, (settings, S), or why there is none."""
    differ = "differs" if any(weight != "" for weight in material.weights) else "may differ"
    trap = f"λ {differ}, and reconstruction alone would always choose the smallest"
    if cost is None:
        return "", f"{trap}; the run's reconstruction cost is not known", empty
    d = material.dimension()
    if d < 1 and cost.name != "bernoulli":
        return "", f"{trap}; the dimension of the data is not known", empty
    values = empty.copy()
    for place, entry in terms.items():
        if "reconstruction" in entry and "kl" in entry:
            values[place] = calibrated_bound(cost, entry["reconstruction"], entry["kl"], d)
    if not np.isfinite(values).any():
        return "", f"{trap}; no final reconstruction and KL terms on validation data are stored", empty
    return CALIBRATED, f"{cost.explanation}; {trap}", values


def _sentence(settings: list[Setting], lead: Lead) -> str:
    chosen = settings[lead.leader]
    text = f"Validation chooses {chosen.row.label}"
    if lead.marks.get(lead.leader) == "best":
        text += f", separated from every other setting (Holm p ≤ {p_value(lead.p).lstrip('< ')})."
    elif not np.isfinite(lead.rival_p):
        text += " by its mean alone: one seed cannot separate it from the others."
    else:
        tied = [settings[place].row.label for place in lead.tied]
        more = f" and {len(tied) - _MOST_NAMED} more" if len(tied) > _MOST_NAMED else ""
        text += f", not separated from {', '.join(tied[:_MOST_NAMED])}{more}"
        nearest = settings[lead.nearest]
        seeds = (
            "" if lead.more_seeds is None else f"; {seeds_text(lead.more_seeds, chosen.value.n)} would separate them"
        )
        text += f" (nearest: {nearest.row.label}, Holm p = {p_value(lead.nearest_p)}{seeds})."
    if chosen.row.collapsed:
        text += f" ⚠ It is {chosen.row.collapsed}."
    return text


def frame(found: Sequence[Grid]) -> pd.DataFrame:
    """`grids.csv`: one row per setting."""
    rows = [
        (grid.dataset, grid.variant, s.row.label, s.row.kl_weight_value, grid.criterion, s.value.mean, s.value.low,
         s.value.high, s.value.n, s.chosen, s.chosen and grid.separated, s.row.collapsed or "")
        for grid in found for s in grid.settings
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))
