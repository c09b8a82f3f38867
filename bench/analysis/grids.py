"""Hyper-parameter grids: which of several settings of a variant validation data choose, by what, and how surely.

The whole grid is reported; the choice never looks at the test split, and on the test split only the chosen setting
competes for marks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bench.analysis.best_of import best_of
from bench.analysis.catalogue import Metric
from bench.analysis.design import Design
from bench.analysis.leads import Lead, lead_of
from bench.analysis.numbers import FRESH, p_value, seeds_text, with_interval
from bench.analysis.scales import LINEAR
from bench.analysis.selection import criterion_of
from bench.analysis.stats import Interval
from bench.analysis.sweeps import COLLAPSED, at_edge

if TYPE_CHECKING:
    from bench.analysis.sections import Row

#: Settings that a sentence names.
_MOST_NAMED = 4
NOTE = (
    "Where a run has several settings of one variant, validation data choose one (✓), and only that one competes for "
    "marks on the test split, which the choice does not look at. What chooses is computed from the model, never read "
    "from logged loss terms. Settings are compared by paired t tests over seeds, Holm-adjusted over all pairs of the "
    "grid."
)
COLUMNS = ("dataset", "variant", "setting", "kl_weight", "criterion", "value", "low", "high", "seeds", "chosen",
           "separated", "collapsed")  # fmt: skip


def note(several_splits: bool) -> str:
    """How settings are chosen and compared."""
    return NOTE.replace("over seeds", "over splits of the data") if several_splits else NOTE


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
        warnings: that the choice lies at an edge of the grid, that every setting is collapsed; also in the sentence.
        criterion: its name, "" where nothing can be compared; explanation: what it is and why.
        sentence: which setting is chosen and how sure that is, or why none is. separated: chosen beyond seed noise.
        unit: what the settings' values are counted in, "seed" or "split".
        best_of: what trying more settings buys on test data, in words.
    """

    dataset: str
    variant: str
    criterion: str
    explanation: str
    settings: list[Setting]
    sentence: str
    separated: bool
    higher_is_better: bool = False
    unit: str = "seed"
    warnings: tuple[str, ...] = ()
    best_of: str = ""

    @property
    def heading(self) -> str:
        """The criterion with an arrow towards better."""
        return f"{self.criterion} {'↑' if self.higher_is_better else '↓'}"

    @property
    def chosen(self) -> Setting | None:
        """The setting that validation chooses, or None."""
        return next((setting for setting in self.settings if setting.chosen), None)

    def unchosen(self) -> dict[int, str]:
        """Why the other settings do not compete on test data, by row."""
        if self.chosen is None:
            why = "validation data choose no setting of its variant"
        else:
            why = f"validation data choose {self.chosen.row.label}"
        return {setting.index: why for setting in self.settings if not setting.chosen}


def grids_of(
    dataset: str,
    rows: Sequence[Row],
    variants: Sequence[str],
    values: Mapping[str, np.ndarray],
    metrics: Mapping[str, Metric],
    select: str,
    design: Design,
) -> list[Grid]:
    """Every grid of a data set.

    Args:
        variants: the variant's name of each row. values: metric → (V, S). select: as `selection.criterion_of`.
        design: of the S columns.
    """
    groups: dict[str, list[int]] = {}
    for index, (row, variant) in enumerate(zip(rows, variants, strict=True)):
        if not row.is_control:
            groups.setdefault(variant, []).append(index)
    return [
        _grid(dataset, variant, rows, places, values, metrics, select, design)
        for variant, places in groups.items()
        if len(places) > 1
    ]


