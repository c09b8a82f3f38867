"""Every built-in sampler passes the conformance suite."""

import pytest

from bench.conformance.sampler import check_sampler
from bench.evaluate.samplers import built_samplers
from bench.spec.call import parse_call
from bench.spec.registry import Registry

REGISTRY = Registry.discover()
#: Fewer steps than by default, which is enough for codes of two dimensions.
QUICK = {"maf": "maf[steps=250]", "two-stage": "two-stage[steps=800,lr=0.01]"}


@pytest.mark.parametrize("name", REGISTRY.names("sampler"))
def test_conformance(name):
    if name == "maf":
        pytest.importorskip("zuko")
    (call,) = REGISTRY.samplers_for([parse_call(QUICK.get(name, name))])
    sampler = built_samplers(REGISTRY, [call])[name]
    failed = [check for check in check_sampler(sampler, 2) if check.passed is False]
    assert not failed, failed
