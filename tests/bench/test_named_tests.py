"""Every test that the documents name exists, so that no row of their tables rests on nothing."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = {path.relative_to(ROOT / "tests").as_posix(): path.read_text(encoding="utf-8") for path in
         sorted((ROOT / "tests").rglob("test_*.py"))}  # fmt: skip
NAMES = {name for text in TESTS.values() for name in re.findall(r"^def (test_\w+)\(", text, flags=re.M)}


def lacking(text):
    """Names of tests in backticks, whole or cut off by …, and paths of test files, that do not exist."""
    wrong = []
    for name, cut in re.findall(r"`(?:[\w/.]+::)?(test_\w+)(…?)`", text):
        if not (any(known.startswith(name) for known in NAMES) if cut else name in NAMES):
            wrong.append(name)
    for path, name in re.findall(r"`(?:tests/)?([\w/]*test_\w+\.py)(?:::(test_\w+))?", text):
        own = [body for known, body in TESTS.items() if known.endswith(path)]
        if not own or (name and not any(f"def {name}(" in body for body in own)):
            wrong.append(f"{path}::{name}")
    return wrong


@pytest.mark.parametrize("document", ["docs/faults.md", "results/reference/faults.md", "results/reference/speed.md"])
def test_every_test_that_a_document_names_exists(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    assert "test_" in text
    assert lacking(text) == []


def test_a_name_that_does_not_exist_is_seen():
    assert lacking("`test_no_such_thing`") == ["test_no_such_thing"]
    assert lacking("`test_no_such_…`") == ["test_no_such_"]
    assert lacking("`test_faults.py::test_no_such_thing`") == [
        "test_no_such_thing",
        "test_faults.py::test_no_such_thing",
    ]
    assert lacking("`test_gone.py`") == ["test_gone.py::"]
    assert lacking("`test_faults.py::test_kill_9_of_the_run`, `test_kill_9_of_…`") == []
