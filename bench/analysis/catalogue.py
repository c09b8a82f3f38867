"""What is known of each metric: family, one-sentence summary, formula, whether the short table shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bench.analysis.scales import LINEAR, Scale, scale_of
from bench.analysis.validity_sweeps import seen_text
from bench.contracts.metric import source_tag
from bench.spec.call import format_value
from bench.store.measurements import MetricInfo
from bench.text import printable

if TYPE_CHECKING:
    from bench.contracts.metric import Value
    from bench.spec.call import Call
    from bench.spec.registry import Registry

#: Families in the order of the report; a foreign metric's family comes after them.
FAMILIES = ("reconstruction", "coverage", "interpolation", "collapse", "likelihood", "generation", "downstream",
            "disentanglement", "anomalies")  # fmt: skip
#: The question that a metric answers, for the verdict; other metrics are called by name.
QUESTIONS = {
    "test_mse": "Held-out reconstruction",
    "energy_fit": "Samples like the data (fitted Gaussian)",
    "energy_prior": "Samples like the data (prior)",
    "energy_fit_classifier": "Samples like the data, classifier features (fitted Gaussian)",
    "energy_prior_classifier": "Samples like the data, classifier features (prior)",
    "interp_unevenness": "Even interpolation",
    "anomaly_auroc": "Anomalies told from held-out rows",
    "interp_excess": "Interpolation near the data",
    "interp_excess_classifier": "Interpolation near the data, classifier features",
    "interp_excess_randconv": "Interpolation near the data, random features",
    "interp_true_distance": "Interpolation on the true manifold",
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
    sees: tuple[str, ...] = ()

    @property
    def explanation(self) -> str:
        """What it is, and what validity sweeps found it to see and not to see; "" where nothing is known."""
        swept = seen_text(self, self.family)
        return " ".join([self.summary, *([f"Sweeps: {swept}."] if swept else [])]) if self.summary else ""

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


def catalogue(
    metrics: Sequence[MetricInfo], stored: Mapping[str, Mapping[str, Any]], plugins: Sequence[str] = ()
) -> dict[str, Metric]:
    """Everything known of the metrics of a run, by name, in the order of families.

    Args:
        stored: what the run says of its metrics (`RunStore.load_metrics`); it goes before today's code.
        plugins: files or folders with foreign metric plugins, for metrics that the run says nothing of; what cannot be
            read is left out.
    """
    declared = stored if all(_base(info.name) in stored for info in metrics) else {**_declared(plugins), **stored}
    known = [_metric(info, declared.get(_base(info.name), {})) for info in metrics]
    rank = {family: place for place, family in enumerate((*FAMILIES, "other"))}
    known.sort(key=lambda metric: rank.get(metric.family, len(FAMILIES)))
    return {metric.name: metric for metric in known}


def _base(name: str) -> str:
    """The name of a value, without the index of a vector's entry."""
    element = _ELEMENT.fullmatch(name)
    return element.group(1) if element else name


def _metric(info: MetricInfo, said: Mapping[str, Any]) -> Metric:
    return Metric(
        info.name,
        printable(info.unit),
        info.higher_is_better,
        printable(said.get("family", "")) or "other",
        printable(said.get("summary", "")),
        printable(said.get("formula", "")),
        bool(said.get("primary")),
        said.get("gauge", ""),
        tuple(said.get("needs", ())),
        scale_of(said),
        tuple(map(printable, said.get("sees", ()))),
    )


def declarations(registry: Registry, wanted: str = "all", samplers: Sequence[Call] = ()) -> dict[str, dict[str, Any]]:
    """What the metrics of a registry declare, by value, as `RunStore.save_metrics` keeps it."""
    found: dict[str, dict[str, Any]] = {}
    options = registry.metric_options(wanted)
    declared, drawn = registry.values_of_metrics(samplers), {source_tag(call.name): call for call in samplers}
    for name, chosen in registry.metrics_for(wanted, samplers):
        given = ", ".join(f"{key}={format_value(value)}" for key, value in options.get(name, {}).items())
        for key, said in _said(registry.info("metric", name).family, declared[name]).items():
            if key in chosen:
                more = [f"Options: {given}."] if given else []
                more += [f"Sampler: {drawn[said['drawn_from']]}."] if said["drawn_from"] in drawn else []
                found[key] = said | {"summary": " ".join([said["summary"], *more])}
    return found


def _declared(plugins: Sequence[str]) -> dict[str, dict[str, Any]]:
    from bench.spec.registry import Registry

    registry = Registry.discover_present(plugins)
    infos = (registry.info("metric", name) for name in registry.names("metric"))
    return {key: said for info in infos if not info.broken for key, said in _said(info.family, info.values).items()}


def _said(family: str, values: Iterable[Value]) -> dict[str, dict[str, Any]]:
    return {value.name: {"family": family, **asdict(value)} for value in values}


def is_element(name: str) -> bool:
    """Whether a metric is one entry of a vector, e.g. kl[3]."""
    return _ELEMENT.fullmatch(name) is not None
