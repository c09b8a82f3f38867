"""Settings of the training with several values: how they are read and called, their cells' ids, what is refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli._running import describe_plan
from bench.errors import UsageError
from bench.reports import header
from bench.spec.call import Call, parse_call
from bench.spec.config import combine
from bench.spec.networks import expand_network, format_networks, read_networks
from bench.spec.registry import Registry
from bench.spec.request import resolve
from bench.spec.run import RunSpec
from bench.spec.sweep import labelled, read_counts, read_optimizers, read_rates, split_label, words_of_calls


@pytest.fixture(scope="module")
def registry():
    return Registry.discover()


def spec_of(**settings):
    return RunSpec.from_dict({"variant": ["ae", "vae[beta=5]"], "seeds": 2, **settings})


ALL = {
    "latent-dim": "2,4", "lr": "1e-3,3e-4", "batch-size": [64, 128], "optimizer": "adam,sgd[momentum=0.9]",
    "network": "mlp[hidden=[[64],[8,8]]]",
}  # fmt: skip


def test_every_combination_is_a_setting_whose_cells_have_the_ids_of_a_run_with_it_alone(registry):
    cells = spec_of(**ALL).cells(registry)
    assert len(cells) == 2 * 2 * 2**5 and len({cell.cell_id for cell in cells}) == len(cells)
    by_label = {cell.variant_label: cell for cell in cells if cell.seed == 0}
    assert len(by_label) == 64
    combinations = itertools.product((2, 4), ("64", "8,8"), ("adam", "sgd"), (0.001, 0.0003), (64, 128))
    for L, hidden, optimizer, rate, batch in combinations:
        more = ",momentum=0.9" if optimizer == "sgd" else ""
        alone = spec_of(variant="vae[beta=5]", **{"latent-dim": L, "batch-size": batch},
                        network=f"mlp[hidden=[{hidden}]]", optimizer=f"{optimizer}[lr={rate}{more}]")  # fmt: skip
        words = f"L={L},hidden=[{hidden}],optimizer={optimizer},lr={rate},batch={batch}"
        found = by_label[f"vae[beta=5]{{{words}}}"]
        assert found.cell_id == alone.cells(registry)[0].cell_id
        assert found.train == alone.train
    stacks = [cell.stack_id for cell in cells]
    assert stacks == [stack for stack in dict.fromkeys(stacks) for _ in range(2)]


def test_one_value_is_no_sweep_and_leaves_names_and_ids_alone(registry):
    plain, once = spec_of(optimizer="adam[lr=1e-3]"), spec_of(lr="1e-3", network="mlp[hidden=[[256]]]")
    assert not once.sweeps and once.evaluated == plain.evaluated and once.hash == plain.hash
    assert [(c.cell_id, c.variant_label) for c in once.cells(registry)] == [
        (c.cell_id, c.variant_label) for c in plain.cells(registry)
    ]


def test_the_round_trip_keeps_every_value_and_each_of_them_changes_the_hash(registry):
    spec = spec_of(**ALL).validate(registry)
    assert RunSpec.from_dict(spec.to_dict()).validate(registry) == spec
    hashes = {spec_of(**{key: value for key, value in ALL.items() if key != left}).hash for left in ("", *ALL)}
    assert len(hashes) == 1 + len(ALL)
    words = header.command(spec.to_dict()).split()
    assert words[words.index("--latent-dim") + 1] == "2,4" and words[words.index("--batch-size") + 1] == "64,128"
    assert "mlp[hidden=[[64],[8,8]]" in header.command(spec.to_dict())


def test_a_sweep_measures_what_chooses_and_controls_are_there_once(registry):
    swept = spec_of(**{"variant": "ae", "latent-dim": "2,4", "metrics": "test_mse"}, controls=True)
    assert swept.evaluated.endswith("val_calibrated_neg_elbo,val_mse")
    cells = [cell for cell in swept.cells(registry) if cell.is_control]
    assert len({cell.variant_label for cell in cells}) == len({cell.variant for cell in cells})
    assert {cell.train.latent_dim for cell in cells} == {2}


def test_a_network_per_data_set_can_vary_on_one_of_them(registry):
    spec = spec_of(variant="ae", dataset=["digits", "wine"], network="conv,wine=mlp[hidden=[[4],[8]]]", seeds=1)
    found = [(cell.dataset_label, cell.variant_label, cell.train.network.name) for cell in spec.cells(registry)]
    assert found == [("digits", "ae", "conv"), ("wine", "ae{hidden=[4]}", "mlp"), ("wine", "ae{hidden=[8]}", "mlp")]
    assert RunSpec.from_dict(spec.validate(registry).to_dict()).cells(registry) == spec.cells(registry)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mlp[hidden=[64,32]]", ["mlp[hidden=[64,32]]"]),
        ("mlp[hidden=[]]", ["mlp[hidden=[]]"]),
        ("mlp[hidden=[[],[64]],activation=[relu,tanh]]",
         ["mlp[hidden=[],activation=relu]", "mlp[hidden=[],activation=tanh]",
          "mlp[hidden=[64],activation=relu]", "mlp[hidden=[64],activation=tanh]"]),
        ("my:net[sizes=[1,2]]", ["my:net[sizes=[1,2]]"]),
        ("my:net[sizes=[[1,2],[3]]]", ["my:net[sizes=[1,2]]", "my:net[sizes=[3]]"]),
        ("my:net[sizes=[[[1],[2]]]]", ["my:net[sizes=[[1],[2]]]"]),
    ],
)  # fmt: skip
def test_one_list_is_one_value_and_lists_are_several(text, expected):
    calls = expand_network(parse_call(text))
    assert list(map(str, calls)) == expected
    assert read_networks(format_networks(tuple(("", call) for call in calls))) == tuple(("", call) for call in calls)


def test_words_are_those_that_differ():
    def words(text):
        return words_of_calls(read_optimizers(text), "optimizer")

    assert words("adam") == [{}]
    assert words("adam[lr=[1e-3,1e-2]]") == [{"lr": 1e-3}, {"lr": 1e-2}]
    assert words("adam,sgd") == [{"optimizer": "adam"}, {"optimizer": "sgd"}]
    assert words("adam[lr=[1,2]],sgd") == [
        {"optimizer": "adam", "lr": 1}, {"optimizer": "adam", "lr": 2}, {"optimizer": "sgd"},
    ]  # fmt: skip
    later = words_of_calls([Call("mlp", {"hidden": [4]}), Call("mlp", {"hidden": [4], "norm": "batch"})], "network")
    assert later == [{"norm": "none"}, {"norm": "batch"}]  # a default that is not written is a value, too


_VALUES = st.one_of(st.integers(1, 99), st.floats(1e-6, 1.0), st.sampled_from(["relu", "a{b", "x,y", "}"]),
                    st.lists(st.integers(1, 9), max_size=2))  # fmt: skip


@given(st.sampled_from(["ae", "vae[beta=5]", "own[text='{x}']"]),
       st.dictionaries(st.sampled_from(["L", "batch", "lr", "hidden"]), _VALUES))  # fmt: skip
def test_labels_are_read_as_they_are_written(variant, words):
    assert split_label(labelled(variant, words)) == (variant, words)


def test_a_label_with_other_braces_has_no_setting():
    for label in ("vae", "own[text={a}]", "odd}", "{L=2}", "odd{", "odd{}x}", "control:real"):
        assert split_label(label) == (label, {})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"latent-dim": "2,x"}, "latent_dim='x' is not a whole number"),
        ({"latent-dim": "2,0"}, "latent_dim=0 is not a whole number of at least 1"),
        ({"latent-dim": []}, "is empty"),
        ({"batch-size": [64, True]}, "batch_size=True"),
        ({"lr": "fast"}, "lr='fast' is no number"),
        ({"lr": "1e-3,-1"}, "lr=-1.0 is out of range"),
        ({"lr": ","}, "is empty"),
        ({"optimizer": "adam,lion"}, "unknown optimizer 'lion'"),
        ({"optimizer": 3}, "optimizer=3 cannot be read"),
        ({"optimizer": ""}, "names no optimizer"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(settings, said):
    with pytest.raises(UsageError) as caught:
        spec_of(**settings)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_too_many_settings_are_refused_as_too_many_cells_are(registry):
    spec = spec_of(**{"latent-dim": list(range(1, 301)), "batch-size": list(range(1, 301))})
    with pytest.raises(UsageError, match="90,000 settings; one run has at most 100,000: give fewer seeds or settings"):
        spec.cells(registry)


def test_each_value_counts_once():
    assert read_counts("latent_dim", "4, 2,4") == (4, 2) and read_counts("latent_dim", 3) == (3,)
    assert read_rates(["1e-3", 0.001, 1]) == (0.001, 1)
    assert list(map(str, read_optimizers("sgd,sgd"))) == ["sgd[lr=0.01,momentum=0,weight_decay=0]"]


def test_a_rate_that_is_given_last_wins_and_twice_at_once_is_refused():
    def optimizer(*layers):
        return str(RunSpec.from_dict(combine(*layers)).train.optimizer)

    preset = {"optimizer": "adamw[lr=1e-2,weight_decay=0]"}
    assert optimizer(preset, {"lr": "1e-3"}) == "adamw[lr=0.001,weight_decay=0,eps=1e-08]"
    assert optimizer({"lr": "1e-3"}, preset) == "adamw[lr=0.01,weight_decay=0,eps=1e-08]"
    assert optimizer({"lr": "1e-3", "optimizer": "sgd"}) == "sgd[lr=0.001,momentum=0,weight_decay=0]"
    with pytest.raises(UsageError, match="lr is given twice"):
        combine({"optimizer": "sgd,adam[lr=1e-2]", "lr": 1e-3})


def test_the_plan_says_how_many_settings_there_are(tmp_path):
    given = {"variant": ["ae"], "dataset": ["digits"], "seeds": 2, "steps": 3, "output": tmp_path / "run"}
    text = describe_plan(resolve({**given, "latent_dim": [2, 4, 8], "lr": "1e-3,3e-4"}))
    assert "settings:  6 of every variant (L 2 or 4 or 8; lr 0.001 or 0.0003); validation chooses" in text
    assert "variants:  ae\n" in text and "cells:     12" in text and "L = 2 or 4 or 8" in text
    assert "settings" not in describe_plan(resolve(given))
