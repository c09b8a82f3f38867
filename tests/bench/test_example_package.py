"""A package that pip really installs, without network: its four plugins are listed, checked and run in a child."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tests" / "example_package"
#: Runs command lines in one process and prints exit code and output of each.
COMMANDS = """
import contextlib, io, json, sys
import bench.runs.runner
from bench.cli import main
bench.runs.runner.report_run = lambda store: []
bench.runs.runner.measure_core = lambda *arguments: None
answers = []
for arguments in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code
    answers.append([code, out.getvalue(), "aebench_example" in sys.modules])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which pip has installed the example package."""
    tree, folder = tmp_path_factory.mktemp("example"), tmp_path_factory.mktemp("site")
    for path in PACKAGE.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".toml"):
            (tree / path.relative_to(PACKAGE)).parent.mkdir(parents=True, exist_ok=True)
            (tree / path.relative_to(PACKAGE)).write_text(path.read_text())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-build-isolation", "--no-compile", "--target", str(folder), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def answers(site, folder, *commands):
    """(exit code, output, whether the package was imported by then) of each command line, in one fresh process."""
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", COMMANDS, json.dumps(commands)], cwd=folder, env=environment,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_an_installed_package_is_listed_checked_and_run(site, tmp_path):
    run = ["run", "-m", "shrinking-ae[weight=0.1]", "-d", "helix[n=400]", "--metrics", "code_radius,energy_fit",
           "--samplers", "student[df=5]", "--seeds", "1", "--steps", "20", "--latent-dim", "2", "--batch-size", "32",
           "--network", "mlp[hidden=[16]]", "-j", "1", "-q", "-o", "out"]  # fmt: skip
    checks = [["check", name] for name in ("shrinking-ae", "helix", "code-radius", "student")]
    listed, *checked, ran = answers(site, tmp_path, ["list"], *checks, run)
    assert listed[0] == 0 and not listed[2]
    for words in ("shrinking-ae ", "helix ", "code_radius ", "student "):
        assert any(line.startswith(words) for line in listed[1].splitlines()), words
    for code, out, imported in checked:
        assert code == 0 and imported and "pass" in out and "FAIL" not in out, out
    assert "  cost  a step of 8 seeds takes " in checked[0][1]
    assert ran[0] == 0, ran[1]
    from bench import load

    values = load(tmp_path / "out").set_index("metric")["value"]
    assert values["code_radius"] > 0 and 0 < values["energy_student"] < 2
