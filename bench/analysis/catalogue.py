"""What is known of each metric: family, one-sentence summary, formula, whether the short table shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.scales import LINEAR, Scale, scale_of
from bench.errors import BenchError
from bench.store.measurements import MetricInfo
from bench.text import printable

#: Families in the order of the report; a foreign metric's family comes after them.
FAMILIES = ("reconstruction", "coverage", "interpolation", "collapse", "likelihood", "generation", "downstream",
            "disentanglement")  # fmt: skip
#: The question that a metric answers, for the verdict; other metrics are called by name.
QUESTIONS = {
    "test_mse": "Held-out reconstruction",
    "coverage_fit": "Samples cover the data (fitted Gaussian)",
    "recall_fit": "Samples span the data (fitted Gaussian)",
    "coverage_prior": "Samples cover the data (prior)",
    "recall_prior": "Samples span the data (prior)",
    "cycle_error_fit": "Samples survive encoding again",
    "interp_unevenness": "Even interpolation",
    "interp_realism": "Realistic interpolation",
}
_ELEMENT = re.compile(r"(.+)\[(\d+)\]")


@dataclass(frozen=True)
class Metric:
    """A metric as reports show it."""

    name: str
    unit: str
    higher_is_better: bool | None
    family: str
    summary: str = ""
    formula: str = ""
    primary: bool = False
    gauge: str = ""
    needs: tuple[str, ...] = ()
    scale: Scale = LINEAR

    @property
    def question(self) -> str:
        """The question it answers, or its name."""
        return QUESTIONS.get(self.name, self.name)

    @property
    def gauge_word(self) -> str:
        """ "gauge-dependent" where another basis of the code gives another rank, though it needs no prior."""
        ranks = self.higher_is_better is not None and "prior" not in self.needs
        return "gauge-dependent" if ranks and self.gauge == "dependent" else ""

    @property
    def direction(self) -> str:
        """An arrow towards better; nothing for a descriptive metric."""
        return "" if self.higher_is_better is None else ("↑" if self.higher_is_better else "↓")


def catalogue(metrics: Sequence[MetricInfo], plugins: Sequence[str] = ()) -> dict[str, Metric]:
    """Everything known of the metrics of a run, by name, in the order of families.

    Args:
        plugins: files or folders with foreign metric plugins; what cannot be read is left out.
    """
    declared = _declared(plugins)
    known = []
    for info in metrics:
        element = _ELEMENT.fullmatch(info.name)
        family, value = declared.get(element.group(1) if element else info.name, ("other", None))
        known.append(
            Metric(
                info.name,
                printable(info.unit),
                info.higher_is_better,
                family,
                printable(value.summary) if value else "",
                printable(value.formula) if value else "",
                bool(value and value.primary),
                value.gauge if value else "",
                tuple(value.needs) if value else (),
                scale_of(value),
            )
        )
    rank = {family: place for place, family in enumerate((*FAMILIES, "other"))}
    known.sort(key=lambda metric: rank.get(metric.family, len(FAMILIES)))
    return {metric.name: metric for metric in known}


def _declared(plugins: Sequence[str]) -> dict[str, tuple[str, object]]:
    from bench.spec.registry import Registry

    try:
        registry = Registry.discover(plugins)
    except BenchError:
        registry = Registry.discover()
    found = {}
    for name in registry.names("metric"):
        info = registry.info("metric", name)
        if not info.broken:
            found |= {value.name: (printable(info.family) or "other", value) for value in info.values}
    return found


def is_element(name: str) -> bool:
    """Whether a metric is one entry of a vector, e.g. kl[3]."""
    return _ELEMENT.fullmatch(name) is not None