def _grid(
    dataset: str,
    variant: str,
    rows: Sequence[Row],
    places: list[int],
    values: Mapping[str, np.ndarray],
    metrics: Mapping[str, Metric],
    select: str,
    design: Design,
) -> Grid:
    done = [place for place in places if rows[place].n_ok]
    directions = {name: metric.higher_is_better for name, metric in metrics.items()}
    weights = [rows[place].kl_weight_value for place in done]
    criterion = criterion_of(select, weights, {name: table[done] for name, table in values.items()}, directions)
    lead, table = Lead(), np.full((len(places), len(design.seeds)), np.nan)
    if criterion.metric and len(done) > 1:
        table = values[criterion.metric][places]
        shared = np.isfinite(table[[place in done for place in places]]).all(0)
        table = np.where(shared, table, np.nan) if shared.any() else table  # the same seeds for every setting
        scale = metrics[criterion.metric].scale if criterion.metric in metrics else LINEAR
        lead = lead_of(table, criterion.higher_is_better, np.isfinite(table).any(1), scale, design)
    settings = [
        Setting(row, rows[row], design.interval(table[place]), place == lead.leader) for place, row in enumerate(places)
    ]
    if not criterion.metric:
        sentence = f"No setting is chosen: {criterion.explanation}."
    elif lead.leader is None:
        sentence = "No setting is chosen: fewer than two settings have results."
    else:
        sentence = _sentence(settings, lead)
    warnings = _warnings(settings, lead.leader)
    sentence += "".join(f" ⚠ {text[:1].upper()}{text[1:]}." for text in warnings)
    separated = lead.leader is not None and lead.marks.get(lead.leader) == "best"
    said = (criterion.metric, criterion.explanation)
    better, unit = criterion.higher_is_better, design.unit
    more = ""
    if criterion.metric:
        chosen_by = np.array([setting.value.mean if setting.value.n else np.nan for setting in settings])
        more = best_of(chosen_by, better, _leading(places, values, metrics, design))
    return Grid(dataset, variant, *said, settings, sentence, separated, better, unit, warnings, more)


def _leading(
    places: list[int], values: Mapping[str, np.ndarray], metrics: Mapping[str, Metric], design: Design
) -> dict[str, np.ndarray]:
    """The means of the settings by the first primary metric of every family that ranks."""
    first: dict[str, str] = {}
    for name, metric in metrics.items():
        if metric.primary and metric.higher_is_better is not None and name in values:
            first.setdefault(metric.family, name)
    found = {name: [design.interval(row) for row in values[name][places]] for name in first.values()}
    return {name: np.array([one.mean if one.n else np.nan for one in means]) for name, means in found.items()}


def _warnings(settings: Sequence[Setting], chosen: int | None) -> tuple[str, ...]:
    done = [setting.row for setting in settings if setting.row.n_ok]
    lost = [COLLAPSED] if done and all(row.collapsed for row in done) else []
    return (*lost, *([] if chosen is None else at_edge([setting.row.label for setting in settings], chosen)))


def _sentence(settings: list[Setting], lead: Lead) -> str:
    assert lead.leader is not None
    chosen = settings[lead.leader]
    text = f"Validation chooses {chosen.row.label}"
    if lead.marks.get(lead.leader) == "best":
        text += f", told apart from every other setting (Holm p ≤ {p_value(lead.p).lstrip('< ')})."
    elif not np.isfinite(lead.rival_p):
        text += f" by its mean alone: so few {lead.unit}s cannot tell it apart from the others."
    else:
        tied = [settings[place].row.label for place in lead.tied]
        more = f" and {len(tied) - _MOST_NAMED} more" if len(tied) > _MOST_NAMED else ""
        text += f", not told apart from {', '.join(tied[:_MOST_NAMED])}{more}{_nearest(settings, lead)}."
    if chosen.row.collapsed:
        text += f" ⚠ It is {chosen.row.collapsed}."
    return text


def _nearest(settings: list[Setting], lead: Lead) -> str:
    if lead.nearest is None:
        return " (the difference is below the smallest effect of interest)"
    seeds = "" if lead.more_seeds is None else f"; {seeds_text(lead.more_seeds)} would tell them apart, {FRESH}"
    return f" (nearest: {settings[lead.nearest].row.label}, Holm p = {p_value(lead.nearest_p)}{seeds})"


def frame(found: Sequence[Grid]) -> pd.DataFrame:
    """`grids.csv`: one row per setting."""
    rows = [
        (grid.dataset, grid.variant, s.row.label, s.row.kl_weight_value, grid.criterion, s.value.mean, s.value.low,
         s.value.high, s.value.n, s.chosen, s.chosen and grid.separated, s.row.collapsed or "")
        for grid in found for s in grid.settings
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))
