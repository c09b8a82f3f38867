"""What a metric plugin is: a class that names its values and computes them from an evaluated model.

A metric is a pure function of a `View` (held-out data, the trained model's functions, quantities computed once and
shared) and a random generator. `Value(...)` and `each(...)` calls hold literals only, because `aebench list metrics`
reads them from the source without importing anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np

    from bench.contracts.view import View

#: What a value can need of the model or the data; anything missing makes it n/a with the reason given here.
NEEDS = {
    "encode": "the variant has no encoder",
    "decode": "the variant has no decoder",
    "posterior": "the variant declares no posterior q(z|x)",
    "density": "the posterior q(z|x) has a density along its own draws only",
    "prior": "the variant declares no prior",
    "likelihood": "the variant and reconstruction cost define no likelihood p(x|z)",
    "euclidean": "not every point of the code space is a code",
    "path": "codes come from a finite set, so that a path between two is made of the decodes of codes alone",
    "labels": "the data set has no labels",
    "factors": "the data set has no ground-truth factors",
    "images": "the data are not images",
    "plane": "the latent dimension is not 2",
    "manifold": "the data set's true manifold is not known",
    "anomalies": "the data set has no test anomalies",
}

#: What `each` knows to fill in, by place and tag: words of a summary, of a formula, and the needs that come with it.
WORDS: dict[str, dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "source": {
        "fit": ("N(m, S) of the codes", "N(m, S)", ("encode", "decode")),
        "mixture": ("the code mixture", "mixture", ("encode", "decode")),
        "prior": ("the prior", "prior", ("decode", "prior")),
    },
    "space": {
        "classifier": ("classifier features", "classifier features", ("labels",)),
        "pca": ("PCA features", "PCA features", ()),
        "randconv": ("random features", "random features", ("images",)),
    },
    "pair": {"same": ("one class", "one class", ("labels",)), "cross": ("two classes", "two classes", ("labels",))},
}


@dataclass(frozen=True)
class Value:
    """One number that a metric reports.

    Attributes:
        name: snake_case and stable, e.g. "test_mse". A vector value is stored as name[0], name[1], …
        summary: one sentence for a reader who does not know the metric.
        higher_is_better: True, False, or None for a descriptive value.
        unit: e.g. "per dim", "nats", "" for a pure number.
        range: e.g. "[0, 1]".
        formula: the definition in one line.
        needs: keys of `NEEDS`.
        gauge: "invariant" when replacing z by Az+b (encoder and decoder compensated) changes nothing, else "dependent".
        core: whether `--metrics core` includes it.
        vector: whether `compute` returns one number per latent dimension (or bin) under this name.
        primary: whether the short table of a report shows it.
        target: the value that is best, where neither the highest nor the lowest is (the direction is then None).
        sees: names of the validity sweeps (`bench.analysis.validity_sweeps`) that it was found to see and is held to.
        scale: on which differences count: "linear", "log" (ratios, as of errors), or "excess over 1" (ratios of
            value - 1); "" for what the range suggests (`bench.analysis.scales`).
        smallest_effect: the least difference worth a mark on that scale: in the value's unit for "linear", a share for
            the others (0.01 is 1 %); None for the scale's default.
        drawn_from: the latent source whose decodes it is about, where there is one: what holds draws of "fit" is there
            for every sampler that a run asks for, too (`of_sampler`). `each` fills it in from the place `{source}`.
    """

    name: str
    summary: str
    higher_is_better: bool | None
    unit: str = ""
    range: str = ""
    formula: str = ""
    needs: tuple[str, ...] = ()
    gauge: str = "invariant"
    core: bool = False
    vector: bool = False
    primary: bool = False
    target: float | None = None
    sees: tuple[str, ...] = ()
    scale: str = ""
    smallest_effect: float | None = None
    drawn_from: str = ""


#: The fields that values of one `each` can share, with the defaults that mean "not said".
_SHARED = {field.name: field.default for field in fields(Value)[3:]}


def each(*values: Value, **given: Any) -> tuple[Value, ...]:
    """What `values` have in common, said once: fields that they share, and lists that they are repeated for.

    `*each(Value("kid_{source}", "Distance of decodes of {source}.", False), source=("fit", "prior"), unit="nats")`
    declares kid_fit and kid_prior. The place `{source}` becomes a tag in names and words in summaries and formulas.

    Args:
        given: a field of `Value` after the direction: it holds for the values that do not state their own (needs add
            up); or a place, to be repeated for: tags of `WORDS[place]`, or a mapping from tags to words (or to a pair:
            words of the summary, words of the formula). The first place is the outermost.

    Returns:
        The values, those that need the prior as gauge-dependent.

    Raises:
        ValueError: a place without words, an unknown tag, or something that is no `Value`.
    """
    if wrong := [value for value in values if not isinstance(value, Value)]:
        raise ValueError(f"each(...) holds {wrong[0]!r}; give Value(...) literals")
    shared = {key: given.pop(key) for key in tuple(given) if key in _SHARED}
    places = [[(place, *word) for word in _words(place, tags)] for place, tags in given.items()]
    return tuple(_filled(value, words, shared) for words in itertools.product(*places) for value in values)


def _words(place: str, tags: Sequence[str] | Mapping[str, Any]) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Tag, words of a summary, words of a formula, and needs, for each tag of a place."""
    known = WORDS.get(place, {})
    if not isinstance(tags, (Mapping, list, tuple)):
        raise ValueError(f"{place}={tags!r} is neither a field of Value nor a list of tags or a mapping to words")
    for tag in tags:
        if isinstance(tags, Mapping):
            words = tags[tag]
            yield (tag, words, words, ()) if isinstance(words, str) else (tag, *words, ())
        elif tag in known:
            yield (tag, *known[tag])
        else:
            listed = f"known: {', '.join(known)}" if known else "give a mapping from tags to words"
            raise ValueError(f"there are no words for {place} {tag!r}; {listed}")


