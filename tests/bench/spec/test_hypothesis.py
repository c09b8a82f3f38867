"""Declared hypotheses: one spelling, their metrics evaluated, and refusals in one line."""

import pytest

from bench.errors import UsageError
from bench.spec.hypothesis import parse_hypothesis
from bench.spec.registry import Registry
from bench.spec.run import RunSpec


@pytest.fixture(scope="module")
def registry():
    return Registry.discover()


def spec_of(*hypotheses, **settings):
    return RunSpec.from_dict({"variant": ["ae", "vae[beta=[1,2]]"], "hypothesis": list(hypotheses), **settings})


def test_a_hypothesis_is_read_as_it_is_meant():
    found = parse_hypothesis(" vae[beta=2]  >  ae on test_mse,coverage_fit ")
    assert (found.better, found.worse, found.metrics) == ("vae[beta=2]", "ae", ("test_mse", "coverage_fit"))
    assert parse_hypothesis(str(found)) == found


def test_validation_gives_it_one_spelling_and_its_metrics_are_evaluated(registry):
    spec = spec_of("VAE[beta=1.0] > AE on test-mse", "vae>ae on test_mse", "vae[beta=2] > vae on kid_fit")
    spec = spec.validate(registry)
    assert spec.hypotheses == ("vae > ae on test_mse", "vae[beta=2] > vae on kid_fit")
    evaluated = {value for _, values in registry.metrics_for(spec.evaluated) for value in values}
    assert "kid_fit" in evaluated
    assert RunSpec.from_dict(spec.to_dict()) == spec
    assert spec.hash != spec_of().validate(registry).hash


def test_a_metric_plugin_stands_for_its_values_with_a_direction(registry):
    (text,) = spec_of("vae > ae on coverage").validate(registry).hypotheses
    values = {value.name: value for value in registry.info("metric", "coverage").values}
    assert parse_hypothesis(text).metrics == tuple(
        name for name, value in values.items() if value.higher_is_better is not None and not value.vector
    )


def test_controls_can_be_named_where_they_are_evaluated(registry):
    assert spec_of("vae > control:pca on test_mse", controls=True).validate(registry).hypotheses
    with pytest.raises(UsageError, match="not among the variants"):
        spec_of("vae > control:pca on test_mse").validate(registry)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vae beats ae", "cannot be read; write who is better than whom"),
        ("vae > ae", "cannot be read"),
        ("vae < ae on test_mse", "cannot be read"),
        ("vae > ae > vae on test_mse", "cannot be read"),
        ("vae > ae on ,", "cannot be read"),
        ("> ae on test_mse", "cannot be read"),
        ("vea > ae on test_mse", "unknown variant 'vea'; did you mean vae"),
        ("vae[beta=3] > ae on test_mse", r"vae\[beta=3\], which is not among the variants of the run \(ae, vae, vae"),
        ("vae > vae[beta=1] on test_mse", "compares vae with itself"),
        ("vae > ae on test_mes", "did you mean .*test_mse"),
        ("vae > ae on kl", "kl ranks nobody"),
        (3, "cannot be read"),
    ],
)
def test_what_cannot_be_tested_is_refused_in_one_line(registry, text, expected):
    with pytest.raises(UsageError, match=expected) as raised:
        spec_of(text).validate(registry)
    assert "\n" not in str(raised.value)


def test_too_many_are_refused(registry):
    with pytest.raises(UsageError, match="at most 50"):
        spec_of(*["vae > ae on test_mse"] * 51).validate(registry)
