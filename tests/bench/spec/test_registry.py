"""Discovery, resolution and loading of plugins: built-in, from `--plugins`, and from installed packages."""

import sys

import pytest

from bench.errors import PluginError, UsageError
from bench.provenance.code import plugin_code
from bench.spec.call import Call, parse_call
from bench.spec.registry import ARRAYS, Registry, builtin_files

VARIANT = '''"""Mine."""
from bench.contracts.variant import Variant
MARK = {mark!r}
class Mine(Variant):
    """Mine."""
    def __init__(self, weight: float = 1.0):
        super().__init__()
'''
DATASET = 'def load(n: int = 5):\n    """Rows."""\n    return n\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(VARIANT.format(mark=1))
    (tmp_path / "rows.py").write_text(DATASET)
    (tmp_path / "_helper.py").write_text("raise RuntimeError")
    (tmp_path / "notes.py").write_text("x = 1")
    (tmp_path / "broken.py").write_text("class Broken(Variant)\n")
    (tmp_path / "fails.py").write_text(
        "import no_such_package_anywhere\nfrom b import Variant\nclass F(Variant): ...\n"
    )
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\ndef load(): ...\n")
    return tmp_path


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package `foreign_pkg` with entry points, given by a function of its files and entry points."""

    def install(files, entry_points):
        site = tmp_path / "site"
        info = site / "foreign_pkg-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign_pkg\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        for name, text in files.items():
            path = site / "foreign_pkg" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.syspath_prepend(site)
        return site

    yield install
    for name in [name for name in sys.modules if name.split(".")[0] == "foreign_pkg"]:
        del sys.modules[name]


def test_every_builtin_file_is_a_usable_plugin():
    registry = Registry.discover()
    for kind in ("variant", "dataset", "metric"):
        names = registry.names(kind)
        assert len(names) == len(builtin_files(kind)) > 0
        assert [registry.info(kind, name).broken for name in names] == [None] * len(names)
        assert all(registry.info(kind, name).summary for name in names)
    assert {"ae", "stochastic-ae", "vae", "decoder-only"} <= set(registry.names("variant"))


def test_a_folder_of_plugins_is_classified_by_content(folder):
    registry = Registry.discover([folder])
    assert {"mine", "broken", "fails"} <= set(registry.names("variant"))
    assert {"rows", "leaves"} <= set(registry.names("dataset"))
    for kind in ("variant", "dataset", "metric"):
        assert not {"notes", "-helper", "helper"} & set(registry.names(kind))
    assert registry.load("dataset", "rows")() == 5
    assert registry.load("variant", "MINE").__name__ == "Mine"


def test_broken_plugins_say_why_and_leave_others_alone(folder):
    registry = Registry.discover([folder])
    assert "line 1" in registry.info("variant", "broken").broken
    with pytest.raises(PluginError, match=r"broken\.py\) is broken: line 1"):
        registry.resolve("variant", Call("broken"))
    with pytest.raises(PluginError, match=r"fails\.py\) cannot be imported: ModuleNotFoundError.*no_such_package"):
        registry.load("variant", "fails")
    with pytest.raises(PluginError, match="cannot be imported: SystemExit"):
        registry.load("dataset", "leaves")
    assert registry.load("variant", "mine").__name__ == "Mine"


def test_a_plugin_never_owns_its_own_name_as_a_module(folder):
    before = set(sys.modules)
    Registry.discover([folder]).load("dataset", "rows")
    new = {name for name in set(sys.modules) - before if "rows" in name}
    assert len(new) == 1 and new.pop().startswith("aebench_dataset_rows_")
    assert "rows" not in sys.modules


def test_a_changed_file_is_loaded_anew_and_hashes_differently(folder):
    registry = Registry.discover([folder])
    first, first_hash = registry.load("variant", "mine"), plugin_code(registry, "variant", "mine").digest
    assert Registry.discover([folder]).load("variant", "mine") is first
    (folder / "mine.py").write_text(VARIANT.format(mark=2))
    again = Registry.discover([folder])
    assert again.load("variant", "mine") is not first
    assert sys.modules[again.load("variant", "mine").__module__].MARK == 2
    assert plugin_code(again, "variant", "mine").digest != first_hash


def test_a_path_given_twice_counts_once(folder):
    registry = Registry.discover([folder, folder / "mine.py", folder])
    assert registry.names("variant").count("mine") == 1


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda root: root / "gone.py", "no such file"),
        (lambda root: root / "gone", "no such file"),
        (lambda root: root / "notes.py", "no plugin found"),
        (lambda root: (root / "data.csv").write_text("x") and root / "data.csv", "a plugin is a .py file"),
        (lambda root: (root / "empty").mkdir() or root / "empty", "no plugin found"),
    ],
)
def test_plugin_paths_that_hold_nothing_are_refused(folder, make, reason):
    with pytest.raises(UsageError, match=reason):
        Registry.discover([make(folder)])


def test_a_taken_name_is_refused_with_both_files(tmp_path):
    (tmp_path / "vae.py").write_text(VARIANT.format(mark=1))
    with pytest.raises(UsageError, match=r"variant 'vae' of .*tmp.*vae\.py has the name of .*variants.*vae\.py"):
        Registry.discover([tmp_path])


METRIC = """
from bench import Metric, Value
class Mine(Metric):
    family = "shape"
    values = (Value("{}", "A number.", None),)
