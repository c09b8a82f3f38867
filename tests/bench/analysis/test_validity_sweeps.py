"""Which sweeps speak about which metric."""

import json

from bench.analysis.catalogue import catalogue, declarations
from bench.analysis.validity_sweeps import UNSWEPT, seen_text
from bench.spec.registry import Registry
from bench.store.measurements import MetricInfo


def test_what_leads_a_report_and_ranks_was_swept_or_says_why_not():
    registry = Registry.discover()
    ranking = {
        value.name: value
        for info in (registry.info("metric", name) for name in registry.names("metric"))
        for value in info.values
        if value.primary and (value.higher_is_better is not None or value.target is not None)
    }
    assert len(ranking) > 8
    unswept = {name for name, value in ranking.items() if not value.sees}
    assert unswept == set(UNSWEPT) & set(ranking)
    assert set(UNSWEPT) <= set(ranking)


def test_a_stored_value_says_what_its_sweeps_found_as_a_declared_one_does():
    registry = Registry.discover()
    said = declarations(registry, "all")
    stored = json.loads(json.dumps(said))
    infos = [MetricInfo(name, "", None) for name in said]
    known = catalogue(infos, stored)
    assert known["test_mse"].explanation.endswith("Sweeps: sees blur, contrast, noise, shift; not averaging.")
    assert "Sweeps: none: how evenly a path advances" in known["interp_unevenness"].explanation
    for info in (registry.info("metric", name) for name in registry.names("metric")):
        for value in info.values:
            found = seen_text(value, info.family)
            assert known[value.name].explanation.endswith(f"Sweeps: {found}." if found else value.summary)
