"""Which sweeps speak about which metric."""

from bench.spec.registry import Registry
from bench.validity.kinds import UNSWEPT


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
