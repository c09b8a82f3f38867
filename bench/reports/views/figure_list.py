"""Which figures the material of a data set gives, each with title, caption and the data behind it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from bench.analysis.leaderboard import is_many
from bench.analysis.pareto import pareto
from bench.analysis.sweeps import swept
from bench.reports.figures import curves, points, style, tiles
from bench.reports.figures.pareto import plot_pareto
from bench.reports.figures.sweeps import any_value, plot_sweep
from bench.reports.views.figure_data import PHASE, Material
from bench.reports.views.figure_embedding import embedding

MOST_DOT_ROWS = 40
_STRIPS = 3
_NUMBERS_IN_CSV = 200_000


def _long(rows: list[tuple[str, np.ndarray]], axes: tuple[str, ...]) -> pd.DataFrame:
    """Arrays by label as tidy rows: variant, one column per axis (the last: position in the example), value."""
    tables = []
    for label, values in rows:
        flat = values.reshape(*values.shape[: len(axes) - 1], -1)
        flat = flat[: max(1, _NUMBERS_IN_CSV // max(len(rows) * int(np.prod(flat.shape[1:])), 1))]
        index = np.indices(flat.shape).reshape(flat.ndim, -1)
        columns = {"variant": label, **dict(zip(axes, index, strict=True)), "value": flat.ravel().astype(np.float32)}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _more(material: Material) -> str:
    if not material.left_out:
        return ""
    return f" The first {len(material.rows)} of {len(material.rows) + material.left_out} variants are shown."


def _first_split(material: Material) -> str:
    return " The first split of the data is shown." if material.section.design.is_crossed else ""


def _tradeoff(m: Material):
    section = m.section
    has = {metric.name for metric in section.metrics.values() if np.isfinite(section.values[metric.name]).any()}
    pairs = [("test_mse", "energy_fit"), ("test_mse", "interp_excess"), ("coverage_fit", "recall_fit")]
    pairs = [pair for pair in pairs if has.issuperset(pair)]
    frame = m.frame[~m.frame["variant_label"].str.startswith("control:")]
    frame = frame[frame["variant_label"].isin(style.in_order(frame["variant_label"])[:MOST_DOT_ROWS])]
    if not pairs or frame["variant_label"].nunique() < 2 or is_many(section):
        return
    figure = style.new_figure(4.1 * len(pairs) + 1.6, 3.9)
    axes = figure.subplots(1, len(pairs), squeeze=False)[0]
    for place, (ax, (x, y)) in enumerate(zip(axes, pairs, strict=True)):
        better = (section.metrics[x].higher_is_better, section.metrics[y].higher_is_better)
        points.plot_tradeoff(frame, x, y, ax, better)
        if place < len(pairs) - 1 and ax.get_legend():
            ax.get_legend().remove()
    names = {name for pair in pairs for name in pair}
    data = frame[frame["metric"].isin(names)][["variant_label", *points.repeats(frame), "metric", "value"]]
    caption = (
        f"Small dots are {section.design.repeats}, large marks their means with 95 % t intervals. Reconstruction alone "
        "or coverage alone misleads: a good model is near the corner named better in every panel that has one."
    )
    yield "tradeoff", "Reconstruction against coverage", caption, figure, data, False


def _pareto(m: Material):
    found = pareto(m.section) if is_many(m.section) else None
    if found is None:
        return
    figure, rows = plot_pareto(found, m.order)
    caption = (
        "Means over seeds. A line joins the settings of one variant; ringed points are those that no other competing "
        "one betters in both."
    )
    yield "pareto", f"{found.x.name} against {found.y.name}", caption, figure, rows, False


def _sweeps(m: Material):
    section = m.section
    for along in swept(section.grids):
        metrics = [metric for metric in section.primary if any_value(section, along, metric)][:6]
        if not metrics:
            continue
        figure, data = plot_sweep(section, along, metrics)
        held = " Other settings are those that validation chose." if len(section.grids[0].settings) > 2 else ""
        caption = (
            f"Means over {section.design.repeats} with 95 % t intervals, a line per variant, on held-out data; a ring "
            f"marks the setting that validation data chose.{held}"
        )
        yield f"sweep-{along.name}", f"What {along.name} does", caption, figure, data, False


def _dots(m: Material):
    section = m.section
    there = style.in_order(m.frame["variant_label"])
    labels = ([label for label in m.chosen if label in there] or there)[:MOST_DOT_ROWS]
    metrics = [metric for metric in section.primary][:9]
    if not metrics:
        return
    across = min(3, len(metrics))
    down = -(-len(metrics) // across)
    figure = style.new_figure(3.3 * across + 1.2, down * (0.75 + 0.27 * len(labels)))
    axes = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    for ax, metric in zip(axes, metrics, strict=False):
        note = {True: "more is better", False: "less is better", None: ""}[metric.higher_is_better]
        points.plot_dots(m.frame, metric.name, ax, labels, note)
    for ax in axes[len(metrics) :]:
        ax.set_visible(False)
    data = m.frame[m.frame["metric"].isin([metric.name for metric in metrics])]
    what = "seed on one split" if section.design.is_crossed else "seed"
    caption = f"Every dot is one {what}; the bar is the 95 % t interval of the mean."
    if m.frame["variant_label"].nunique() > len(labels):
        caption += f" The first {len(labels)} rows are shown."
    yield (
        "seeds",
        "Every seed",
        caption,
        figure,
        data[["variant_label", *points.repeats(data), "metric", "value"]],
        False,
    )


def _reconstructions(m: Material):
    rows = [(label, arrays["reconstructions"]) for label, arrays in m.rows if "reconstructions" in arrays]
    originals = next((arrays["originals"] for _, arrays in m.rows if "originals" in arrays), None)
    if not rows or originals is None:
        return
    rows = [row for row in rows if row[1].shape == originals.shape]
    figure = tiles.plot_reconstructions(originals, rows, m.order)
    data = _long([("data", originals), *rows], ("example", "position"))
    caption = f"The same held-out examples, encoded to their posterior mean and decoded ({m.seed_note}).{_more(m)}"
    yield "reconstructions", "Reconstructions of held-out data", caption, figure, data, tiles.is_image(originals)


def _samples(m: Material):
    kinds = (
        ("fit_samples", "samples-fit", "Samples: codes drawn from a Gaussian fitted to the codes",
         "Decodes of draws from N(m, S), the Gaussian with the mean and covariance of the training codes"),
        ("prior_samples", "samples-prior", "Samples: codes drawn from the prior",
         "Decodes of draws from the prior, for variants that declare one"),
    )  # fmt: skip
    originals = next((arrays["originals"] for _, arrays in m.rows if "originals" in arrays), np.zeros((0, 1)))
    for key, name, title, caption in kinds:
        panels = [(label, arrays[key]) for label, arrays in m.rows if key in arrays]
        if panels:
            figure = tiles.plot_samples(panels, tiles.Range.of(originals), m.order)
            data = _long(panels, ("sample", "position"))
            yield name, title, f"{caption} ({m.seed_note}).{_more(m)}", figure, data, tiles.is_image(panels[0][1])


def _interpolations(m: Material):
    have = [(label, arrays) for label, arrays in m.rows if "strips" in arrays and "strip_ends" in arrays]
    if not have:
        return
    ends = have[0][1]["strip_ends"]
    scale = tiles.Range.of(ends)
    for place in range(min(_STRIPS, len(ends))):
        rows = []
        for label, arrays in have:
            scores = [
                f"{letter} {float(arrays[key][place]):.2f}"
                for letter, key in (("U", "strip_unevenness"), ("R", "strip_realism"))
                if key in arrays
            ]
            rows.append((label, arrays["strips"][place], "\n".join(scores)))
        figure = tiles.plot_strips(ends[place], rows, scale, m.order)
        caption = (
            "U: unevenness of the steps, 1 is even. R: distance of the path from held-out data relative to that of a "
            f"pixel cross-fade, below 1 is more realistic than the cross-fade ({m.seed_note}).{_more(m)}"
        )
        data = _long([(label, path) for label, path, _ in rows], ("frame", "position"))
        yield (
            f"interpolation-{place + 1}",
            f"Interpolation {place + 1}",
            caption,
            figure,
            data,
            tiles.is_image(ends[place][None]),
        )


def _latent(m: Material):
    have = [(label, arrays) for label, arrays in m.rows if "codes" in arrays]
    if not have:
        return
    across = min(3, len(have))
    down = -(-len(have) // across)
    figure = style.new_figure(8.4, down * (8.4 / across) * 0.98 if across > 1 else 5.0)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    tables = []
    for ax, (label, arrays) in zip(axes, have, strict=False):
        labels = arrays.get("code_labels")
        colour = style.colour_of(label, m.order)
        points.plot_latent(arrays["codes"], labels, ax=ax, title=style.short(label, 28), colour=colour)
        plane, _ = points.project(arrays["codes"])
        table = pd.DataFrame({"variant": label, "x": plane[:, 0], "y": plane[:, 1]})
        tables.append(table if labels is None else table.assign(label=labels))
    for ax in axes[len(have) :]:
        ax.set_visible(False)
    flat = have[0][1]["codes"].shape[1] <= 2
    how = "Codes" if flat else "Codes on their first two principal axes"
    caption = f"{how} of held-out data, coloured by label ({m.seed_note}).{_more(m)}"
    yield "latent", "The latent space", caption, figure, pd.concat(tables, ignore_index=True), False


def _plane(m: Material):
    have = [(label, arrays) for label, arrays in m.rows if {"grid", "grid_x", "grid_y"} <= arrays.keys()]
    if not have:
        return
    originals = next((arrays["originals"] for _, arrays in have if "originals" in arrays), np.zeros((0, 1)))
    across = min(2, len(have))
    down = -(-len(have) // across)
    figure = style.new_figure(8.4, down * 8.4 / across)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for ax, (label, arrays) in zip(axes, have, strict=False):
        plane = (arrays["grid"], arrays["grid_x"], arrays["grid_y"])
        tiles.plot_plane(*plane, tiles.Range.of(originals), label, ax, style.colour_of(label, m.order))
    for ax in axes[len(have) :]:
        ax.set_visible(False)
    data = _long([(label, arrays["grid"]) for label, arrays in have], ("row", "column", "position"))
    caption = f"The decoder over the region of the plane that the codes cover ({m.seed_note}).{_more(m)}"
    yield "plane", "The decoded latent plane", caption, figure, data, tiles.is_image(have[0][1]["grid"][0])


def _training(m: Material):
    if m.history is None:
        return
    terms = [term for term in style.in_order(m.history["term"]) if term in ("loss", "reconstruction", "kl")]
    parts = set(m.history["part"])
    part = "validation" if "validation" in parts else "train"
    panels = [term for term in terms if ((m.history["term"] == term) & (m.history["part"] == part)).any()]
    if not panels:
        return
    figure = style.new_figure(3.6 * len(panels) + 1.8, 3.6)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for place, (ax, term) in enumerate(zip(axes, panels, strict=True)):
        curves.plot_training(m.history, term, part, ax, m.order, legend=place == 0)
        if place == 0 and ax.get_legend():
            handles, labels = ax.get_legend_handles_labels()
            ax.get_legend().remove()
            figure.legend(handles, labels, loc="outside right center")
        ax.set_title(term)
    caption = (
        f"Loss terms on the {part} part; lines are the median over seeds, bands hold all seeds. "
        f"Losses of different variants are different functions and do not rank them.{_first_split(m)}"
    )
    yield "training", "Training curves", caption + _more(m), figure, m.history, False


def _phase(m: Material):
    table = _phase_points(m)
    if table is None:
        return
    figure = style.new_figure(7.2, 4.2)
    points.plot_phase(table, figure.add_subplot(), m.order)
    caption = (
        "What the posterior does with its freedom: eq. 2 alone can shrink σ and spread μ (down and to the right), the "
        "KL term of eq. 4 holds σ² + Var μ near 1 (the crossing of the grey lines). One mark per seed, after "
        f"training.{_first_split(m)}"
    )
    yield "phase", "Posterior noise against the spread of means", caption, figure, table, False


def _phase_points(m: Material) -> pd.DataFrame | None:
    rows = m.frame[m.frame["metric"].isin(PHASE) & np.isfinite(m.frame["value"])]
    if "split_number" in rows:
        rows = rows[rows["split_number"] == rows["split_number"].min()]
    table = rows.pivot_table(index=["variant_label", "seed"], columns="metric", values="value", sort=False)
    table = table.reindex(columns=list(PHASE)).dropna().reset_index()
    if m.history is not None:
        follow = m.history[(m.history["part"] == "validation") & m.history["term"].isin(PHASE)]
        if len(follow):
            path = follow.pivot_table(index=["variant", "seed", "step"], columns="term", values="value", sort=False)
            path = path.reindex(columns=list(PHASE)).dropna().reset_index().rename(columns={"variant": "variant_label"})
            table = path if len(table) == 0 else pd.concat([path, table.assign(step=path["step"].max() + 1)])
    if len(table) == 0:
        return None
    order = [label for label in style.in_order(m.frame["variant_label"])]
    table = table.assign(step=table["step"] if "step" in table else 0)
    rank = {label: place for place, label in enumerate(order)}
    return table.sort_values(
        ["variant_label", "seed", "step"], key=lambda c: c.map(rank) if c.name == "variant_label" else c
    )


#: Functions of `Material`; each yields (name, title, caption, figure, data, whether it shows examples) per figure.
DRAWERS: tuple[Callable, ...] = (
    _tradeoff,
    _pareto,
    _sweeps,
    _dots,
    _reconstructions,
    _samples,
    _interpolations,
    embedding,
    _latent,
    _plane,
    _training,
    _phase,
)
