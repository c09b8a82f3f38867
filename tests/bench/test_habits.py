"""The files around the code agree with each other: one version of each tool, one command for CI, one licence."""

import re
import subprocess
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_place_names_the_same_ruff():
    pinned = [word for word in PROJECT["project"]["optional-dependencies"]["dev"] if word.startswith("ruff==")]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert [hook["additional_dependencies"] for hook in hooks] == [pinned, pinned]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (expression,) = re.findall(r"^ruff=\$\((sed .*)\)$", script, flags=re.M)
    found = subprocess.run(["bash", "-c", expression], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [found.stdout.strip()] == pinned


def test_ci_takes_the_declared_mypy():
    pinned = [word for word in PROJECT["project"]["optional-dependencies"]["dev"] if word.startswith("mypy==")]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (expression,) = re.findall(r"^mypy=\$\((sed .*)\)$", script, flags=re.M)
    found = subprocess.run(["bash", "-c", expression], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [found.stdout.strip()] == pinned


def test_ci_runs_ruff_then_the_command_of_the_readme_then_mypy_and_the_workflow_runs_nothing_else():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = (".venv/bin/ruff check .", ".venv/bin/ruff format --check .", 'eval "$command"', ".venv/bin/mypy")
    places = [lines.index(line) for line in commands]
    assert places == sorted(places)
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (PROJECT["project"]["version"], PROJECT["project"]["license"])
    assert citation["cff-version"] and citation["title"] and citation["authors"]


def test_types_are_shipped():
    assert (ROOT / "bench" / "py.typed").is_file()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["bench"]


def test_what_is_slow_exists_and_every_room_keeps_quick_tests():
    text = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    slow = re.findall(r'^    "([\w/.]+)",$', text[text.index("SLOW = (") :].partition("\n)")[0], flags=re.M)
    assert len(slow) > 5 and all((ROOT / "tests" / name).exists() for name in slow)
    quick = [
        path.relative_to(ROOT / "tests")
        for path in (ROOT / "tests").rglob("test_*.py")
        if not any(path.is_relative_to(ROOT / "tests" / name) for name in slow)
    ]
    tested = {path.name for path in (ROOT / "tests" / "bench").iterdir() if any(path.rglob("test_*.py"))}
    assert tested == {path.parts[1] for path in quick if path.parts[0] == "bench" and len(path.parts) > 2}
    assert len(tested) > 10
    assert {"variants", "datasets", "samplers"} <= {path.parts[0] for path in quick}
