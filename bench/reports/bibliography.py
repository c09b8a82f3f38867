"""The papers of the variants and metrics of a report as BibTeX, from what their plugins state."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bench.reports.families import origins
from bench.reports.model import Report
from bench.reports.views.latex import tex
from bench.spec.registry import Registry

#: 'Kingma and Welling 2013, arXiv 1312.6114' or 'Kingma and Welling 2013, "The title", arXiv 1312.6114', with the place
#: in brackets in running text.
_STATED = re.compile(r"^(?P<authors>\D+?),? (?P<year>\d{4}), (?:[\"“](?P<title>[^\"”]+)[\"”], )?(?P<where>.+)$")
_ARXIV = re.compile(r"^arXiv:? ?(\d{4}\.\d{4,5}|[a-z.-]+/\d{7})(?:v\d+)?$", re.IGNORECASE)
_DOI = re.compile(r"^doi:? ?(10\.\d{4,}/[^\s{}%#\\]+)$", re.IGNORECASE)
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
    return "\n".join(entries((m["authors"], m["year"], m["where"], m.groupdict().get("title") or "") for m in found))


def _documents(measured: set[str], plugins: list[str]) -> list[str]:
    """What the plugins of the metrics that were measured say of themselves."""
    registry = Registry.discover_present(plugins)
    infos = [registry.info("metric", name) for name in registry.names("metric")]
    return [info.doc for info in infos if not info.broken and measured & {value.name for value in info.values}]


def entries(papers: Iterable[tuple[str, str, str, str]]) -> list[str]:
    r"""BibTeX of (authors, year, where, title or ""), each paper once; equal keys get letters.

    A title stands where it is stated, and none is made up. An arXiv number or a DOI is a field of its own beside
    `howpublished`, which styles show that know neither.

    >>> print(entries([("Kingma and Welling", "2013", "arXiv 1312.6114", "")])[0])
    @misc{kingma2013,
      author = {Kingma and Welling},
      year = {2013},
      howpublished = {arXiv 1312.6114},
      eprint = {1312.6114},
      archiveprefix = {arXiv}
    }
    <BLANKLINE>
    """
    titled: dict[tuple[str, str, str], str] = {}
    for authors, year, where, title in papers:
        titled[authors, year, where] = titled.get((authors, year, where)) or title
    out, keys = [], set()
    for (authors, year, where), title in titled.items():
        names = authors.replace(" et al.", " and others").replace(", ", " and ")
        stem = re.sub(r"[^a-z]", "", authors.split()[0].lower()) + year
        key = next(key for letter in ("", *"abcdefghijklmnopqrstuvwxyz") if (key := stem + letter) not in keys)
        keys.add(key)
        fields = {"author": tex(names), "title": f"{{{tex(title)}}}" if title else "", "year": year}
        fields |= {"howpublished": tex(where), **_identified(where)}
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
        out.append(f"@misc{{{key},\n{body}\n}}\n")
    return out


def _identified(where: str) -> dict[str, str]:
    """The fields of an arXiv number or of a DOI."""
    if arxiv := _ARXIV.match(where):
        return {"eprint": arxiv[1], "archiveprefix": "arXiv"}
    doi = _DOI.match(where)
    return {"doi": doi[1]} if doi else {}