"""


@pytest.mark.parametrize("value", ["test_mse", "density_fit_pca"])
def test_a_taken_name_of_a_value_is_refused_with_both_files(tmp_path, value):
    path = tmp_path / "zzz.py"
    path.write_text(METRIC.format(value))
    builtin = "reconstruction.py" if value == "test_mse" else "manifold_features.py"
    with pytest.raises(UsageError, match=rf"zzz.py reports {value}, as .*{builtin} does; rename the value"):
        Registry.discover([path]).names("metric")


def test_two_foreign_metrics_cannot_report_one_value(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(METRIC.format("own_spread"))
    with pytest.raises(UsageError, match=r"two.py reports own_spread, as .*one.py does"):
        Registry.discover([tmp_path]).names("metric")
    assert Registry.discover([tmp_path / "one.py", tmp_path / "one.py"]).names("metric")


def test_the_same_name_for_different_kinds_is_no_clash(tmp_path):
    (tmp_path / "vae.py").write_text(DATASET)
    assert "vae" in Registry.discover([tmp_path]).names("dataset")


def test_resolution_gives_canonical_names_and_labels():
    registry = Registry.discover()
    resolved = registry.resolve("variant", parse_call("VAE[beta=5]"))
    assert resolved == Call("vae", {"kl_weight": "auto", "beta": 5.0, "samples": 1})
    assert registry.label("variant", resolved) == "vae[beta=5]"
    assert registry.label("variant", registry.resolve("variant", Call("Stochastic_AE"))) == "stochastic-ae"
    assert registry.resolve("variant", parse_call("vae[beta=5.0]")) == resolved


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("variant", "vea", "unknown variant 'vea'; did you mean vae?"),
        ("variant", "stochasticae", "did you mean stochastic-ae"),
        ("variant", "vae[bta=1]", "did you mean beta?"),
        ("dataset", "digit", "unknown data set 'digit'; did you mean digits?"),
        ("variant", "control:pac", "unknown control 'pac'; did you mean pca or ppca?"),
        ("variant", "control:pca[n=1]", "takes no parameters"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(kind, text, expected):
    with pytest.raises(UsageError) as raised:
        Registry.discover().resolve(kind, parse_call(text))
    assert expected in str(raised.value)


def test_arrays_and_controls_resolve_without_a_plugin():
    registry = Registry.discover()
    assert registry.resolve("dataset", Call(ARRAYS, {"checksum": "ab"})) == Call(ARRAYS, {"checksum": "ab"})
    assert registry.label("dataset", Call(ARRAYS, {"checksum": "ab"})) == ARRAYS
    assert registry.resolve("variant", Call("control:PCA")) == Call("control:pca")
    assert plugin_code(registry, "variant", "control:pca").files


def test_metrics_for_selects_values_in_a_fixed_order():
    registry = Registry.discover()
    everything, core = dict(registry.metrics_for("all")), dict(registry.metrics_for("core"))
    declared = {name: registry.info("metric", name).values for name in registry.names("metric")}
    assert everything == {name: [value.name for value in values] for name, values in declared.items()}
    assert core == {
        name: wanted for name, values in declared.items() if (wanted := [value.name for value in values if value.core])
    }
    assert registry.metrics_for("test_sse, test-mse") == [("reconstruction", ["test_mse", "test_sse"])]
    assert registry.metrics_for(["reconstruction"]) == [("reconstruction", everything["reconstruction"])]
    with pytest.raises(UsageError, match="unknown metric 'test_mes'; did you mean test_mse"):
        registry.metrics_for("test_mes")
    with pytest.raises(UsageError, match="no metric is named"):
        registry.metrics_for(",")


def test_every_metric_file_declares_what_its_class_holds():
    registry = Registry.discover()
    for name in registry.names("metric"):
        assert tuple(registry.load("metric", name).values) == registry.info("metric", name).values


def test_entry_points_are_described_without_importing_anything(package):
    site = package(
        {"__init__.py": "raise RuntimeError('imported')", "models/mine.py": VARIANT.format(mark=3), "data.py": DATASET},
        "[aebench.variants]\ntheir_ae = foreign_pkg.models.mine:Mine\n[aebench.datasets]\ntheirs = foreign_pkg.data\n",
    )
    registry = Registry.discover()
    info = registry.info("variant", "their-ae")
    assert (info.broken, info.path) == (None, site / "foreign_pkg" / "models" / "mine.py")
    assert info.signature == {"weight": 1.0}
    assert registry.info("dataset", "theirs").signature == {"n": 5}
    assert "foreign_pkg" not in sys.modules
    with pytest.raises(PluginError, match="cannot be imported: RuntimeError: imported"):
        registry.load("variant", "their-ae")
    assert registry.load("variant", "vae").__name__ == "VAE"


def test_entry_points_load_as_ordinary_modules(package):
    files = {"__init__.py": "", "mine.py": VARIANT.format(mark=4), "data.py": "def rows(k: int = 1):\n    return k"}
    package(files, "[aebench.variants]\nmine = foreign_pkg.mine\n[aebench.datasets]\ntheirs = foreign_pkg.data:rows\n")
    registry = Registry.discover()
    assert registry.load("variant", "mine").__module__ == "foreign_pkg.mine"
    assert registry.load("dataset", "theirs")(3) == 3


def test_faulty_entry_points_are_listed_as_broken(package):
    package(
        {"__init__.py": "", "mine.py": VARIANT.format(mark=5), "bad.py": "def (", "none.py": "x = 1"},
        "[aebench.variants]\n"
        "gone = foreign_pkg.gone\n"
        "bad = foreign_pkg.bad\n"
        "none = foreign_pkg.none\n"
        "away = no_such_package_anywhere.x\n"
        "vae = foreign_pkg.mine\n",
    )
    registry = Registry.discover()
    assert "no module named 'foreign_pkg.gone'" in registry.info("variant", "gone").broken
    assert "line 1" in registry.info("variant", "bad").broken
    assert "holds no variant" in registry.info("variant", "none").broken
    assert "no module named 'no_such_package_anywhere" in registry.info("variant", "away").broken
    assert registry.info("variant", "vae").entry_point is None
    (refused,) = registry.refused("variant")
    assert "foreign_pkg" in refused.broken and "rename" in refused.broken


def test_an_unknown_kind_is_a_programming_error():
    with pytest.raises(ValueError, match="kind 'model'"):
        Registry.discover().names("model")


def test_the_path_of_a_data_set_is_what_was_typed():
    registry = Registry.discover()
    for word in ("1.10", "1e3", "True"):
        resolved = registry.resolve("dataset", parse_call(f"image-folder[path={word}]"))
        assert resolved.params["path"] == word
        assert registry.resolve("dataset", parse_call(f"mnist[root={word}]")).params["root"] == word


SPECTRAL = """
from bench import Metric, Value
class Spectral(Metric):
    \"\"\"A metric with options.\"\"\"
    family = "collapse"
    values = (Value("spectral_top", "A number.", None), Value("spectral_low", "Another.", None))
    def __init__(self, floor: float = 0.5, name: str = "x"):
        self.floor = floor
    def compute(self, view, rng):
        return {"spectral_top": self.floor, "spectral_low": -self.floor}
