"""The presets of the zoo: every built-in variant, at its default setting or at five weights around that."""

import pytest

from bench.spec.config import build_run
from bench.spec.presets import read_preset
from bench.spec.registry import CONTROL, Registry
from bench.spec.run import RunSpec

CONTROLS = {CONTROL + "real", CONTROL + "cross-fade"}


@pytest.fixture(scope="module")
def registry():
    return Registry.discover()


@pytest.fixture(scope="module")
def specs(registry):
    return {name: build_run(read_preset(name))[0].validate(registry) for name in ("zoo", "zoo-grid", "zoo-mnist")}


@pytest.mark.parametrize("name", ["zoo", "zoo-mnist"])
def test_the_zoo_has_every_variant_once_at_its_default_setting_and_the_controls(registry, specs, name):
    labels = [registry.label("variant", call) for call in specs[name].variants]
    assert sorted(labels) == sorted({*registry.names("variant"), *CONTROLS})


def test_the_zoo_on_digits_is_trained_as_the_default_run_and_its_baseline_is_the_vae(specs):
    default = RunSpec()
    for name in ("zoo", "zoo-grid"):
        spec = specs[name]
        assert (spec.train, spec.seeds, spec.metrics) == (default.train, default.seeds, "core")
        assert ([call.name for call in spec.datasets], spec.baseline) == (["digits"], "vae")


def test_the_grid_has_five_weights_around_the_default_where_there_is_one_weight_and_the_default_elsewhere(
    registry, specs
):
    by_variant = {}
    for call in specs["zoo-grid"].variants:
        by_variant.setdefault(call.name, []).append(call.params)
    for name in registry.names("variant"):
        signature = registry.info("variant", name).signature
        weights = [key for key in signature if key in ("beta", "weight")]
        if len(weights) != 1:
            assert len(by_variant[name]) == 1, name
            continue
        (key,) = weights
        factors = [params[key] / signature[key] for params in by_variant[name]]
        assert factors == pytest.approx([0.1, 0.3, 1, 3, 10]), name
