"""What an author expects of a run before it is made: `mine > vae on test_mse, coverage_fit`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError, unknown_name
from bench.spec.call import Call, parse_call, split_list
from bench.text import printable

if TYPE_CHECKING:
    from bench.spec.registry import Registry

_FORM = re.compile(r"(?P<better>[^<>]+)>(?P<worse>[^<>]+?)\s+on\s+(?P<metrics>.+)", re.DOTALL)
#: How many hypotheses a run may declare; each of their tests makes all of them harder to show.
MOST = 50


@dataclass(frozen=True)
class Hypothesis:
    """One variant is better than another on each of some metrics, whichever their direction.

    Attributes:
        better, worse: labels of variants of the run. metrics: names of values.
    """

    better: str
    worse: str
    metrics: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.better} > {self.worse} on {', '.join(self.metrics)}"


def parse_hypothesis(text: Any) -> Hypothesis:
    """What `text` says, names as written.

    Raises:
        UsageError: it has not the form `A > B on METRIC, METRIC`.
    """
    found = _FORM.fullmatch(text.strip()) if isinstance(text, str) and len(text) < 4000 else None
    metrics = split_list(found["metrics"]) if found else []
    if found is None or not metrics or not found["better"].strip():
        raise UsageError(
            f"hypothesis {printable(repr(text), 80)} cannot be read; write who is better than whom on what, "
            "e.g. 'mine > vae on test_mse, coverage_fit' (> is better, whether high or low values are)"
        )
    return Hypothesis(found["better"].strip(), found["worse"].strip(), tuple(metrics))


def checked_hypotheses(
    texts: Sequence[str], registry: Registry, variants: Sequence[Call], controls: bool, samplers: Sequence[Call] = ()
) -> tuple[str, ...]:
    """Hypotheses in their one spelling, each once: labels of variants of the run, names of values with a direction.

    Args:
        variants: of the run, resolved. controls: whether all control models are evaluated, too. samplers: of the run.

    Raises:
        UsageError: unknown variants or metrics, a variant against itself, a metric that ranks nobody, too many.
    """
    if len(texts) > MOST:
        raise UsageError(f"{len(texts)} hypotheses are given; at most {MOST} are tested, fewer show more")
    found = []
    for text in texts:
        asked = parse_hypothesis(text)
        better, worse = (_label(name, registry, variants, controls) for name in (asked.better, asked.worse))
        if better == worse:
            raise UsageError(f"hypothesis {printable(text, 80)!r} compares {better} with itself")
        found.append(str(Hypothesis(better, worse, _values(asked.metrics, registry, samplers))))
    return tuple(dict.fromkeys(found))


def _label(name: str, registry: Registry, variants: Sequence[Call], controls: bool) -> str:
    wanted = registry.resolve("variant", parse_call(name))
    is_control = wanted.name.removeprefix("control:") in registry.controls and controls
    if wanted not in variants and not is_control:
        labels = [registry.label("variant", call) for call in variants]
        raise UsageError(
            f"the hypothesis names {printable(name, 60)}, which is not among the variants of the run "
            f"({printable(', '.join(labels), 120)}); add it with -m"
        )
    return registry.label("variant", wanted)


def _values(names: Sequence[str], registry: Registry, samplers: Sequence[Call]) -> tuple[str, ...]:
    """Names of values with a direction; that of a whole metric plugin stands for all of its values that have one."""
    metrics = registry.values_of_metrics(samplers)
    declared = {value.name: value for values in metrics.values() for value in values}
    of_plugin = {name.replace("-", "_"): [value.name for value in values] for name, values in metrics.items()}
    found: list[str] = []
    for name in names:
        key = name.replace("-", "_").lower()
        if key not in declared and key not in of_plugin:
            raise unknown_name("metric of a hypothesis", name, {*declared, *of_plugin})
        wanted = [key] if key in declared else of_plugin[key]
        ranks = [one for one in wanted if declared[one].higher_is_better is not None and not declared[one].vector]
        if not ranks:
            raise UsageError(
                f"{key} ranks nobody (it describes, or is a vector), so no hypothesis can be about it; "
                "give a metric with a direction (see aebench list metrics)"
            )
        found += ranks
    return tuple(dict.fromkeys(found))
