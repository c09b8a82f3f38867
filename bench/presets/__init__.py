"""Runs that are worth repeating, each a YAML file of the command line's keys in this folder (`--preset NAME`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.config import read_config
from bench.errors import unknown_name

FOLDER = Path(__file__).resolve().parent


def preset_names() -> list[str]:
    """The names of all presets, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_preset(name: str) -> dict[str, Any]:
    """The settings of the preset `name`, with `name` and `description`; an unknown one raises `UsageError`."""
    if name not in preset_names():
        raise unknown_name("preset", name, preset_names())
    return read_config(FOLDER / f"{name}.yaml")
