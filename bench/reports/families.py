"""The family and the paper of every variant of a report, read from the plugins' sources; nothing is imported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.analysis.eligibility import CONTROL
from bench.spec.registry import Registry
from bench.text import printable

#: Of a variant whose plugin is not there or states none.
OTHER = "other"


@dataclass(frozen=True)
class Origin:
    """A variant's family and the paper that it states, "" for none."""

    family: str = OTHER
    reference: str = ""


def origins(variants: Iterable[str], plugins: Iterable[str] = ()) -> dict[str, Origin]:
    """Of each variant, by its name; those of no known plugin are of the family `OTHER`.

    Args:
        plugins: files and folders that a run names; what has gone is left out.
    """
    registry = Registry.discover_present(list(plugins))
    known = set(registry.names("variant"))
    found = {}
    for name in variants:
        info = registry.info("variant", name) if name in known and not name.startswith(CONTROL) else None
        ok = info is not None and not info.broken
        found[name] = Origin(printable(info.family) or OTHER, printable(info.reference)) if info and ok else Origin()
    return found
