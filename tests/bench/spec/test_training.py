"""Training settings: defaults, canonical form, and one clear line for everything out of range."""

import inspect

import pytest

from bench.errors import UsageError
from bench.spec.builtin_tables import control_names, network_parameters
from bench.spec.call import Call, parse_call
from bench.spec.training import TrainSettings


def test_defaults_are_the_documented_ones():
    settings = TrainSettings()
    assert settings.network == Call("mlp", {"hidden": [256], "activation": "relu", "init": "torch"})
    assert (settings.latent_dim, settings.batch_size, settings.schedule) == (8, None, Call("cosine"))
    assert (settings.steps, settings.epochs, settings.early_stopping) == (1500, None, None)
    assert settings.optimizer.params["lr"] == 3e-3
    assert settings.recon == Call("squared")


def test_short_and_full_spellings_are_equal_and_hash_equally():
    short = TrainSettings(network=parse_call("mlp"), optimizer=parse_call("adam[lr=3e-3]"))
    assert short == TrainSettings()
    assert hash(short) == hash(TrainSettings())
    assert TrainSettings(network="mlp[hidden=[]]").network.params["hidden"] == []


def test_steps_and_epochs_exclude_each_other():
    assert TrainSettings(epochs=3).steps is None
    assert TrainSettings(epochs=3).replace(steps=5).epochs is None
    assert TrainSettings(steps=5).replace(epochs=3, batch_size=7) == TrainSettings(epochs=3, batch_size=7)
    with pytest.raises(UsageError, match="both steps and epochs"):
        TrainSettings(steps=3, epochs=3)


@pytest.mark.parametrize(
    ("rows", "batch"), [(10_000, 128), (512, 128), (511, 127), (96, 24), (9, 2), (3, 2), (2, 2), (1, 1)]
)
def test_the_batch_follows_the_rows_unless_it_is_asked_for(rows, batch):
    assert TrainSettings().batch_for(rows) == batch
    assert TrainSettings(batch_size=300).batch_for(rows) == 300


def test_a_batch_that_is_asked_for_is_another_training_and_the_default_is_hashed_as_before():
    default, asked, other = (TrainSettings(batch_size=size) for size in (None, 128, 64))
    assert default.identity() == {**TrainSettings(batch_size=128).to_dict()} != asked.identity()
    assert "batch-size" not in default.to_dict() and other.identity() == other.to_dict()


def test_to_dict_reads_back():
    settings = TrainSettings(
        latent_dim=3, network="pkg.nets:make[width=3]", recon="gaussian[scale=0.5]", optimizer="sgd[momentum=0.9]",
        schedule="stages[lengths=[1,3,9],factor=0.5]", epochs=7, early_stopping=4, batch_size=16,
    )  # fmt: skip
    written = settings.to_dict()
    assert "steps" not in written
    assert TrainSettings(**{key.replace("-", "_"): value for key, value in written.items()}) == settings


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"latent_dim": 0}, "latent_dim=0"),
        ({"latent_dim": 2.0}, "latent_dim=2.0 is not a whole number"),
        ({"latent_dim": True}, "latent_dim=True"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"steps": 0}, "steps=0"),
        ({"epochs": -1}, "epochs=-1"),
        ({"early_stopping": 0}, "early_stopping=0"),
        ({"optimizer": "adam[lr=0]"}, "adam lr=0.0 is out of range; give a number above 0"),
        ({"optimizer": "adam[lr=fast]"}, "adam: lr=fast has the wrong type"),
        ({"optimizer": "adam[weight_decay=-1]"}, "weight_decay=-1.0 is out of range"),
        ({"optimizer": "sgd[momentum=1]"}, "momentum=1.0 is out of range"),
        ({"optimizer": "adam[momentum=0.9]"}, "unknown parameter of adam 'momentum'"),
        ({"optimizer": "adan"}, "unknown optimizer 'adan'; did you mean adam"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean cosine?"),
        ({"schedule": "stages"}, "stages needs a value for 'lengths'"),
        ({"schedule": "stages[lengths=[]]"}, "stages lengths=[] is empty"),
        ({"schedule": "stages[lengths=[1,0]]"}, "stages length=0 is out of range"),
        ({"schedule": "stages[lengths=[1],factor=0]"}, "stages factor=0.0 is out of range"),
        ({"optimizer": "adam[eps=-1]"}, "adam eps=-1.0 is out of range"),
        ({"recon": "square"}, "unknown reconstruction cost 'square'; did you mean squared?"),
        ({"recon": "gaussian[scale=0]"}, "gaussian scale=0.0 is out of range"),
        ({"recon": "squared[scale=1]"}, "squared takes no parameters"),
        ({"network": "mpl"}, "unknown network 'mpl'; did you mean mlp?"),
        ({"network": "mlp[hiden=[3]]"}, "unknown parameter of mlp 'hiden'; did you mean hidden?"),
        ({"network": "mlp[hidden=3]"}, "mlp: hidden=3 has the wrong type; give a list"),
        ({"network": 5}, "5 is not text"),
        ({"precision": "float16"}, "unknown precision 'float16'; did you mean float32"),
        ({"precision": "bfloat16"}, "unknown precision 'bfloat16'; did you mean "),
        ({"precision": 16}, "unknown precision '16'"),
        ({"compile": "yes"}, "compile='yes' is neither true nor false"),
        ({"compile": 1}, "compile=1 is neither true nor false"),
    ],
)
def test_what_is_out_of_range_is_refused(changes, expected):
    with pytest.raises(UsageError) as raised:
        TrainSettings(**changes)
    assert expected in str(raised.value)


def test_networks_and_controls_read_from_source_are_those_that_run():
    from bench.evaluate.control_models import CONTROLS
    from bench.networks.factories import NETWORKS

    assert control_names() == tuple(CONTROLS)
    assert list(network_parameters()) == list(NETWORKS)
    for name, function in NETWORKS.items():
        defaults = {key: value.default for key, value in inspect.signature(function).parameters.items()}
        found = {key: parameter.default for key, parameter in network_parameters()[name].items()}
        assert found == {key: list(value) if isinstance(value, tuple) else value for key, value in defaults.items()}


def test_a_network_without_normalisation_is_the_one_it_was():
    plain = TrainSettings(network="mlp[norm=none]")
    assert plain == TrainSettings() and "norm" not in str(plain.network)
    assert TrainSettings(network="mlp[norm=batch]").network.params["norm"] == "batch"


@pytest.mark.parametrize(("recon", "params"), [("laplace", {"scale": 1.0}), ("continuous-bernoulli", {}),
                                               ("student-t[df=5]", {"df": 5.0, "scale": 1.0})])  # fmt: skip
def test_costs_that_are_densities_take_their_parameters(recon, params):
    assert TrainSettings(recon=recon).recon.params == params
    with pytest.raises(UsageError, match=r"student-t df=0\.0 is out of range"):
        TrainSettings(recon="student-t[df=0]")
