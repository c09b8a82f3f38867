"""The contract, held over every data set file that is found."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.contracts.dataset import PARTS
from bench.data.check_split import check_split
from bench.errors import UsageError


@pytest.fixture
def load(dataset, module, arguments):
    def load(**changes):
        return module(dataset).load(**{**arguments(dataset), **changes})

    return load


def row_hashes(split, part):
    rows = np.asarray(getattr(split, part)[np.arange(len(getattr(split, part)))])
    return [row.tobytes() for row in rows]


def test_keeps_the_contract(dataset, load):
    split = check_split(load(), dataset)
    assert all(len(getattr(split, part)) > 0 for part in PARTS)
    assert split.description and "\n" not in split.description


def test_the_same_arguments_give_the_same_data(dataset, load):
    first, second = load(), load()
    assert first.checksum() == second.checksum()
    for part in PARTS:
        np.testing.assert_array_equal(getattr(first, part)[:], getattr(second, part)[:])


def test_another_seed_gives_other_parts(dataset, module, load):
    seed = "split_seed" if "split_seed" in inspect.signature(module(dataset).load).parameters else "seed"
    assert load(**{seed: 1}).checksum() != load().checksum()


def test_parts_share_no_row(dataset, load):
    split = load()
    hashes = [row_hashes(split, part) for part in PARTS]
    assert sum(map(len, hashes)) == len(set().union(*hashes))


def test_bernoulli_is_offered_exactly_within_the_unit_interval(dataset, load):
    split = load()
    values = np.concatenate([np.ravel(getattr(split, part)[:]) for part in PARTS])
    assert ("bernoulli" in split.likelihoods) == bool(values.min() >= 0 and values.max() <= 1)


def test_validation_can_be_left_out(dataset, load):
    split = check_split(load(validation=0), dataset)
    assert len(split.validation) == 0 and split.validation.shape[1:] == split.data_shape


def test_validation_can_be_a_count(dataset, load):
    assert len(load(validation=5).validation) == 5


@pytest.mark.parametrize("wrong", [-1, 1.5, "half", True, None, float("nan")])
def test_a_senseless_validation_is_refused(dataset, load, wrong):
    with pytest.raises(UsageError, match="validation="):
        load(validation=wrong)


def test_the_global_generator_is_left_alone(dataset, load):
    before = np.random.get_state()[1].copy()
    load()
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_everything_is_documented(dataset, module):
    loaded = module(dataset)
    assert loaded.__doc__ and loaded.load.__doc__
    described = loaded.load.__doc__.split("Args:")[1]
    for name, parameter in inspect.signature(loaded.load).parameters.items():
        assert f"{name}:" in described or f"{name}," in described, name
        assert parameter.default is not parameter.empty or name == "path"


def test_reading_data_needs_no_torch(arguments):
    root = Path(__file__).resolve().parents[2]
    script = (
        "import runpy, sys\n"
        "for name, arguments in eval(sys.argv[1]).items():\n"
        "    runpy.run_path(f'datasets/{name}.py')['load'](**arguments)\n"
        "loaded = {'torch', 'torchvision'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    names = [file.stem for file in (root / "datasets").glob("*.py")]
    chosen = repr({name: arguments(name) for name in names})
    subprocess.run([sys.executable, "-c", script, chosen], cwd=root, check=True, timeout=120)
