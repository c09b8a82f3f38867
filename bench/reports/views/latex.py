"""The short tables as LaTeX: booktabs, escaped, bold by the marks' rule."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.sections import Section
from bench.reports.model import Report

#: Rows of a table on paper; summary.csv has the rest.
MOST_ROWS = 40
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "±": r"$\pm$", "×": r"$\times$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "²": r"$^2$", "λ": r"$\lambda$", "β": r"$\beta$", "σ": r"$\sigma$", "μ": r"$\mu$",
    "≤": r"$\leq$", "≥": r"$\geq$", "°": r"$^\circ$", "†": r"$^\dagger$", "√": r"$\surd$", "–": "--", "…": r"\dots{}",
}  # fmt: skip


def tex(text: str) -> str:
    r"""Text that LaTeX shows as it is; letters that no T1 font has stand as their code.

    >>> tex("vae[w=1] 5 % ± 1_2")
    'vae{[}w=1{]} 5 \\% $\\pm$ 1\\_2'
    """
    return "".join(_letter(char) for char in text)


def _letter(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    return char if char.isascii() or "À" <= char <= "ſ" else f"U+{ord(char):04X}"


def tables(report: Report) -> str:
    """A table for each data set, to be taken into a document that loads booktabs and graphicx."""
    head = "% Needs \\usepackage[T1]{fontenc}, booktabs and graphicx.\n"
    return head + "\n".join(_table(report, section) for section in report.sections)


def _table(report: Report, section: Section) -> str:
    shown = report.boards.shown(section)[:MOST_ROWS]
    trained = [index for index in shown if not section.rows[index].is_control]
    controls = [index for index in shown if section.rows[index].is_control]
    names = ["Variant", *(f"{tex(metric.name)} {tex(metric.direction)}".strip() for metric in section.primary)]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_caption(section, len(section.rows) - len(shown))}}}",
        r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * len(section.primary)}}}",
        r"\toprule",
        " & ".join(names) + r" \\",
        r"\midrule",
        *(_row(section, index) for index in trained),
        *([r"\midrule"] if trained and controls else []),
        *(_row(section, index) for index in controls),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(section: Section, index: int) -> str:
    cells = [section.cells[index, metric.name] for metric in section.primary]
    texts = [rf"\textbf{{{tex(cell.text)}}}" if cell.mark else tex(cell.text) for cell in cells]
    return " & ".join([tex(section.rows[index].label), *texts]) + r" \\"


def _caption(section: Section, more: int) -> str:
    said = (
        f"{section.label}: mean ± half the 95 % t interval over {section.design.repeats}. Bold: told apart from every "
        "other variant that competes, or the best mean and all that cannot be told apart from it, by paired t tests "
        f"with Holm's correction over {section.tests:,} tests."
    )
    rest = f" {more} more rows are in summary.csv." if more else ""
    return tex(said + rest)


def document(figures: Sequence[tuple[str, str]], cites: bool) -> str:
    """A document that shows tables.tex, the figures (path, caption), and the references where there are some."""
    lines = [
        r"\documentclass{article}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage{booktabs,graphicx}",
        r"\begin{document}",
        r"\input{tables}",
    ]
    for path, caption in figures:
        image = rf"\includegraphics[width=\linewidth,height=.8\textheight,keepaspectratio]{{{path}}}"
        lines += [r"\begin{figure}[p]", r"\centering", image, rf"\caption{{{tex(caption)}}}", r"\end{figure}",
                  r"\clearpage"]  # fmt: skip
    if cites:
        lines += [r"\nocite{*}", r"\bibliographystyle{plain}", r"\bibliography{references}"]
    return "\n".join([*lines, r"\end{document}", ""])
