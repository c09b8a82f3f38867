"""Runs that are worth repeating, each a YAML file of the command line's keys in this folder (`--preset NAME`).

A preset may hold the published numbers that it reproduces under `anchor` (see
`bench.reports.studies.published_numbers`), or stand for several others, listed under `presets`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import unknown_name
from bench.safe_yaml import parse_yaml
from bench.spec.call import Call
from bench.spec.config import read_config
from bench.spec.values import read_call

FOLDER = Path(__file__).resolve().parent
_KEYS = ("anchor", "presets")


def preset_names() -> list[str]:
    """The names of all presets, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_preset(name: str) -> dict[str, Any]:
    """The settings of the preset `name`, with `name` and `description`; an unknown one raises `UsageError`."""
    if name not in preset_names():
        raise unknown_name("preset", name, preset_names())
    return read_config(FOLDER / f"{name}.yaml", _KEYS)


def preset_description(name: str) -> str:
    """What the preset `name` says of itself, read from the head of its file alone."""
    lines = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    head = [lines[0], *itertools.takewhile(lambda line: line.startswith(" "), lines[1:])]
    return dict(parse_yaml("\n".join(head))).get("description", "")


def preset_members(name: str) -> list[str] | None:
    """The presets that `name` stands for, or None where it is a run of its own."""
    return read_preset(name).get("presets")


def over_preset(preset: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """The layer `later` with its data sets' missing parameters taken from the preset's data set of the same name.

    So a preset says which parts of MNIST it uses, and the user where the files are: `-d 'mnist[root=PATH]'`.
    """
    if not later.get("dataset") or not preset.get("dataset"):
        return dict(later)
    known = _calls(preset["dataset"])
    merged = []
    for call in _calls(later["dataset"]):
        bases = [base for base in known if _plain(base.name) == _plain(call.name)]
        merged += [_over(base, call) for base in bases] or [call]
    return {**later, "dataset": merged}


def _over(base: Call, call: Call) -> Call:
    return Call(base.name, {**base.params, **call.params}, {**base.typed, **call.typed})


def for_member(
    member: Mapping[str, Any], members: Sequence[Mapping[str, Any]], later: Mapping[str, Any]
) -> dict[str, Any]:
    """The layer `later` as it concerns one `member` of a preset of several.

    Where every data set in it belongs to some member, it says more about those data sets and leaves other members'
    alone; where one belongs to none, it replaces the data of all.
    """
    if not later.get("dataset"):
        return dict(later)
    given = _calls(later["dataset"])
    if not {_plain(call.name) for call in given} <= set().union(*map(_names, members)):
        return dict(later)
    own = [call for call in given if _plain(call.name) in _names(member)]
    return {**later, "dataset": own} if own else {key: value for key, value in later.items() if key != "dataset"}


def _names(preset: Mapping[str, Any]) -> set[str]:
    return {_plain(call.name) for call in _calls(preset.get("dataset") or [])}


def _calls(value: Any) -> list[Call]:
    items = [value] if isinstance(value, (str, Path, Call)) else value
    return [item if isinstance(item, Call) else read_call("dataset", item) for item in items]


def _plain(name: str) -> str:
    return name.replace("_", "-")
