"""What lies beside a plugin is found without PYTHONPATH; a helper whose name is taken is refused by name."""

import sys

import pytest
from torch import nn

from bench.errors import PluginError
from bench.networks.factories import networks_named
from bench.spec.plugin_path import folders_open, open_folders, refuse_shadowed
from bench.spec.registry import Registry

NETWORK = "from torch import nn\n\ndef build(data_shape, head_width, latent_dim):\n    return {}\n"

VARIANT = """
from bench import Variant
from {helper} import FACTOR
class Mine(Variant):
    \"\"\"Mine.\"\"\"
    factor = FACTOR
"""


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("own_", "aebench_")):
            del sys.modules[name]


def test_helper_and_network_beside_a_plugin_are_found(tmp_path):
    (tmp_path / "mine.py").write_text(VARIANT.format(helper="own_helper_a"))
    (tmp_path / "own_helper_a.py").write_text("FACTOR = 7\n")
    (tmp_path / "own_nets_a.py").write_text(NETWORK.format("nn.ReLU(), nn.Tanh()"))
    registry = Registry.discover([tmp_path / "mine.py"])
    before = list(sys.path)
    assert registry.load("variant", "mine").factor == 7
    assert sys.path == before
    with folders_open(registry.plugins):
        assert [type(one) for one in networks_named("own_nets_a:build", {})((1,), 1, 1)] == [nn.ReLU, nn.Tanh]
        assert sys.path == [*before, str(tmp_path)]  # behind everything else
    assert sys.path == before


def test_two_helpers_of_one_name_are_not_mixed_up(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"mine_{name}.py").write_text(VARIANT.format(helper="own_helper_b"))
        (tmp_path / name / "own_helper_b.py").write_text(f"FACTOR = '{name}'\n")
    registry = Registry.discover([tmp_path / "one", tmp_path / "two"])
    assert registry.load("variant", "mine-one").factor == "one"
    with pytest.raises(PluginError, match=r"imports own_helper_b, which lies beside it, but Python finds .*one"):
        registry.load("variant", "mine-two")


def test_a_helper_with_the_name_of_an_installed_package_is_refused(tmp_path):
    (tmp_path / "numpy.py").write_text("FACTOR = 1\n")
    open_folders([tmp_path])
    with pytest.raises(PluginError, match="rename the helper"):
        refuse_shadowed(tmp_path / "mine.py", b"import numpy\n")
    refuse_shadowed(tmp_path / "mine.py", b"import math, os.path\nfrom . import numpy\n")


def test_the_working_folder_counts_where_a_network_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_nets_c.py").write_text(NETWORK.format("nn.Tanh(), nn.ReLU()"))
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", str(tmp_path))])
    open_folders([], here=True)
    open_folders([], here=True)
    assert sys.path.count(str(tmp_path)) == 1
    assert [type(one) for one in networks_named("own_nets_c:build", {})((1,), 1, 1)] == [nn.Tanh, nn.ReLU]
