"""`--splits K`: cells of K random splits, the same ids as before on the first, and refusals in one line."""

import pytest

from bench.errors import UsageError
from bench.spec.registry import Registry
from bench.spec.run import RunSpec
from bench.spec.splits import read_splits


@pytest.fixture(scope="module")
def registry():
    return Registry.discover()


def spec_of(**settings):
    return RunSpec.from_dict({"variant": ["ae", "vae"], "seeds": 3, **settings})


def test_splits_are_crossed_with_seeds_and_the_first_is_what_there_was(registry):
    alone, cells = spec_of().cells(registry), spec_of(splits=4).cells(registry)
    assert len(cells) == 2 * 4 * 3 and len({cell.cell_id for cell in cells}) == 24
    for variant in ("ae", "vae"):
        own = [(c.split_number, c.seed) for c in cells if c.variant_label == variant]
        assert own == [(split, seed) for split in range(4) for seed in range(3)]
    assert [c for c in cells if c.split_number == 0] == alone
    assert [c.cell_id for c in cells if c.split_number == 0] == [c.cell_id for c in alone]
    assert {c.dataset.params["split_seed"] for c in cells if c.split_number == 2} == {2}
    assert {c.dataset_label for c in cells} == {"digits"}
    stacks = [c.stack_id for c in cells]
    assert stacks == [stack for stack in dict.fromkeys(stacks) for _ in range(3)]


def test_both_variants_have_the_same_splits(registry):
    cells = spec_of(splits=3).cells(registry)
    data = {v: [c.dataset for c in cells if c.variant_label == v] for v in ("ae", "vae")}
    assert data["ae"] == data["vae"]


def test_splits_start_from_the_seed_that_was_asked_for(registry):
    cells = spec_of(dataset="digits[split_seed=5]", splits=2).cells(registry)
    assert {c.dataset.params["split_seed"] for c in cells} == {5, 6}
    assert {c.dataset_label for c in cells} == {"digits[split_seed=5]"}


def test_controls_stand_on_every_split(registry):
    spec = RunSpec.from_dict({"variant": ["ae", "control:real"], "seeds": 3, "splits": 2})
    own = [(c.split_number, c.seed) for c in spec.cells(registry) if c.is_control]
    assert own == [(0, 0), (1, 0)]


def test_one_split_says_nothing_and_more_change_the_directory():
    assert spec_of(splits=1) == spec_of() and spec_of(splits=1).hash == spec_of().hash
    assert "splits" not in spec_of(splits=1).to_dict()
    assert spec_of(splits=2).hash != spec_of().hash
    assert RunSpec.from_dict(spec_of(splits=2).to_dict()) == spec_of(splits=2)


@pytest.mark.parametrize("value", [0, -1, "0", "x", "", "1.5", 1.5, True, None, [2], 10_000])
def test_what_is_no_number_of_splits_is_refused(value):
    with pytest.raises(UsageError, match=r"splits=.* is not a whole number from 1 to 1,000"):
        read_splits(value)


@pytest.mark.parametrize(
    ("dataset", "why"),
    [
        ("mnist[root=.]", "its test part is given"),
        ("ring", r"its seed draws the rows themselves; give several draws instead: -d 'ring\[seed=\[0,1,2\]\]'"),
        ("linear-gaussian", "its seed draws"),
    ],
)
def test_data_that_have_one_split_say_why(registry, dataset, why):
    spec = spec_of(dataset=dataset, splits=3)
    with pytest.raises(UsageError, match=f"--splits 3: .* has one split only: {why}"):
        spec.validate(registry)
    assert spec_of(dataset=dataset).validate(registry).splits == 1


def test_a_plugin_divides_at_random_where_it_takes_both_parameters(tmp_path):
    body = '"""{0}."""\nfrom bench.contracts.dataset import Split\ndef load({0}) -> Split:\n    """{0}."""\n'
    (tmp_path / "mine.py").write_text(body.format("test: float = 0.2, split_seed: int = 0"))
    (tmp_path / "other.py").write_text(body.format("n: int = 5"))
    registry = Registry.discover([str(tmp_path)])
    assert len(spec_of(dataset="mine", splits=2).cells(registry)) == 12
    with pytest.raises(UsageError, match=r"its load\(\) takes no test= and split_seed="):
        spec_of(dataset="other", splits=2).validate(registry)


def test_two_data_sets_that_share_a_split_are_refused(registry):
    datasets = ["digits", "digits[split_seed=1]"]
    with pytest.raises(UsageError, match=r"have a split in common; .* split_seeds that are 2 apart"):
        spec_of(dataset=datasets, splits=2).validate(registry)
    assert len(spec_of(dataset=["digits", "digits[split_seed=2]"], splits=2).cells(registry)) == 24
    assert len(spec_of(dataset=datasets).cells(registry)) == 12
