"""A network per data set: what the words mean, what is refused, and that ids of runs with one network stay."""

import itertools

import pytest
from runs import execute

from bench.api import run as bench_run
from bench.errors import UsageError
from bench.model_loading import load_model
from bench.reports import header
from bench.spec.call import Call, parse_call
from bench.spec.networks import format_networks, networks_on, read_networks, words_of
from bench.spec.registry import Registry
from bench.spec.run import RunSpec
from bench.store.run_store import RunStore


@pytest.fixture(scope="module")
def registry():
    return Registry.discover()


def spec_of(network, *datasets):
    return RunSpec.from_dict({"variant": "ae", "dataset": list(datasets) or ["digits"], "seeds": 1, "network": network})


def test_text_and_mapping_say_the_same_and_are_written_as_they_are_read():
    text = "mlp[hidden=[8,4]],digits=conv[channels=[4,8]],my-data=own.nets:make[width=3]"
    calls = [parse_call(one) for one in ("mlp[hidden=[8,4]]", "conv[channels=[4,8]]", "own.nets:make[width=3]")]
    expected = tuple(zip(("", "digits", "my-data"), calls, strict=True))
    assert read_networks(text) == expected
    assert read_networks({"digits": calls[1], "my-data": "own.nets:make[width=3]", "default": calls[0]}) == expected
    assert read_networks(format_networks(expected)) == expected
    for order in itertools.permutations(text.replace(",digits", "|digits").replace(",my-data", "|my-data").split("|")):
        assert dict(read_networks(",".join(order))) == dict(expected)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("mlp,conv", "two networks for the same data sets, mlp and conv"),
        ("digits=mlp,digits=conv", "two networks for digits, mlp and conv"),
        ("", "names no network"),
        ({"digits": 3}, "network of 'digits' cannot be read"),
        (7, "network=7 cannot be read"),
        ("digits=convv", "unknown network 'convv'"),
        ("digits=conv[channel=3]", "channel"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(network, said):
    with pytest.raises(UsageError) as caught:
        spec_of(network)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_word_must_mean_a_data_set_of_the_run_and_a_data_set_has_one_network(registry):
    with pytest.raises(UsageError, match=r"unknown data set in --network 'digit'; did you mean digits\?"):
        spec_of("digit=conv").validate(registry)
    with pytest.raises(UsageError, match=r"two networks for iris, as file and as iris\.csv"):
        spec_of("file=mlp,iris.csv=mlp[hidden=[4]]", "file[path=/data/iris.csv]").validate(registry)


def test_words_mean_plugins_and_files():
    file, folder = Call("file", {"path": "/data/iris.csv"}), Call("image-folder", {"path": "cats/"})
    assert words_of(file) == ("iris", "iris.csv", "file") and words_of(folder) == ("cats", "image-folder")
    named = read_networks("mlp,iris=conv1d,image_folder=conv")
    assert [networks_on(named, one)[0].name for one in (file, folder, Call("digits"))] == ["conv1d", "conv", "mlp"]


def test_cells_of_a_data_set_have_the_ids_of_a_run_with_its_network_alone(registry):
    both = spec_of("digits=conv,wine=mlp[hidden=[4]]", "digits", "wine", "breast-cancer").cells(registry)
    alone = [spec_of(network, data).cells(registry)[0] for network, data in
             (("conv", "digits"), ("mlp[hidden=[4]]", "wine"), ("mlp", "breast-cancer"))]  # fmt: skip
    assert [cell.cell_id for cell in both] == [cell.cell_id for cell in alone]
    assert [cell.train.network.name for cell in both] == ["conv", "mlp", "mlp"]


def test_the_round_trip_keeps_networks_and_the_hash_tells_them_apart(registry):
    spec = spec_of("digits=conv", "digits", "wine").validate(registry)
    assert RunSpec.from_dict(spec.to_dict()).validate(registry) == spec
    plain, named = (spec_of(text, "digits", "wine").validate(registry) for text in ("mlp", "mlp,digits=mlp"))
    assert plain.to_dict()["network"] == "mlp[hidden=[256],activation=relu,init=torch]"
    assert len({spec.hash, plain.hash, named.hash}) == 3


def test_the_report_says_which_network_each_data_set_had(registry):
    spec = spec_of("mlp[hidden=[4]],digits=conv", "digits", "wine").validate(registry)
    (line,) = [text for name, text in header.training(spec.to_dict()) if name == "Networks"]
    assert "conv[" in line and "] on digits; mlp[hidden=[4],activation=relu,init=torch] on wine" in line
    one = spec_of("mlp[hidden=[4]]", "digits", "wine").validate(registry)
    assert dict(header.training(one.to_dict()))["Networks"].startswith("mlp[hidden=[4],activation=relu,init=torch], l")
    assert "digits=conv" in header.command(spec.to_dict())


@pytest.mark.usefixtures("no_report")
def test_each_data_set_trains_its_network_and_load_model_builds_that_one(tmp_path, monkeypatch):
    data = ["linear-gaussian[d=6,n=300]", "ring[n=200,d=5]"]
    networks = {"ring": "mlp[hidden=[7]]", "default": "mlp[hidden=[3]]"}
    outcome = execute(tmp_path / "run", dataset=data, variant=["ae"], seeds=1, steps=3, metrics="test_mse", n_jobs=1,
                      network=networks)  # fmt: skip
    assert outcome.n_failed == 0
    widths = {}
    for record in RunStore.open(tmp_path / "run").records().values():
        model = load_model(tmp_path / "run", "ae", dataset=record["dataset_label"])
        widths[record["dataset"]] = next(model.variant.encoder.parameters()).shape[0]
    assert widths == {"linear-gaussian": 3, "ring": 7}
    again = execute(tmp_path / "run", dataset=data, variant=["ae"], seeds=1, steps=3, metrics="test_mse", n_jobs=1,
                    network="mlp[hidden=[3]],ring=mlp[hidden=[7]]")  # fmt: skip
    assert again.n_run == 0
    with pytest.raises(UsageError, match="nowhere"):  # a network of the second data set alone is looked for, too
        execute(
            tmp_path / "other", dataset=data, variant=["ae"], seeds=1, steps=3, n_jobs=1, network="mlp,ring=nowhere:at"
        )
    with pytest.raises(UsageError, match="unknown data set in --network"):
        bench_run("ae", data, network={"digits": "conv"}, output=tmp_path / "other")
    assert not (tmp_path / "other").exists()
