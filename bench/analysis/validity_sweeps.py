"""Which sweeps speak about which metric, by name alone (nothing here imports torch).

A degradation is put to a metric as a model: one that **samples** degraded rows from its prior, one whose
**reconstructions** of held-out data are degraded, one that decodes **paths** between pixels to degraded real images, or
one whose **codes** are degraded. Under **gauge** nothing is degraded: codes z become Az+b, which values declared
invariant must not notice. What holds for decodes of the prior holds for those of the fitted Gaussian and of the
mixture, since the statistic is the same.
"""

from __future__ import annotations

import re
from typing import Protocol

from bench.contracts.metric import Value


class Declared(Protocol):
    """What is known of a value: of one that a plugin declares, and of one that a run has stored."""

    @property
    def name(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...]: ...
    @property
    def sees(self) -> tuple[str, ...]: ...


#: Sweeps by kind of model.
SWEEPS = {
    "samples": ("averaging", "blur", "classes", "contrast", "duplicates", "memorised", "noise", "shift"),
    "reconstructions": ("averaging", "blur", "contrast", "noise", "shift"),
    "paths": ("averaging", "blur", "crossfade"),
    "codes": ("noise",),
    "gauge": ("affine",),
}
#: Values without a direction whose direction would be this one, if they could be trusted with it.
WOULD_BE = {
    "coverage": True,
    "recall": True,
    "precision": True,
    "density": True,
    "realism": False,
    "interp_realism": False,
}
#: Values of paths that have a real reference; how evenly a path advances has none, and its truths are analytic.
OF_PATHS = ("interp_excess", "interp_realism", "interp_true_distance")
#: Values of decoded samples that encode them again, for which rows without a code are nothing.
OF_CODES = ("cycle_error", "hole_fraction")
#: Primary values that rank without a sweep of their own, and why.
UNSWEPT = {
    "interp_unevenness": "how evenly a path advances has no real reference; its truths are analytic",
    "interp_excess_randconv": "the excess in random features, where data have no classes; swept in pixels",
    "anomaly_auroc": "its reference is the label: a shuffled score has .5, a copy of the label 1",
}
_SOURCE = re.compile(r"_(fit|mixture)(?=_|$)")


def kind_of(value: Declared, family: str) -> str | None:
    """The kind of sweeps that a value is measured on, or None."""
    if value.name.startswith(OF_PATHS):
        return "paths"
    if family == "reconstruction" and {"encode", "decode"} <= set(value.needs):
        return "reconstructions"
    if {"decode", "prior"} <= set(value.needs) and not {"encode", "posterior"} & set(value.needs):
        return "samples"
    if _SOURCE.search(value.name) and family in ("coverage", "generation") and not value.name.startswith(OF_CODES):
        return "samples"
    return "codes" if family == "downstream" and "encode" in value.needs else None


def measured_as(name: str) -> str:
    """The value on which sweeps of `name` are measured: samples are drawn from the prior, whatever their source."""
    return _SOURCE.sub("_prior", name)


def direction(value: Value) -> bool | None:
    """Whether higher is better: as declared, or as it would be."""
    if value.higher_is_better is not None:
        return value.higher_is_better
    longest = max((start for start in WOULD_BE if value.name.startswith(start)), key=len, default="")
    return WOULD_BE.get(longest)


def seen_text(value: Declared, family: str) -> str:
    """What a value was found to see and not to see, in words; "" where it makes no claim."""
    if value.name in UNSWEPT:
        return f"none: {UNSWEPT[value.name]}"
    kind = kind_of(value, family)
    if kind is None or not value.sees:
        return ""
    blind = [name for name in SWEEPS[kind] if name not in value.sees]
    return f"sees {', '.join(value.sees)}" + (f"; not {', '.join(blind)}" if blind else "")
