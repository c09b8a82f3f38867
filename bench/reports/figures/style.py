"""One look for all figures: a colour-blind safe palette, quiet axes, readable sizes on paper and on a phone."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.text import printable

#: Okabe and Ito's palette, ordered so that neighbours differ most; then repeated with other markers.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C6D31", "#5E5E5E")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
#: Paul Tol's "muted" scheme with grey, for classes.
CLASS_COLOURS = ("#332288", "#CC6677", "#117733", "#DDAA33", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499",
                 "#777777")  # fmt: skip
INK = "#222222"
QUIET = "#767676"

_SAVE: dict[str, Any] = {"facecolor": "white", "bbox_inches": "tight", "pad_inches": 0.08}
_RC: dict[Any, Any] = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.edgecolor": "#B0B0B0",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.dpi": 100,
    "savefig.dpi": 130,
    "svg.fonttype": "none",
    "svg.hashsalt": "aebench",
    "text.parse_math": False,
    "text.usetex": False,  # a matplotlibrc in the current folder must not start LaTeX
    "axes.unicode_minus": True,
}


@contextlib.contextmanager
def look() -> Iterator[None]:
    """The style, for the figures made inside; the user's own settings come back afterwards."""
    with matplotlib.rc_context(_RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        warnings.filterwarnings("ignore", message=".*[tT]ight.?layout.*", category=UserWarning)
        warnings.filterwarnings("ignore", message="constrained_layout not applied", category=UserWarning)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that belongs to no window."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def axes_or_new(ax: Axes | None, width: float = 6.4, height: float = 4.2) -> Axes:
    """`ax`, or the axes of a new figure."""
    return new_figure(width, height).add_subplot() if ax is None else ax


def colour_of(label: str, order: Sequence[str]) -> str:
    """A variant's colour: by its position in the run's `order`, so that it is the same in every figure."""
    return PALETTE[(order.index(label) if label in order else 0) % len(PALETTE)]


def marker_of(label: str, order: Sequence[str]) -> str:
    """A variant's marker, by its position in `order`; it differs where a colour comes round again."""
    index = order.index(label) if label in order else 0
    return MARKERS[(index + index // len(PALETTE)) % len(MARKERS)]


def log_ticks(axis: Axis) -> None:
    """Plain numbers at 1, 2 and 5 times powers of ten on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def short(text: str, limit: int = 34) -> str:
    """A label as figures show it: one line, cut in the middle when it is long."""
    clean = printable(text)
    if len(clean) <= limit:
        return clean
    head = (limit - 1) * 2 // 3
    return f"{clean[:head]}…{clean[-(limit - 1 - head) :]}"


def in_order(values: Sequence[str]) -> list[str]:
    """Distinct values in order of first appearance."""
    return list(dict.fromkeys(values))


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG."""
    with look():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None}, **_SAVE)
        return buffer.getvalue()


def pdf_bytes(figure: Figure) -> bytes:
    """The figure as PDF, the same bytes every time."""
    with look():
        buffer = io.BytesIO()
        figure.savefig(
            buffer, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None}, **_SAVE
        )
        return buffer.getvalue()


def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG, the same bytes every time."""
    with look():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, **_SAVE)
        return buffer.getvalue()
