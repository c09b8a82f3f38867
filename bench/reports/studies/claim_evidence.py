"""The lecture note's claims as far as a run has the cells to test them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.analysis.numbers import number, p_value, with_interval
from bench.analysis.stats import CONFIDENCE
from bench.errors import BenchError
from bench.reports.figures.claims import plot_claims
from bench.reports.studies import CLAIMS, Claim, Component, Outcome
from bench.reports.studies.claim_tests import judge
from bench.reports.studies.claims import WARM_UP
from bench.spec.call import parse_call
from bench.store.measurements import History

if TYPE_CHECKING:
    from bench.analysis.sections import Section

#: Rows among which `identification_accuracy` chooses, at most (`bench.metrics.identification`).
IDENTIFIED = 2000
#: Why claims are not judged over several splits.
ONE_SPLIT = "claims are tested over seeds on one split of the data; run without --splits"
NOTE = (
    "Each claim is a test with a smallest effect of interest that was fixed in the code before the data. Supported: "
    "every condition is shown to be met (the largest of their p values counts); contradicted: one is shown not to be "
    "(the least p times their number counts); inconclusive: neither. Two-sided t tests over seeds against the "
    "threshold, Holm-adjusted at 5 % over all claims on a data set."
)


@dataclass(frozen=True)
class Judged:
    """A claim with its outcome on one data set."""

    claim: Claim
    dataset: str
    outcome: Outcome

    @property
    def evidence(self) -> str:
        """Every condition with its number, e.g. "AE - VAE, interp_realism: 0.012 ± 0.004, must be > 0.01 (p = .02)"."""
        parts = []
        for component, p, side in self.outcome.parts:
            interval = component.interval
            shown = with_interval(interval.mean, interval.half_width)
            sign = {"above": "met", "below": "not met", "open": "open"}[side]
            if side == "open" and p < 1 - CONFIDENCE:  # it alone does not decide the claim
                sign = ("met" if interval.mean > component.threshold else "not met") + " by itself"
            parts.append(f"{component.text}: {shown}, must be > {number(component.threshold, 3)}: {sign} (p {_p(p)})")
        overall = f"; Holm p {_p(self.outcome.p)}" if np.isfinite(self.outcome.p) else ""
        return "; ".join(parts) + overall


def _p(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


class SectionEvidence:
    """`bench.reports.studies.Evidence` of one data set of a run."""

    def __init__(self, section: Section, cells: pd.DataFrame, spec: Mapping[str, Any], history: History):
        spec = {str(key).replace("_", "-"): value for key, value in spec.items()}
        self._section, self._history = section, history
        self._row = {row.label: place for place, row in enumerate(section.rows)}
        own = cells[(cells["dataset_label"] == section.name) & (cells["status"] == "ok")]
        self._cell = {(v, int(s)): i for v, s, i in zip(own["variant_label"], own["seed"], own["cell_id"], strict=True)}
        self.kl_weights = {row.label: row.kl_weight_value for row in section.rows if row.kl_weight_value != ""}
        self.is_squared = str(spec.get("recon", "")).partition("[")[0] == "squared"
        self.n_identified = min((_test_rows(text) for text in own["split"]), default=0)
        self.is_linear = _is_linear(str(spec.get("network", "")))

    def value(self, variant: str, metric: str) -> np.ndarray | None:
        """A metric of a variant by seed, (S,), or None where no seed has it."""
        table = self._section.values.get(metric)
        if table is None or variant not in self._row or not np.isfinite(table[self._row[variant]]).any():
            return None
        return table[self._row[variant]]

    def course(self, variant: str, term: str) -> tuple[np.ndarray, np.ndarray] | None:
        """A validation term after `WARM_UP` of the training and at its end, each (S,), or None."""
        seeds = self._section.design.seeds.tolist()
        ends = np.full((2, len(seeds)), np.nan)
        for place, seed in enumerate(seeds):
            cell_id = self._cell.get((variant, seed))
            curve = None if cell_id is None else self._curve(cell_id, term)
            if curve is not None:
                ends[:, place] = curve
        return (ends[0], ends[1]) if np.isfinite(ends).all(0).any() else None

    def fall(self, variant: str) -> float | None:
        """Share by which the training loss falls over the last fifth of the training, mean over seeds, or None.

        Loss by its smoothed ends: the mean of the points between 70 and 80 % of the steps, and of the last tenth.
        """
        falls = [
            fall
            for (label, _), cell_id in self._cell.items()
            if label == variant and (fall := _fall(self._history(cell_id))) is not None
        ]
        return float(np.mean(falls)) if falls else None

    def _curve(self, cell_id: str, term: str) -> tuple[float, float] | None:
        arrays = self._history(cell_id)
        steps, values = arrays.get("history_step"), arrays.get(f"history_validation_{term}")
        if steps is not None and values is not None and len(steps) == len(values) >= 5:
            start = int(np.searchsorted(steps, WARM_UP * steps[-1]))
            return float(values[start]), float(values[-1])
        return None


def _fall(arrays: Mapping[str, np.ndarray]) -> float | None:
    steps, loss = arrays.get("history_step"), arrays.get("history_train_loss")
    if steps is None or loss is None or steps.shape != loss.shape or len(steps) < 10:
        return None
    share = steps / steps[-1]
    before, after = loss[(share >= 0.7) & (share <= 0.8)], loss[share >= 0.9]
    if len(before) == 0 or len(after) == 0 or not before.mean():
        return None
    return float((before.mean() - after.mean()) / abs(before.mean()))


def _test_rows(split: str) -> int:
    """Held-out rows among which identification chooses: at most 2,000."""
    n = json.loads(split).get("n_test")
    return min(n, IDENTIFIED) if isinstance(n, int) else 0


def _is_linear(network: str) -> bool:
    try:
        call = parse_call(network)
    except BenchError:
        return False
    return call.name == "mlp" and (call.params.get("hidden") == [] or call.params.get("activation") == "identity")


def judge_claims(
    sections: Sequence[Section], cells: pd.DataFrame, spec: Mapping[str, Any], history: History
) -> tuple[list[Judged], dict[int, str]]:
    """Every claim that a data set has the cells for, and why the others could not be tested, by number.

    Their tests are over seeds, which are independent on one split of the data alone.
    """
    judged: list[Judged] = []
    missing: dict[int, str] = {}
    for section in sections:
        if section.design.is_crossed:
            missing |= {claim.number: f"{claim.text}: {ONE_SPLIT}" for claim in CLAIMS if claim.number not in missing}
            continue
        evidence = SectionEvidence(section, cells, spec, history)
        tested: list[tuple[Claim, list[Component]]] = []
        for claim in CLAIMS:
            found = claim.test(evidence)
            if isinstance(found, str):
                missing.setdefault(claim.number, f"{claim.text}: {found}")
            else:
                tested.append((claim, found))
        outcomes = judge([components for _, components in tested])
        judged += [Judged(claim, section.label, o) for (claim, _), o in zip(tested, outcomes, strict=True)]
    for entry in judged:
        missing.pop(entry.claim.number, None)
    return judged, missing


def claims_figure(judged: Sequence[Judged], dataset: str) -> Iterator[tuple[Any, ...]]:
    """The figure of a data set's claims: every condition as effect and interval, in units of its smallest effect."""
    own = [entry for entry in judged if entry.dataset == dataset]
    if not own:
        return
    rows = [_figure_row(entry, part) for entry in own for part in entry.outcome.parts]
    table = pd.DataFrame(rows)
    caption = (
        "Each row is one condition: its distance from the threshold in units of the smallest effect of interest, with "
        "the 95 % t interval over seeds. Right of the line the condition is met. Rows of one claim stand together."
    )
    yield "claims", "Claims of the lecture note", caption, plot_claims(table), table, False


def _figure_row(entry: Judged, part: tuple[Component, float, str]) -> Mapping[str, Any]:
    component, p, side = part
    interval = component.interval
    return {
        "claim": entry.claim.number,
        "text": entry.claim.text,
        "verdict": entry.outcome.verdict,
        "condition": component.text,
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "threshold": component.threshold,
        "scale": component.scale,
        "n": interval.n,
        "p": p,
        "side": side,
    }