def _filled(value: Value, words: Sequence[tuple], shared: dict[str, Any]) -> Value:
    """A value with its places filled and the shared fields that it does not state."""
    stated = {key: shared[key] for key in shared if getattr(value, key) == _SHARED[key]}
    value = replace(value, **stated)
    needs = {*value.needs, *shared.get("needs", ())}
    name, summary, formula = value.name, value.summary, value.formula
    for place, tag, in_summary, in_formula, more in words:
        name = name.replace(f"{{{place}}}", tag)
        summary = summary.replace(f"{{{place}}}", in_summary)
        formula = formula.replace(f"{{{place}}}", in_formula)
        needs |= set(more)
        value = replace(value, drawn_from=tag) if place == "source" else value
    ordered = (*(need for need in NEEDS if need in needs), *sorted(needs - NEEDS.keys()))
    gauge = "dependent" if "prior" in needs else value.gauge
    return replace(value, name=name, summary=summary, formula=formula, needs=ordered, gauge=gauge)


def of_sampler(value: Value, sampler: str) -> Value:
    """What a value of draws from "fit" is for draws of a sampler: `coverage_fit` becomes `coverage_<sampler>`."""
    in_summary, in_formula, _ = WORDS["source"]["fit"]
    tag = source_tag(sampler)
    return replace(
        value,
        name="_".join(tag if part == "fit" else part for part in value.name.split("_")),
        summary=value.summary.replace(in_summary, f"the sampler {sampler}").replace(
            in_formula, f"the sampler {sampler}"
        ),
        formula=value.formula.replace(in_formula, sampler),
        drawn_from=tag,
    )


def with_samplers(values: Sequence[Value], samplers: Sequence[str]) -> tuple[Value, ...]:
    """What a metric declares, and after that what it measures of each sampler."""
    more = (of_sampler(value, name) for name in samplers for value in values if value.drawn_from == "fit")
    known = {value.name for value in values}
    return (*values, *(value for value in more if value.name not in known))


def source_tag(sampler: str) -> str:
    """How names of values write a sampler: `two-stage` is `two_stage`."""
    return sampler.replace("-", "_")


@dataclass(frozen=True)
class Estimate:
    """A value with the Monte-Carlo standard error of its evaluation."""

    value: float | np.ndarray
    error: float | np.ndarray | None = None


@dataclass(frozen=True)
class Missing:
    """No number, for a stated reason.

    Status "n/a" (does not apply), "too_few" (too few data for the estimator) or "failed" (the metric's own fault).
    """

    reason: str
    status: str = "n/a"


@dataclass(frozen=True)
class Flagged:
    """A number that must not be read without its reason (status "flagged"), e.g. one that a collapsed model wins."""

    value: float | np.ndarray
    reason: str
    error: float | np.ndarray | None = None


class Metric:
    """Base of every metric plugin (one file in `bench/metrics/`, one concrete class).

    Class attributes:
        values: the `Value`s that `compute` can return.
        family: "reconstruction", "coverage", "interpolation", "collapse", "likelihood", "generation", "downstream",
            "disentanglement", "anomalies".
    """

    values: ClassVar[tuple[Value, ...]] = ()
    family: ClassVar[str] = ""

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Numbers by value name: a float or array, an `Estimate`, a `Missing` or a `Flagged`.

        Also a function without arguments that gives one of these: it is called if the run asks for its value, and what
        it raises is the failure of that value alone. Only the values whose needs the view fulfils are expected; others
        in the dictionary are ignored. A value that is neither returned nor excused is reported as a defect of the
        metric.
        """
        raise NotImplementedError(f"{type(self).__name__} must define compute(view, rng)")
