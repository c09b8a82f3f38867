"""Sweeps as CSV, as Markdown and as one figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.numbers import number
from bench.files import make_directory, write_bytes, write_text
from bench.text import escape, table
from bench.validity.judge import BLIND, GAUGE, NO_REFERENCE, SEES, UNSTEADY, WON, Curve, Judged, judged

MARKS = {SEES: "✓", BLIND: "·", WON: "✗", UNSTEADY: "~", NO_REFERENCE: "n/a"}
LEGEND = (
    "✓ sees it: worse with every step of the sweep (rank correlation with the strength at least .9) and, at its "
    "strongest, beyond three standard errors of what real data score. · blind: nowhere beyond them. ~ unsteady. "
    "✗ won by it: some level scores better than real data beyond noise, so that the metric may rank nobody. n/a: real "
    "data have no number there (the likelihood of an error of 0)."
)
KINDS = {
    "samples": "Samples: real rows, degraded, in the place of decodes of the prior",
    "reconstructions": "Reconstructions: held-out rows, degraded",
    "paths": "Paths: from pixels to pixels over the nearest training images, degraded",
    "codes": "Codes: principal components with noise",
    "gauge": "Gauge: principal components under random affine maps, condition numbers up to 1,000",
}
#: Values that the figure shows where they were measured, and what they are called there.
SHOWN = {
    "energy_prior": "energy distance",
    "energy_prior_classifier": "energy distance, classifier features",
    "coverage_recall_prior": "harmonic mean",
    "coverage_prior": "coverage",
    "recall_prior": "recall",
    "interp_excess": "interpolation excess",
    "interp_excess_classifier": "interpolation excess, classifier features",
    "interp_realism": "path / cross-fade",
}


def frame(curves: Sequence[Curve]) -> pd.DataFrame:
    """One row per level: metric, kind, sweep, strength, value, noise, verdict."""
    rows = [
        (curve.name, curve.kind, curve.sweep, strength, value, curve.noise, curve.verdict)
        for curve in curves
        for strength, value in zip(curve.strengths, curve.values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["metric", "kind", "sweep", "strength", "value", "noise", "verdict"])


def markdown(curves: Sequence[Curve], title: str) -> str:
    """Verdicts by kind of sweep, what may not rank, and every number."""
    found = judged(curves)
    lines = [f"# Validity sweeps: {escape(title)}", "", LEGEND, ""]
    for kind, words in KINDS.items():
        verdicts = [entry for entry in found if entry.kind == kind]
        if verdicts:
            lines += [f"## {words}", "", *_verdicts(verdicts)]
    lines += ["## Numbers", "", "Real data first, then by rising strength; noise is one standard error of real data."]
    lines += [""]
    for kind in KINDS:
        own = [curve for curve in curves if curve.kind == kind]
        if own:
            rows = [
                (f"`{c.name}`", c.sweep, ", ".join(f"{s:g}" for s in c.strengths), ", ".join(map(_short, c.values)),
                 number(c.noise, 2), MARKS[c.verdict])
                for c in own
            ]  # fmt: skip
            lines += [f"### {kind}", "", *table(("Metric", "Sweep", "Strength", "Value", "Noise", ""), rows, left=4)]
    return "\n".join(lines).rstrip() + "\n"


def _short(value: float) -> str:
    return number(value, 3) if np.isfinite(value) else "none"


def _verdicts(found: Sequence[Judged]) -> list[str]:
    sweeps = list(dict.fromkeys(sweep for entry in found for sweep in entry.verdicts))
    rows = []
    for entry in found:
        marks = [MARKS[entry.verdicts[sweep]] if sweep in entry.verdicts else "" for sweep in sweeps]
        rows.append((f"`{entry.name}`", *marks, "yes" if entry.ranks else "no", "; ".join(entry.broken) or "–"))
    return table(("Metric", *sweeps, "Ranks", "Why it should not"), rows, left=1)


def failures(curves: Sequence[Curve]) -> list[str]:
    """One line for each value that ranks although its sweeps forbid it."""
    return [f"{e.name}: {', '.join(e.broken)}" for e in judged(curves) if e.ranks and not e.passes]


def figure(curves: Sequence[Curve]):
    """A panel per value and kind of sweep: the value over a sweep's steps, the band of real data behind it."""
    from bench.reports.figures.style import INK, PALETTE, look, new_figure

    names = [name for name in SHOWN if any(c.name == name and c.kind != GAUGE for c in curves)]
    names = names or list(dict.fromkeys(c.name for c in curves))[:8]
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    with look():
        page = new_figure(4.0 * columns, 2.9 * lines)
        for place, name in enumerate(names):
            axes = page.add_subplot(lines, columns, place + 1)
            own = [curve for curve in curves if curve.name == name and curve.kind != GAUGE]
            real, noise = own[0].values[0], max(curve.noise for curve in own)
            axes.axhspan(real - 3 * noise, real + 3 * noise, color="#DDDDDD", zorder=0, linewidth=0)
            for index, curve in enumerate(own):
                style: dict[str, Any] = {"color": PALETTE[index % len(PALETTE)], "marker": "o", "markersize": 3}
                axes.plot(np.arange(len(curve.values)), curve.values, label=curve.sweep, **style)
            axes.set_title(SHOWN.get(name, name), color=INK)
            axes.set_xlabel("step of the sweep (0: real data)")
            axes.legend(fontsize=7, ncols=2)
    return page


def write_files(curves: Sequence[Curve], title: str, directory: Path) -> list[Path]:
    """validity.csv, validity.md and validity.png in `directory`, which is made."""
    from bench.reports.figures.style import png_bytes

    make_directory(directory)
    paths = [directory / f"validity.{ending}" for ending in ("csv", "md", "png")]
    write_text(paths[0], frame(curves).to_csv(index=False))
    write_text(paths[1], markdown(curves, title) + "\n![Sweeps](validity.png)\n")
    write_bytes(paths[2], png_bytes(figure(curves)))
    return paths
