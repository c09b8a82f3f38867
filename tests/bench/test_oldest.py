"""The lowest versions that pyproject.toml declares are those that `.ci/oldest` runs the suite on."""

import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


def test_bounds_and_constraints_say_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = {}
    for one in map(Requirement, project["dependencies"]):
        (lowest,) = [specifier.version for specifier in one.specifier if specifier.operator == ">="]
        bounds[one.name] = Version(lowest)
    lines = (ROOT / ".ci" / "oldest-constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert {name: Version(version) for name, version in pins.items()} == bounds


def test_compiling_says_nothing_of_missing_cuda_tools(tmp_path):
    """With CUDA's folder named and no device there, torch 2.6 prints a line when its tools are first imported."""
    program = (
        "import torch\nfrom bench.train.replay.compiler import quiet_tool_chain\n"
        "torch.cuda.is_available = lambda: False\n"
        "with quiet_tool_chain():\n    import torch.utils.cpp_extension\n"
    )
    environment = {"CUDA_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