"""


@pytest.fixture
def spectral(tmp_path):
    (tmp_path / "spectral.py").write_text(SPECTRAL)
    return Registry.discover([tmp_path / "spectral.py"])


def test_options_of_metrics_are_read_with_their_defaults(spectral):
    assert spectral.metric_options("core,test_mse") == {}
    assert spectral.metric_options("core, Spectral[floor=1]") == {"spectral": {"floor": 1.0, "name": "x"}}
    assert spectral.metrics_for("Spectral[floor=1]") == spectral.metrics_for("spectral")
    assert spectral.metric_options("spectral[floor=1],spectral[name=x,floor=1.0]") == spectral.metric_options(
        "spectral[floor=1]"
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("spectral[floor=1],spectral[floor=2]", "has two sets of options"),
        ("spectral_top[floor=1]", r"give them to the metric itself: spectral\[…\]"),
        ("core[floor=1]", "core takes no options"),
        ("spectral[flor=1]", "did you mean floor"),
        ("spectral[floor=high]", "floor"),
        ("reconstruction[floor=1]", "floor"),
        ("spectral[floor=1", "character"),
    ],
)
def test_options_that_cannot_be_given_are_refused(spectral, asked, expected):
    with pytest.raises(UsageError, match=expected):
        spectral.metrics_for(asked)
