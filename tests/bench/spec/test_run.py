"""Run specifications: cells and their ids, the round trip through plain values, and refusals."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.spec.call import Call, parse_call
from bench.spec.cells import CellSpec
from bench.spec.registry import Registry
from bench.spec.run import FACTS, RunOptions, RunSpec
from bench.spec.selection import needed
from bench.spec.training import TrainSettings


@pytest.fixture(scope="module")
def registry():
    return Registry.discover()


def spec_of(*variants, **settings):
    return RunSpec.from_dict({"variant": list(variants), **settings})


def test_the_default_run_is_five_rows_of_ten_seeds_on_digits_with_real_data_and_cross_fade(registry):
    cells = RunSpec().cells(registry)
    assert len(cells) == 52
    assert list(dict.fromkeys(cell.variant_label for cell in cells)) == [
        "ae", "stochastic-ae", "vae[beta=0.2]", "vae", "vae[beta=5]", "control:real", "control:cross-fade",
    ]  # fmt: skip
    assert {cell.dataset_label for cell in cells} == {"digits"}
    assert [cell.seed for cell in cells[:10]] == list(range(10))
    assert RunSpec().name == "digits"


def test_cells_of_a_stack_stand_together_and_data_sets_follow_each_other(registry):
    spec = spec_of("ae", "vae", dataset=["digits", "linear-gaussian"], seeds=3)
    stacks = [cell.stack_id for cell in spec.cells(registry)]
    assert len(set(stacks)) == 4
    assert stacks == [stack for stack in dict.fromkeys(stacks) for _ in range(3)]
    assert [cell.dataset.name for cell in spec.cells(registry)] == ["digits"] * 6 + ["linear-gaussian"] * 6


def test_what_is_asked_for_twice_is_done_once(registry):
    spec = spec_of("vae", "VAE[beta=1]", dataset=["digits", "digits", "digits[split_seed=0]"], seeds=[0, 1])
    assert len(spec.cells(registry)) == 2


def test_ids_depend_on_what_is_asked_of_the_cell_and_on_nothing_else(registry):
    base = spec_of("vae", seeds=2)
    ids = [cell.cell_id for cell in base.cells(registry)]
    assert len(set(ids)) == 2 and all(len(cell_id) == 16 and int(cell_id, 16) >= 0 for cell_id in ids)
    same = [
        spec_of("VAE[beta=1.0]", seeds=2),
        spec_of("vae", seeds=2, metrics="all", device="cpu", name="other", controls=False),
        spec_of("vae", seeds=2, precision="float32"),
        spec_of("vae", seeds=2, compile=False),
        spec_of("vae[kl_weight=auto]", seeds=2, network="mlp[activation=relu,hidden=[256]]", optimizer="adam[lr=3e-3]"),
    ]
    for other in same:
        assert [cell.cell_id for cell in other.cells(registry)] == ids
    assert ids[0] in {cell.cell_id for cell in spec_of("ae", "vae", seeds=[5, 0]).cells(registry)}
    different = [
        spec_of("vae[beta=2]", seeds=2),
        spec_of("vae", seeds=2, steps=100),
        spec_of("vae", seeds=2, dataset="digits[split_seed=1]"),
        spec_of("vae", seeds=2, **{"latent-dim": 4}),
        spec_of("vae", seeds=2, recon="bernoulli"),
        spec_of("vae", seeds=2, precision="bf16"),
        spec_of("vae", seeds=2, compile=True),
        spec_of("vae", seeds=2, precision="tf32"),
        spec_of("vae", seeds=[3, 4]),
    ]
    for other in different:
        assert not {cell.cell_id for cell in other.cells(registry)} & set(ids)


def test_ids_are_stable_across_versions():
    cell = CellSpec(Call("vae", {"beta": 5.0}), Call("digits", {"split_seed": 0}), 3, TrainSettings())
    assert (cell.stack_id, cell.cell_id) == ("97abffcb3bc1f49d", "6389a078ec1f1a60")


def test_controls_are_rows_with_one_seed_unless_random(registry):
    cells = [cell for cell in spec_of("ae", seeds=[4, 7], controls=True).cells(registry) if cell.is_control]
    seeds = {name: [c.seed for c in cells if c.variant.name == f"control:{name}"] for name in registry.controls}
    assert seeds["pca"] == [4] and seeds["random-encoder"] == [4, 7]
    assert cells[0].variant_label == "control:constant"


def test_equal_requests_become_equal_specs_after_validation(registry):
    first = spec_of("vae", "ae").validate(registry)
    second = spec_of("VAE[samples=1]", "ae", "vae[beta=1]").validate(registry)
    assert first == second and first.hash == second.hash
    assert spec_of("ae", "vae").validate(registry).hash != first.hash


def test_hash_ignores_name_device_and_plugin_paths():
    assert RunSpec(name="a", device="cpu", plugins=("x",)).hash == RunSpec().hash
    assert RunSpec(metrics="all").hash != RunSpec().hash


@given(
    st.fixed_dictionaries(
        {
            "variant": st.lists(st.sampled_from(["ae", "vae[beta=[0.5,2]]", "x[p=[[1,2]],q='a,b']"]), min_size=1),
            "dataset": st.sampled_from(["digits", "file[path=/a b/c.csv,label=none]"]),
            "seeds": st.one_of(st.integers(1, 4), st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True)),
        },
        optional={
            "epochs": st.integers(1, 9),
            "latent-dim": st.integers(1, 9),
            "early_stopping": st.integers(1, 5),
            "metrics": st.sampled_from(["core", ["test_mse", "kl"], "all"]),
            "controls": st.booleans(),
            "splits": st.integers(1, 3),
            "likelihood-rows": st.sampled_from(["auto", "all", 7, "7"]),
            "baseline": st.just("ae"),
            "plugins": st.just(["a.py"]),
            "device": st.sampled_from(["cpu", "cuda:1"]),
        },
    )
)
def test_specs_survive_yaml(values):
    spec = RunSpec.from_dict(values)
    text = yaml.safe_dump(spec.to_dict())
    assert RunSpec.from_dict(yaml.safe_load(text)) == spec


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [(3, (0, 1, 2)), ("3", (0, 1, 2)), ("0,3,7", (0, 3, 7)), ("7,", (7,)), ([5, 2], (5, 2)), (range(2, 4), (2, 3))],
)
def test_seeds_are_a_number_or_a_list(seeds, expected):
    assert spec_of("ae", seeds=seeds).seeds == expected


@pytest.mark.parametrize(("rows", "expected"), [("all", "all"), ("auto", "auto"), (7, 7), ("700", 700)])
def test_rows_of_likelihoods_are_a_number_or_a_word(rows, expected):
    spec = spec_of("ae", likelihood_rows=rows)
    assert spec.likelihood_rows == expected
    assert ("likelihood_rows" in spec.to_dict()) == (spec.hash != spec_of("ae").hash) == (rows != "auto")


@pytest.mark.parametrize("rows", [0, "0", -1, "most", 1.5, True, [1]])
def test_rows_of_likelihoods_that_make_no_sense_are_refused(rows):
    with pytest.raises(UsageError, match="neither a whole number of at least 1 nor all nor auto"):
        spec_of("ae", likelihood_rows=rows)


@pytest.mark.parametrize(
    "seeds", [0, "0", -1, "-1", "", ",", "a", "1.5", 1.5, [], [1, 1], "1,1", [-1], [True], True, ["a"], {"a": 1}, 10**9]
)
def test_seeds_that_make_no_sense_are_refused(seeds):
    with pytest.raises(UsageError, match="seed"):
        spec_of("ae", seeds=seeds)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"variants": []}, "there is no variant"),
        ({"dataset": []}, "there is no data set"),
        ({"variant": 5}, "variant=5 cannot be read"),
        ({"variant": [5]}, "5 is not text"),
        ({"latnt-dim": 3}, "unknown key 'latnt-dim'; did you mean latent-dim?"),
        ({"controls": "yes"}, "controls='yes' is neither true nor false"),
        ({"metrics": 3}, "metrics=3 cannot be read"),
        ({"device": "gpu"}, "device 'gpu' is not known"),
        ({"device": "cuda:x"}, "device 'cuda:x'"),
        ({"name": 5}, "name=5 is not text"),
        ({"plugins": [5]}, "plugins=[5] cannot be read"),
        ({"steps": 5, "epochs": 5}, "both steps and epochs"),
        ({"steps": "many"}, "steps='many' is not a whole number"),
    ],
)
def test_values_that_cannot_be_read_are_refused(values, expected):
    with pytest.raises(UsageError) as raised:
        RunSpec.from_dict(values)
    assert expected in str(raised.value)


def test_validation_checks_names_metrics_and_baseline(registry):
    for values, expected in [
        ({"variant": "vea"}, "did you mean vae"),
        ({"dataset": "digit"}, "did you mean digits"),
        ({"dataset": "digits[n=1]"}, "unknown parameter of digits 'n'"),
        ({"metrics": "test_mes"}, "did you mean test_mse"),
        ({"baseline": "vae[beta=3]"}, "--baseline vae[beta=3] is not among the variants"),
        ({"baseline": "vea"}, "did you mean vae"),
    ]:
        with pytest.raises(UsageError) as raised:
            RunSpec.from_dict(values).validate(registry)
        assert expected in str(raised.value)
    assert RunSpec(baseline="VAE[beta=5.0]").validate(registry).baseline == "vae[beta=5]"


def test_a_cell_without_labels_is_labelled_by_its_calls():
    cell = CellSpec(parse_call("vae[beta=2]"), Call("digits"), 0, TrainSettings())
    assert (cell.variant_label, cell.dataset_label) == ("vae[beta=2]", "digits")


def test_the_directory_is_named_by_run_and_hash_and_stays_inside_results():
    spec = RunSpec(name="../a b/ü")
    assert RunOptions().directory(spec) == Path("results") / f"-a-b-ü-{spec.hash}"
    assert RunOptions(output=Path("x")).directory(spec) == Path("x")


@pytest.mark.parametrize(
    ("options", "expected"), [({"n_jobs": 0}, "n_jobs=0"), ({"engine": "ray"}, "engine"), ({"timeout": 0}, "timeout=0")]
)
def test_options_out_of_range_are_refused(options, expected):
    with pytest.raises(UsageError, match=expected):
        RunOptions(**options)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        (["digits"], "digits"),
        (["digits", "linear-gaussian"], "digits+linear-gaussian"),
        (["file[path=data/iris flowers.csv]"], "iris flowers"),
        (["image-folder[path=faces]", "digits[split_seed=1]", "digits[split_seed=2]"], "faces+digits"),
        (["file[path='']"], "file"),
    ],
)
def test_a_run_is_called_after_its_data(dataset, name):
    assert RunSpec.from_dict({"dataset": dataset}).name == name


@pytest.mark.parametrize("asked", ["test_mse", "core", "all"])
def test_what_marks_depend_on_is_evaluated_whatever_is_asked_for(asked):
    chosen = Registry.discover().metrics_for(RunSpec(metrics=asked).evaluated)
    names = {value for _, values in chosen for value in values}
    assert names >= {*FACTS} == {"collapsed", "blurred"}
    if asked == "test_mse":
        assert names == {"test_mse", *FACTS, *needed(RunSpec().variants, None)}
