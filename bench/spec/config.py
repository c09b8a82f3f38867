"""Configuration files and presets: YAML of the same keys as the command line, and how they combine with it.

A later layer wins over an earlier one: preset, then file, then command line. Files are read by a safe loader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.errors import UsageError, unknown_name
from bench.safe_yaml import MOST_YAML, parse_yaml
from bench.spec.run import SPEC_KEYS, RunOptions, RunSpec
from bench.spec.sweep import refuse_two_rates
from bench.spec.values import normal_key
from bench.untrusted import read_bytes

#: Keys that say how a run is carried out and not what it computes.
OPTION_KEYS = ("output", "n_jobs", "threads", "engine", "timeout", "force", "dry_run", "quiet", "tensorboard",
               "against", "max_minutes")  # fmt: skip
#: Keys of presets that say something about the run and nothing to it.
_ABOUT = ("description", "anchor", "presets")


def read_config(path: Path, also: Sequence[str] = ()) -> dict[str, Any]:
    """The keys of a YAML file in snake_case, with the file's name as the run's `name` where it gives none.

    Args:
        path: the file.
        also: keys that are allowed beside those of a configuration.

    Raises:
        UsageError: unreadable, not UTF-8, not YAML (with line and column), not a mapping, or an unknown key.
    """
    try:
        text = read_bytes(path, MOST_YAML).decode("utf-8")
    except ValueError as error:
        raise UsageError(f"{path} cannot be read: it is not UTF-8 text") from error
    return {"name": path.stem, **parse_config(text, str(path), also)}


def parse_config(text: str, shown: str, also: Sequence[str] = ()) -> dict[str, Any]:
    """The keys of YAML `text` in snake_case; `shown` names it in messages. Otherwise as `read_config`."""
    try:
        values = parse_yaml(text)
    except yaml.MarkedYAMLError as error:
        raise UsageError(f"{shown}{_place(error)} is not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{shown} is not valid YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{shown} holds a {type(values).__name__}; give keys and values, e.g. seeds: 10")
    known = (*SPEC_KEYS, *OPTION_KEYS, "description", *also)
    settings: dict[str, Any] = {}
    for key, value in values.items():
        name = normal_key(key)
        if name not in known:
            unknown = unknown_name("key", str(key), (word.replace("_", "-") for word in known))
            raise UsageError(f"{shown}: {unknown}")
        if name in settings:
            raise UsageError(f"{shown}: key {key!r} is given twice")
        settings[name] = value
    if settings.get("steps") is not None and settings.get("epochs") is not None:
        raise UsageError(f"{shown}: both steps and epochs are given; give one of them")
    return settings


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f", line {mark.line + 1}, column {mark.column + 1}," if mark else ""


def combine(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """One layer of what the later ones say over the earlier ones; None says nothing.

    Steps and epochs replace each other; an optimiser replaces an earlier learning rate, which is a part of it.

    Raises:
        UsageError: a layer gives the learning rate twice.
    """
    combined: dict[str, Any] = {}
    for layer in layers:
        given = {key: value for key, value in layer.items() if value is not None}
        if "steps" in given or "epochs" in given:
            combined.pop("steps", None)
            combined.pop("epochs", None)
        if "optimizer" in given:
            refuse_two_rates(given)
            combined.pop("lr", None)
        combined |= given
    return combined


def build_run(settings: Mapping[str, Any]) -> tuple[RunSpec, RunOptions]:
    """The run that combined settings describe; plugin paths become absolute, so that the stored spec works anywhere.

    Raises:
        UsageError: a value that cannot be read or is out of range.
    """
    if settings.get("presets"):
        raise UsageError(
            f"{settings['name']} stands for several runs; give one of them: {', '.join(settings['presets'])}"
        )
    values = {key: value for key, value in settings.items() if value is not None and key not in _ABOUT}
    given = {key: values.pop(key) for key in OPTION_KEYS if key in values}
    if "timeout" in given:
        given["timeout"] = read_duration(given["timeout"])
    if "output" in given:
        if not isinstance(given["output"], (str, Path)) or not str(given["output"]) or "\0" in str(given["output"]):
            raise UsageError(f"output {given['output']!r} is not a path")
        given["output"] = Path(given["output"]).expanduser()
    spec = RunSpec.from_dict(values)
    return spec.with_absolute_plugins(), RunOptions(**given)


def read_duration(value: Any) -> float:
    """Seconds from `90`, `"30s"`, `"10m"` or `"2h"`.

    Raises:
        UsageError: anything else, or zero.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smh]?)", str(value).strip(), re.ASCII)
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if seconds <= 0 or isinstance(value, bool):
        raise UsageError(f"timeout {value!r} cannot be read; give a time above 0, e.g. 30s, 10m or 2h")
    return seconds
