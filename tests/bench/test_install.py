"""A wheel, an editable install and a plain checkout all find every plugin, and none owns the names of others.

Built without network and without touching the tree: its files are copied and the backend runs on the copy.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("aebench", "bench", "variants", "datasets", "samplers", "pyproject.toml", "README.md", "LICENSE")
KINDS = ("variant", "dataset", "metric", "sampler")
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
LOOK = """
import importlib.util, json, site, sys
places, packages = json.loads(sys.argv[1])
for place in places:
    site.addsitedir(place)
sys.path += packages
from bench.spec.registry import Registry, builtin_folder
from bench.spec.presets import preset_names
import bench
registry = Registry.discover()
names = {kind: registry.names(kind) for kind in ("variant", "dataset", "metric", "sampler")}
origin = lambda name: getattr(importlib.util.find_spec(name), "origin", None)
print(json.dumps({
    "bench": bench.__file__,
    "names": names,
    "broken": [name for kind in names for name in names[kind] if registry.info(kind, name).broken],
    "folders": [str(builtin_folder(kind)) for kind in names],
    "presets": preset_names(),
    "datasets": origin("datasets"),
    "variants": origin("variants"),
    "loaded": registry.load("dataset", "digits")().dimension if "--load" in sys.argv else None,
    "torch": "torch" in sys.modules,
}))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of what a build needs."""
    copy = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    return copy


def build(tree, hook, folder):
    """Runs a hook of the build backend in `tree`; the wheel's path."""
    command = [sys.executable, "-W", "ignore", "-c", BUILD, hook, str(folder)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.strip().splitlines()[-1]


def unpack(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        return set(archive.namelist())


@pytest.fixture(scope="module")
def wheel(tree, tmp_path_factory):
    """(folder that holds the unpacked wheel, names of its files)."""
    folder = tmp_path_factory.mktemp("wheel")
    return folder, unpack(build(tree, "build_wheel", tmp_path_factory.mktemp("built")), folder)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Another distribution's packages `datasets` and `variants`, which ours must not hide."""
    folder = tmp_path_factory.mktemp("library")
    for name in ("datasets", "variants"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("")
    return folder


def look(places, cwd, *options):
    """What a fresh interpreter in `cwd` finds with `places` as site folders, in that order."""
    # -S: an editable install in the interpreter's own environment would answer before the one under test.
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    given = json.dumps([[str(place) for place in places], packages])
    command = [sys.executable, "-S", "-W", "ignore", "-c", LOOK, given, *options]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def expected_names():
    folders = {kind: ROOT / f"{kind}s" for kind in KINDS} | {"metric": ROOT / "bench" / "metrics"}
    return {
        kind: sorted(path.stem.replace("_", "-") for path in folder.glob("*.py") if path.name[0] != "_")
        for kind, folder in folders.items()
    }


def check(found, home, library):
    assert found["names"] == expected_names()
    assert found["broken"] == [] and not found["torch"]
    assert found["bench"].startswith(str(home))
    assert all(folder.startswith(str(home)) for folder in found["folders"])
    assert found["presets"] == sorted(path.stem for path in (ROOT / "bench" / "spec" / "presets").glob("*.yaml"))
    for name in ("datasets", "variants"):
        assert found[name] == str(library / name / "__init__.py")


def test_a_wheel_finds_its_plugins_inside_the_package(wheel, library, tmp_path):
    folder, _ = wheel
    found = look([folder, library], tmp_path, "--load")
    check(found, folder / "bench", library)
    assert found["loaded"] == 64


def test_a_wheel_holds_every_file_of_the_package_and_no_top_level_plugin_folder(wheel):
    _, names = wheel
    files = (path for name in ("aebench", "bench") for path in (ROOT / name).rglob("*") if path.is_file())
    package = {path for path in files if "__pycache__" not in path.parts}
    wanted = {str(path.relative_to(ROOT)) for path in package}
    wanted |= {
        f"bench/{path.relative_to(ROOT)}"
        for kind in ("variants", "datasets", "samplers")
        for path in (ROOT / kind).glob("*.py")
    }
    assert {name for name in names if not name.split("/")[0].endswith(".dist-info")} == wanted


def test_a_wheel_brings_the_command(wheel, tmp_path):
    folder, names = wheel
    (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
    assert "aebench = aebench:main" in (folder / entry_points).read_text()
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); sys.argv[1:] = ['--version']; import aebench; aebench.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[0]) == (0, "aebench")


def test_an_editable_install_finds_its_plugins_beside_the_package(tree, library, tmp_path):
    site = tmp_path / "site"
    unpack(build(tree, "build_editable", tmp_path), site)
    check(look([site, library], tmp_path), tree, library)


def test_a_checkout_finds_its_plugins_from_within_and_from_elsewhere(tree, library, tmp_path):
    check(look([tree, library], tmp_path), tree, library)
    check(look([library], tree), tree, library)
