"""A run beside reference results: their settings under the user's own, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.spec.call import Call
from bench.spec.config import build_run
from bench.spec.registry import Registry
from bench.spec.run import RunSpec
from bench.text import printable

if TYPE_CHECKING:
    from bench.store.references import Reference

#: What a run decides for itself; everything else is the reference's.
_OWN = ("name", "variant", "controls", "baseline", "hypothesis", "plugins", "device")
#: Parameters of a data set that say where its files are and not what they hold.
PLACES = ("root", "download")


def content_of(data: Call) -> Call:
    """A data set without the place of its files."""
    return Call(data.name, {key: value for key, value in data.params.items() if key not in PLACES})


def layer_of(reference: Reference) -> dict[str, Any]:
    """The settings of the reference's run, as the lowest layer of one that stands beside it."""
    settings = {key: value for key, value in reference.spec.items() if key not in _OWN}
    return {"name": f"against-{reference.name}", **settings}


def refuse_other_settings(spec: RunSpec, reference: Reference, registry: Registry) -> None:
    """Raise `UsageError` where a validated spec asks for anything else than the reference was made with."""
    theirs = _settings(reference_spec(reference, spec, registry))
    for key, value in _settings(spec).items():
        if value != theirs.get(key):
            raise UsageError(
                f"--{key.replace('_', '-')} {_shown(value)} is not what {reference.name} was made with "
                f"({_shown(theirs.get(key))}), and what differs is not compared; leave it out, or run without --against"
            )


def reference_spec(reference: Reference, spec: RunSpec, registry: Registry) -> RunSpec:
    """The reference's settings as a validated spec with the variants of `spec`."""
    layer = {**layer_of(reference), "variant": [str(call) for call in spec.variants], "plugins": list(spec.plugins)}
    return build_run(layer)[0].validate(registry)


def dataset_labels(reference: Reference, spec: RunSpec, registry: Registry) -> dict[str, str]:
    """What the run calls each data set of the reference, whose name may tell another place of the files."""
    theirs = reference_spec(reference, spec, registry).datasets
    ours = {content_of(call): registry.label("dataset", call) for call in spec.datasets}
    return {registry.label("dataset", call): ours[content_of(call)] for call in theirs}


def _settings(spec: RunSpec) -> dict[str, Any]:
    """What must agree, by key of a configuration."""
    known: Mapping[str, Any] = {"splits": 1, "select": None, "samplers": [], "likelihood_rows": "auto"}
    settings = {key: value for key, value in {**known, **spec.to_dict()}.items() if key not in _OWN}
    return settings | {"dataset": [str(content_of(call)) for call in spec.datasets]}


def _shown(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else "not set" if value is None else str(value)
    return printable(text, 80)
