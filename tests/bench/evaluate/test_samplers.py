"""Samplers of a run: their columns, what they decide, where they have no draws; drawing from a stored model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from runs import execute, records

from bench import Sampler, load_model
from bench.analysis.catalogue import declarations
from bench.contracts.dataset import Split
from bench.contracts.metric import Value, of_sampler
from bench.errors import UsageError
from bench.evaluate.control_models import CONTROLS
from bench.evaluate.evaluate import evaluate
from bench.evaluate.evaluated_model import evaluated_model
from bench.evaluate.samplers import built_samplers, codes_kept
from bench.losses import ReconstructionCost
from bench.reports.header import command
from bench.runs.fingerprints import Fingerprints
from bench.spec.call import Call, parse_call
from bench.spec.registry import Registry
from bench.spec.request import resolve

REGISTRY = Registry.discover()
SQUARED = ReconstructionCost("squared")
DATA = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32) * np.array([3, 2, 0.5, 0.2], np.float32)
SPLIT = Split(DATA[:200], DATA[200:300], DATA[300:], description="normal")


def names(wanted, *samplers):
    calls = REGISTRY.samplers_for([parse_call(text) for text in samplers])
    return {value for _, values in REGISTRY.metrics_for(wanted, calls) for value in values}


def measured(samplers, wanted, model=None):
    metrics = [REGISTRY.load("metric", name)() for name, _ in REGISTRY.metrics_for("coverage,energy,holes,mixture")]
    model = model or CONTROLS["pca"](SPLIT, 2, SQUARED, 0)
    return evaluate(model, SPLIT, metrics, wanted, samplers=samplers).values


def test_what_the_fitted_gaussian_has_every_sampler_has():
    for wanted in ("core", "all"):
        fit = {name for name in names(wanted) if "fit" in name.split("_")}
        more = names(wanted, "two-stage", "gaussian") - names(wanted)
        assert more == {"_".join(tag if part == "fit" else part for part in name.split("_"))
                        for name in fit for tag in ("two_stage", "gaussian")}  # fmt: skip
        assert {"coverage_two_stage", "energy_gaussian_classifier", "cycle_error_gaussian"} <= more
    assert names("core", "mixture") - names("core") >= {"coverage_mixture", "energy_mixture", "hole_fraction_mixture"}
    assert names("energy_maf", "maf") == {"energy_maf"}
    assert names("energy_fit", "maf") == {"energy_fit", "energy_maf"}
    words = of_sampler(Value("a_fit", "Of N(m, S) of the codes.", None, formula="z ~ N(m, S)", drawn_from="fit"), "x-y")
    assert (words.name, words.summary, words.formula) == ("a_x_y", "Of the sampler x-y.", "z ~ x-y")


@pytest.mark.parametrize(
    ("given", "metrics", "why"),
    [
        ("kernel", "core", "unknown sampler 'kernel'"),
        ("mixture,mixture[components=3]", "core", "sampler mixture is given twice"),
        ("mixture[modes=3]", "core", "modes"),
        (
            "mixture",
            "test_mse",
            "nothing that is measured is about its draws; add a metric that is, e.g. energy_m",
        ),
    ],
)
def test_samplers_that_cannot_be_are_refused(given, metrics, why):
    with pytest.raises(UsageError) as refused:
        resolve({"samplers": given, "metrics": metrics})
    assert why in str(refused.value)


def test_a_sampler_must_not_take_the_name_of_another_source(tmp_path):
    (tmp_path / "prior.py").write_text("from bench import Sampler\nclass A(Sampler):\n    pass\n")
    with pytest.raises(UsageError, match=r"sampler prior would report \w+_prior\w*, which metric \w+ reports already"):
        resolve({"samplers": "prior", "plugins": [tmp_path]})


def test_samplers_decide_the_evaluation_and_not_the_training():
    plain, mixed, more = (resolve({"samplers": given}) for given in (None, "mixture", "mixture[components=5]"))
    assert [cell.cell_id for cell in plain.cells] == [cell.cell_id for cell in mixed.cells]
    assert len({run.spec.hash for run in (plain, mixed, more)}) == 3
    assert len({Fingerprints.of(run.spec, run.registry).metrics_hash for run in (plain, mixed, more)}) == 3
    said = declarations(more.registry, more.spec.evaluated, more.spec.samplers)
    assert said["energy_mixture"]["summary"].endswith(" Sampler: mixture[components=5].")
    assert said["energy_mixture"]["family"] == "coverage" and "Sampler" not in said["energy_fit"]["summary"]
    assert mixed.spec.to_dict()["samplers"] == ["mixture[components=10]"]
    assert "--samplers 'mixture[components=10]'" in command(mixed.spec.to_dict())
    assert resolve(mixed.spec.to_dict()).spec == mixed.spec and "samplers" not in plain.spec.to_dict()


def test_the_gaussian_scores_as_the_fit_that_it_is():
    found = measured(built_samplers(REGISTRY, [Call("gaussian")]), {"energy_fit", "energy_gaussian", "diversity_fit",
                                                                    "diversity_gaussian"})  # fmt: skip
    for name in ("energy", "diversity"):
        fit, own = found[f"{name}_fit"], found[f"{name}_gaussian"]
        assert own.status == "ok" and abs(fit.value - own.value) < 4 * (fit.error**2 + own.error**2) ** 0.5


def test_the_mixture_by_name_is_the_mixture_that_metrics_know():
    assert measured(built_samplers(REGISTRY, [Call("mixture")]), {"coverage_mixture", "energy_mixture"}) == measured(
        {}, {"coverage_mixture", "energy_mixture"}
    )


def test_every_metric_measures_what_it_has_of_the_fit_of_a_sampler_too():
    """On data with labels; values that are n/a or too few are so for the fit as well."""
    labels = (DATA[:, 0] > 0).astype(np.int64)
    parts = {"train_labels": labels[:200], "validation_labels": labels[200:300], "test_labels": labels[300:]}
    split = replace(SPLIT, **parts)
    (call,) = REGISTRY.samplers_for([Call("gaussian")])
    own = names("all", "gaussian") - names("all")
    fit = {name: name.replace("gaussian", "fit") for name in own}
    metrics = [REGISTRY.load("metric", name)() for name, _ in REGISTRY.metrics_for(",".join(own), [call])]
    model, samplers = CONTROLS["pca"](split, 2, SQUARED, 0), built_samplers(REGISTRY, [call])
    found = evaluate(model, split, metrics, {*own, *fit.values()}, samplers=samplers).values
    statuses = {name: (found[name].status, found[fit[name]].status) for name in own}
    assert len(own) >= 30 and "failed" not in {status for pair in statuses.values() for status in pair}, statuses
    missing = ("n/a", "too_few")
    assert [name for name, (one, other) in statuses.items() if (one in missing) != (other in missing)] == []


class Broken(Sampler):
    """Raises."""

    calls = 0

    def fit(self, codes, generator):
        Broken.calls += 1
        raise RuntimeError("no fit")


class Infinite(Sampler):
    """Draws infinities."""

    def fit(self, codes, generator):
        return torch.distributions.Normal(torch.full(codes.shape[1:], torch.inf), 1.0, validate_args=False)


def test_a_sampler_that_fails_is_a_result_and_fails_once():
    found = measured({"broken": Broken(), "infinite": Infinite()}, {"energy_broken", "coverage_broken",
                                                                    "energy_infinite", "energy_fit"})  # fmt: skip
    for name in ("energy_broken", "coverage_broken"):
        assert found[name].reason == "sampler broken failed (RuntimeError: no fit)"
    assert {found[name].status for name in ("energy_broken", "coverage_broken", "energy_infinite")} == {"failed"}
    assert "draws are not finite" in found["energy_infinite"].reason
    assert Broken.calls == 1 and found["energy_fit"].status == "ok"


@pytest.mark.parametrize(("kind", "why"), [("subset", "such as a sphere"), ("discrete", "come from a finite set")])
def test_codes_of_another_space_are_told(kind, why):
    model = replace(CONTROLS["pca"](SPLIT, 2, SQUARED, 0), euclidean=False, discrete=kind == "discrete")
    found = measured(built_samplers(REGISTRY, [Call("two-stage")]), {"energy_two_stage", "energy_fit"}, model)
    assert found["energy_two_stage"].status == "n/a" and why in found["energy_two_stage"].reason
    assert found["energy_fit"].value is not None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that was made without samplers, and its training seconds; then asked for with two of them."""
    directory = tmp_path_factory.mktemp("sampled") / "run"
    settings = {"variant": ["ae", "fsq"], "seeds": 1, "metrics": "energy_fit,energy", "latent_dim": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda run: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        execute(directory, **settings)
        before = records(directory)
        with pytest.raises(UsageError, match="run it again with --samplers mixture, which trains nothing anew"):
            load_model(directory, "ae").sample(3, sampler="mixture")
        assert execute(directory, **settings, samplers="two-stage[steps=20],mixture").n_failed == 0
    return directory, before


def test_a_run_is_evaluated_again_for_samplers_and_not_trained_again(run):
    directory, before = run
    for key, record in records(directory).items():
        assert record["t_train"] == before[key]["t_train"]
        assert record["metrics"]["energy_fit"] == before[key]["metrics"]["energy_fit"]
    ae, fsq = (records(directory)[name, 0]["metrics"] for name in ("ae", "fsq"))
    assert ae["energy_two_stage"]["status"] == "ok" and fsq["energy_two_stage"]["status"] == "n/a"
    assert fsq["energy_mixture"]["value"] is not None


def test_a_stored_model_draws_from_a_sampler(run):
    model = load_model(run[0], "ae")
    drawn = model.sample(500, seed=1, sampler="mixture[components=2]")
    assert np.array_equal(drawn, model.sample(500, seed=1, sampler="mixture[components=2]"))
    assert not np.array_equal(drawn, model.sample(500, seed=2, sampler="mixture[components=2]"))
    assert drawn.shape == (500, 6)
    decoded = model.decode(model.training_codes)
    assert np.abs(drawn.mean(0) - decoded.mean(0)).max() < 0.3 * decoded.std()
    with pytest.raises(UsageError, match="two-stage cannot draw codes of fsq: codes come from a finite set"):
        load_model(run[0], "fsq").sample(3, sampler="two-stage")
    with pytest.raises(UsageError, match="unknown sampler"):
        model.sample(3, sampler="mixtur")


def test_training_codes_that_cannot_be_are_refused():
    for codes in (np.zeros((3, 2)), np.zeros((3, 3), np.float32), np.full((3, 2), np.nan, np.float32)):
        with pytest.raises(UsageError, match="is damaged"):
            codes_kept({"training_codes": codes}, 2, "it")
    assert codes_kept({}, 2, "it") is None


def test_evaluated_models_say_their_space(run):
    variant = load_model(run[0], "fsq").variant
    assert evaluated_model(variant, "fsq", 10, torch.device("cpu")).discrete
