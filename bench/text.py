"""Text from outside (labels, messages, plugin names) made safe to print, to store and to open in a spreadsheet."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

#: C0 and C1 controls, line and paragraph separators, and the marks that reorder text on screen.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SPACES = re.compile(r"[\t\n\r\x0b\x0c\u2028\u2029]+")
_FORMULA = ("=", "+", "-", "@")
_AROUND = re.compile("^[\\s\u200b-\u200f\u2060\ufeff]+|[\\s\u200b-\u200f\u2060\ufeff]+$")


def printable(text: Any, limit: int | None = None) -> str:
    r"""`text` on one line without control characters (terminal escapes, text reordering), at most `limit` long.

    >>> printable("two\nlines")
    'two lines'
    >>> printable("a long text", limit=7)
    'a long…'
    """
    clean = _UNPRINTABLE.sub("�", _SPACES.sub(" ", str(text)))
    return clean if limit is None or len(clean) <= limit else clean[: limit - 1] + "…"


def as_seen(text: str) -> str:
    r"""`text` as a reader sees it: accents and letters composed, nothing invisible around it.

    Systems write é as one character or as two, and files and web pages put marks of no width around words.

    >>> as_seen("\u200b cafe\u0301 ") == "caf\u00e9"
    True
    """
    return text.strip() if text.isascii() else _AROUND.sub("", unicodedata.normalize("NFC", text))


def spreadsheet_safe(text: str) -> str:
    """`text` as a spreadsheet shows it: one that would be run as a formula gets a leading apostrophe.

    >>> spreadsheet_safe("=1+1")
    "'=1+1"
    """
    clean = printable(text)
    return "'" + clean if clean.lstrip().startswith(_FORMULA) else clean


_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$])")


def escape(text: str) -> str:
    r"""Text that Markdown shows as it is: no markup, no table cell ends, no HTML.

    >>> escape("vae[beta=2] <b>")
    'vae\\[beta=2\\] &lt;b&gt;'
    """
    return html.escape(_SPECIAL.sub(r"\\\1", text), quote=False).replace("\\&lt;", "&lt;").replace("\\&gt;", "&gt;")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of a table; the first `left` columns are flush left, the others flush right.

    >>> table(("variant", "error"), [("ae", "0.012")])
    ['| variant | error |', '| :--- | ---: |', '| ae | 0.012 |', '']
    """
    rule = [":---" if place < left else "---:" for place in range(len(header))]
    return [f"| {' | '.join(line)} |" for line in (header, rule, *rows)] + [""]
