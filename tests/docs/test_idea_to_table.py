"""The road of `docs/idea-to-table.md`, by its own commands with fewer seeds and steps: each does what the page says."""

import re
import shlex
from pathlib import Path

import pytest

from bench.cli import main
from bench.conformance.variant import check_variant
from bench.spec.registry import Registry

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "idea-to-table.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line)[1:] for block in re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.M | re.S)
    for line in block.splitlines()
]  # fmt: skip
SENTENCE = (
    r"my-ae > ae on test_mse \(digits\): .+: difference .+; paired t test over (\d+) seeds, p .+, "
    r"Holm p .+ over the 1 declared test; declared before any result \(.+\)\."
)


def edited(text):
    """`text` with the page's changes made, each of one line."""
    (change,) = re.findall(r"^```diff\n(.*?)^```", PAGE, flags=re.M | re.S)
    lines = change.splitlines()
    for old, new in zip(lines[::2], lines[1::2], strict=True):
        assert (old[0], new[0], text.count(f"{old[1:]}\n")) == ("-", "+", 1)
        text = text.replace(old[1:], new[1:])
    return text


def carried_out(*words):
    with pytest.raises(SystemExit) as raised:
        main(list(words))
    assert raised.value.code == 0


def test_the_road_ends_in_a_table_and_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.reports.views.figure_files.draw_all", lambda report, folder: [])
    new, check, plan, run, report, paper = COMMANDS
    carried_out(*new)
    path = Path("my_ae.py")
    path.write_text(edited(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert check == ["check", str(path)]
    checks = check_variant(Registry.discover([path]).load("variant", "my-ae"))
    assert [one.detail for one in checks if one.passed is False or not one.ran] == []
    assert f"{len(checks)} checks" in PAGE.replace("Eighteen", "18")
    assert plan == [*run, "--dry-run"]
    carried_out(*plan)
    assert not Path("my-run").exists()
    carried_out(*run, "--seeds", "3", "--steps", "200", "--metrics", "test_mse", "-j", "1")
    out = capsys.readouterr().out
    assert re.findall(SENTENCE, out) == ["3"], out
    carried_out(*report)
    table = Path("my-run/tables.tex").read_text(encoding="utf-8")
    assert r"\toprule" in table and "my-ae &" in table
    assert paper[:2] == ["report", "my-run"]


def test_the_sentence_of_the_page_is_one():
    (seeds,) = re.findall(SENTENCE, " ".join(PAGE.split()))
    assert seeds == "10"
