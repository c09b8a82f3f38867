"""Two runs with the same names for what is compared, where one of them tells settings of the training apart.

A sweep calls its cells `vae{L=4}`; a run of one setting calls the very same cells `vae`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.analysis.catalogue import Metric
from bench.analysis.sections import section_of
from bench.spec.sweep import split_label
from bench.store.measurements import RunData

#: (data set, variant), labels.
_Name = tuple[str, str]


def shared_names(base: RunData, new: RunData) -> tuple[RunData, RunData]:
    """Both runs with the names of the one that tells settings apart, for the cells that both have."""
    ids = dict(zip(base.cells["cell_id"], _names(base), strict=True))
    pairs = {(ids[cell], name) for cell, name in zip(new.cells["cell_id"], _names(new), strict=True) if cell in ids}
    differ = [(one, other) for one, other in pairs if one[1] != other[1] and one[0] == other[0]]
    longer = [max(pair, key=lambda name: len(name[1])) for pair in differ]
    renamed = [{pair[side]: to for pair, to in zip(differ, longer, strict=True)} for side in (0, 1)]
    return _renamed(base, renamed[0]), _renamed(new, renamed[1])


def chosen_names(
    data: RunData, other: RunData, known: Mapping[str, Metric], spec: Mapping[str, Any]
) -> tuple[RunData, list[str]]:
    """A sweep under the names of a run without one: a variant is the setting that validation chose; and which that is.

    Args:
        known, spec: of the sweep, as `section_of` takes them.
    """
    theirs, ours = set(_names(other)), set(_names(data))
    found: dict[_Name, _Name] = {}
    for dataset in dict.fromkeys(name for name, _ in ours):
        if all(not split_label(label)[1] for place, label in ours if place == dataset):
            continue
        section = section_of(data, dataset, known, spec)
        labels = list(dict.fromkeys(data.cells.loc[data.cells["dataset_label"] == dataset, "variant_label"]))
        for row in section.chosen:
            name = (dataset, split_label(labels[row])[0])
            if name in theirs and name not in ours:
                found[dataset, labels[row]] = name
    said = [f"{to} on {dataset} is {label}, which validation chose" for (dataset, label), (_, to) in found.items()]
    return _renamed(data, found), said


def _names(data: RunData) -> list[_Name]:
    return list(zip(data.cells["dataset_label"], data.cells["variant_label"], strict=True))


def _renamed(data: RunData, names: Mapping[_Name, _Name]) -> RunData:
    if not names:
        return data
    labels = [names.get(name, name)[1] for name in _names(data)]
    return replace(data, cells=data.cells.assign(variant_label=labels), kept={})
