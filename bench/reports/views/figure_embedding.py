"""Figure 1 of the lecture note from a run: labelled images embedded in the plane, beside what the plane decodes to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.reports.figures import points, style, tiles

if TYPE_CHECKING:
    from bench.reports.views.figure_data import Material

#: Variants that the figure shows, one row each.
MOST_ROWS = 2
_NEEDED = {"codes", "code_labels", "grid", "grid_x", "grid_y"}


def embedding(m: Material) -> Iterator[tuple[Any, ...]]:
    """The figure, where some variant has two-dimensional codes of labelled images and a decoder; else nothing."""
    have = [
        (label, arrays) for label, arrays in m.rows if arrays.keys() >= _NEEDED and tiles.is_image(arrays["grid"][0])
    ]
    have = have[:MOST_ROWS]
    if not have:
        return
    figure = style.new_figure(11.6, 5.9 * len(have))
    axes = figure.subplots(len(have), 2, squeeze=False)
    tables = []
    for (left, right), (label, arrays) in zip(axes, have, strict=True):
        codes, labels = arrays["codes"], arrays["code_labels"]
        colour = style.colour_of(label, m.order)
        points.plot_latent(codes, labels, ax=left, title=f"{style.short(label, 32)}: codes", colour=colour)
        originals = arrays.get("originals", np.zeros((0, 1)))
        tiles.plot_plane(arrays["grid"], arrays["grid_x"], arrays["grid_y"], tiles.Range.of(originals), "", right)
        right.set_title("decoded", color=colour)
        right.tick_params(labelsize=7.5)
        for axis in (right.xaxis, right.yaxis):
            axis.label.set_size(8.5)
        left.set_xlim(right.get_xlim())
        left.set_ylim(right.get_ylim())
        tables.append(pd.DataFrame({"variant": label, "x": codes[:, 0], "y": codes[:, 1], "label": labels}))
    caption = (
        "Left: the codes of held-out images in two dimensions, coloured by label. Right: what the decoder makes of the "
        f"same region, point by point ({m.seed_note})."
    )
    data = pd.concat(tables, ignore_index=True)
    yield "embedding", "Embedded in two dimensions, and decoded", caption, figure, data, True
