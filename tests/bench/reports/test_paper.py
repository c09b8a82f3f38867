"""What goes into a paper: golden LaTeX, references, and a folder that compiles."""

import shutil
import subprocess

import numpy as np
import pytest
from synthetic import FakeCell, FakeSpec, make_run, measurement, record

from bench.errors import UsageError
from bench.reports.bibliography import bibliography, entries
from bench.reports.model import load_report
from bench.reports.paper import export_paper
from bench.reports.views.latex import tables, tex
from bench.store.run_store import RunStore

GOLDEN = r"""\begin{table}
\centering
\caption{d\_1: mean $\pm$ half the 95 \% t interval over seeds. Bold: told apart from every other variant that competes, or the best mean and all that cannot be told apart from it, by paired t tests with Holm's correction over 3 tests.}
\resizebox{\linewidth}{!}{%
\begin{tabular}{lr}
\toprule
Variant & test\_mse $\downarrow$ \\
\midrule
a{[}w=1{]} & \textbf{1.010 $\pm$ 0.025} \\
b \& c\% & \textbf{1.010 $\pm$ 0.025} \\
U+6F22 & 9.010 $\pm$ 0.025 \\
\bottomrule
\end{tabular}}
\end{table}
"""  # noqa: E501


def planted(path):
    """Two equal leaders, whose interval is 1.01 ± t(.975, 2) · .01/√3 = .0248, and one far behind."""
    with RunStore.create(path, FakeSpec({"name": "planted", "seeds": [0, 1, 2]})) as store:
        for label, level in (("a[w=1]", 1.0), ("b & c%", 1.0), ("漢", 9.0)):
            for seed in range(3):
                swap = 0.01 * (2 - seed if label == "b & c%" else seed)
                store.append(record(FakeCell(label, "d_1", seed), {"test_mse": measurement(level + swap, False)}))
    return path


def test_the_table_is_the_golden_one(tmp_path):
    text = tables(load_report(planted(tmp_path / "run")))
    assert text.partition("\n")[2] == GOLDEN


def test_every_ascii_sign_is_escaped():
    special = set("\\{}$&#_%^~")
    for code in range(32, 127):
        assert tex(chr(code)) != chr(code) or chr(code) not in special


def test_each_paper_stands_once_under_a_key_of_its_own(tmp_path):
    run = make_run(tmp_path / "run", variants=("ae", "vae", "vae[beta=5]"), seeds=[0], with_arrays=False)
    text = bibliography(load_report(run))
    assert text.count("author = {Kingma and Welling}") == 1 and "@misc{kingma2013," in text
    assert text.count("author = {Hinton and Salakhutdinov}") == 1
    assert "  eprint = {1312.6114},\n  archiveprefix = {arXiv}\n}" in text and "title" not in text  # none is declared
    assert "  doi = {10.1126/science.1127647}\n}" in text
    papers = [("Kingma et al.", "2016", "x"), ("Kingma et al.", "2016", "y"), ("Kingma et al.", "2016", "x")]
    twice = entries([(*paper, "") for paper in papers])
    assert [entry.partition(",")[0] for entry in twice] == ["@misc{kingma2016", "@misc{kingma2016a"]
    assert "author = {Kingma and others}" in twice[0]


def test_a_plugin_that_states_a_title_has_it_in_its_entry_with_its_signs_escaped(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from bench import Variant\n\n\nclass Mine(Variant):\n"
        "    reference = 'Doe and Roe 2025, \"AEs & 5 % of {it}\", arXiv 2501.00001v2'\n\n"
        "    def loss(self, batch, draw):\n        return {}\n",
        encoding="utf-8",
    )
    with RunStore.create(tmp_path / "run", FakeSpec({"name": "t", "seeds": [0], "plugins": [str(plugin)]})) as store:
        store.append(record(FakeCell("mine", "d", 0), {"test_mse": measurement(1.0, False)}))
    text = bibliography(load_report(tmp_path / "run"))
    assert "author = {Doe and Roe},\n  title = {{AEs \\& 5 \\% of \\{it\\}}},\n  year = {2025}," in text
    assert "eprint = {2501.00001}," in text
    places = {"doi 10.1000/x}y": "", "hep-th/9901001": "", "arXiv hep-th/9901001": "T"}
    twice = (*places.items(), *dict.fromkeys(places, "").items())
    known = entries([("A", "2020", where, title) for where, title in twice])
    assert [("doi =" in one, "eprint =" in one, "title =" in one) for one in known] == [
        (False, False, False), (False, False, False), (False, True, True)
    ]  # fmt: skip


def test_a_folder_for_a_paper_holds_all_and_compiles(tmp_path):
    run = make_run(tmp_path / "run", variants=("ae", "vae"), seeds=range(3), with_arrays=False)
    files = export_paper(run, tmp_path / "paper")
    names = {path.name for path in files}
    assert names >= {"tables.tex", "references.bib", "main.tex", "seeds.pdf"} and all(p.is_file() for p in files)
    pdf = (tmp_path / "paper" / "figures" / "seeds.pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and str(len(pdf)) and b"CreationDate" not in pdf
    export_paper(run, tmp_path / "paper")  # again into the same folder
    with pytest.raises(UsageError, match=r"which is no export for a paper"):
        export_paper(run, run)
    if shutil.which("pdflatex"):
        asked = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
        done = subprocess.run(asked, cwd=tmp_path / "paper", capture_output=True, timeout=120)
        assert done.returncode == 0 and (tmp_path / "paper" / "main.pdf").stat().st_size > 1000
    assert np.all([path.stat().st_size for path in files])
