"""The papers of the variants and metrics of a report as BibTeX, from what their plugins state."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bench.reports.families import origins
from bench.reports.model import Report
from bench.reports.views.latex import tex
from bench.spec.registry import Registry

#: "Kingma and Welling 2013, arXiv 1312.6114", with the place in brackets in running text.
_STATED = re.compile(r"^(?P<authors>\D+?),? (?P<year>\d{4}), (?P<where>.+)$")
_IN_TEXT = re.compile(
    r"(?P<authors>[^\W\d_][\w'-]+(?: et al\.|(?:, [A-Z][\w'-]+)* and [A-Z][\w'-]+)?),? (?P<year>\d{4}) "
    r"\((?P<where>arXiv \d{4}\.\d{4,5})\)"
)


def bibliography(report: Report) -> str:
    """One entry for each paper that a variant states, or a metric's documentation names by its arXiv number."""
    plugins = [path for path in report.spec.get("plugins") or [] if isinstance(path, str)]
    variants = dict.fromkeys(report.data.cells["variant"])
    stated = [origin.reference for origin in origins(variants, plugins).values() if origin.reference]
    found = [match for text in stated if (match := _STATED.match(text))]
    measured = {name for section in report.sections for name in section.metrics}
    found += [match for text in _documents(measured, plugins) for match in _IN_TEXT.finditer(text)]
    return "\n".join(entries((m["authors"], m["year"], m["where"]) for m in found))


def _documents(measured: set[str], plugins: list[str]) -> list[str]:
    """What the plugins of the metrics that were measured say of themselves."""
    registry = Registry.discover_present(plugins)
    infos = [registry.info("metric", name) for name in registry.names("metric")]
    return [info.doc for info in infos if not info.broken and measured & {value.name for value in info.values}]


def entries(papers: Iterable[tuple[str, str, str]]) -> list[str]:
    r"""BibTeX of (authors, year, where), each paper once; equal keys get letters.

    >>> print(entries([("Kingma and Welling", "2013", "arXiv 1312.6114")])[0])
    @misc{kingma2013,
      author = {Kingma and Welling},
      year = {2013},
      howpublished = {arXiv 1312.6114}
    }
    <BLANKLINE>
    """
    out, keys = [], set()
    for authors, year, where in dict.fromkeys(papers):
        names = authors.replace(" et al.", " and others").replace(", ", " and ")
        stem = re.sub(r"[^a-z]", "", authors.split()[0].lower()) + year
        key = next(key for letter in ("", *"abcdefghijklmnopqrstuvwxyz") if (key := stem + letter) not in keys)
        keys.add(key)
        fields = {"author": tex(names), "year": year, "howpublished": tex(where)}
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        out.append(f"@misc{{{key},\n{body}\n}}\n")
    return out
