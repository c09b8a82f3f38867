"""Runs that the documents show can be planned and their variant is one: what a newcomer copies first."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from bench.cli import main
from bench.conformance.variant import Subject, loss_terms
from bench.spec.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
TEXT = "\n".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
)
FOUND = (
    tuple(shlex.split(inline or line, comments=True)[1:])
    for inline, line in re.findall(r"`(aebench run[^`]*)`|^(aebench run.*)$", TEXT, flags=re.MULTILINE)
    if "--help" not in inline and "…" not in inline + line
)
COMMANDS = list(dict.fromkeys(FOUND))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_run_of_the_documents_can_be_planned(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = (f"{i},{i * i % 7},{'ab'[i % 2]},{'xyz'[i % 3]}" for i in range(60))
    (tmp_path / "measurements.csv").write_text("\n".join(["size,mass,species,notes", *rows]) + "\n")
    (tmp_path / "pump.csv").write_text("\n".join(["flow,heat", *(f"{i % 9},{i % 5}" for i in range(900))]) + "\n")
    (tmp_path / "counts.csv").write_text("\n".join(["a,b,c", *(f"{i % 9},{i % 5},{i % 7}" for i in range(60))]) + "\n")
    visits = (f"{i * 7 % 11},{i * i % 7},{('train', 'train', 'val', 'test')[i // 4 % 4]},{i // 4}" for i in range(240))
    (tmp_path / "visits.csv").write_text("\n".join(["size,mass,part,patient", *visits]) + "\n")
    shutil.copytree(ROOT / "examples" / "methods", tmp_path / "examples" / "methods")
    for arguments in (["new", "variant", "my-ae"], [*words, "--dry-run"]):
        with pytest.raises(SystemExit) as raised:
            main(arguments)
        absent = any("PATH" in word for word in arguments)  # data that are not here, which a dry run says
        assert raised.value.code == int(absent), capsys.readouterr()


def test_the_variant_of_the_documents_is_one_and_tells_its_weight(tmp_path):
    (source,) = re.findall(r"```python\n(from bench import GaussianVariant\n.*?)```", TEXT, flags=re.DOTALL)
    (tmp_path / "my_vae.py").write_text(source, encoding="utf-8")
    subject = Subject(Registry.discover([tmp_path / "my_vae.py"]).load("variant", "my-vae"), {"weight": 0.5})
    loss_terms(subject)
    assert subject.model().kl_weight_value == 0.5


def test_commands_were_found():
    assert len(COMMANDS) >= 7 and ("run",) in COMMANDS and any("--plugins" in words for words in COMMANDS)
