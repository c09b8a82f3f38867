"""The documents beside a run's records: `spec.yaml`, `plan.json`, `environment.json`, with the types readers expect.

Somebody else may have written or edited them, so every entry is checked once, here, when the file is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.files import safe_id
from bench.safe_yaml import read_yaml
from bench.text import printable
from bench.untrusted import read_json

#: Seeds lie below this, so that every table can hold them.
SEED_LIMIT = 1 << 62
_LARGEST = 1 << 53


def is_seed(value: Any) -> bool:
    """Whether `value` is a whole number of at least 0 that a table can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < SEED_LIMIT


def is_count(value: Any) -> bool:
    """Whether `value` is a whole number of at least 1 that a float holds exactly."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_seeds(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_seed, value))


def _are_counts(value: Any) -> bool:
    return is_count(value) or (isinstance(value, list) and len(value) > 1 and all(map(is_count, value)))


def _is_latent(value: Any) -> bool:
    return value == "auto" or _are_counts(value)


_TEXT = (_is_text, "text")
_COUNT = (is_count, "a whole number of at least 1")
_TEXTS = (_are_texts, "a list of texts")
#: Key of `spec.yaml` in snake_case → (check, what is expected); None is allowed everywhere.
_SPEC: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ("name", "network", "recon", "optimizer", "schedule", "precision", "metrics", "baseline", "device"), _TEXT
    ),
    "latent_dim": (_is_latent, "whole numbers of at least 1, or auto"),
    "batch_size": (_are_counts, "whole numbers of at least 1"),
    **dict.fromkeys(("splits", "steps", "epochs", "early_stopping"), _COUNT),
    **dict.fromkeys(("variant", "dataset", "variants", "datasets", "hypothesis", "plugins", "samplers"), _TEXTS),
    **dict.fromkeys(("controls", "compile"), (_is_switch, "true or false")),
    "seeds": (_are_seeds, "a list of whole numbers of at least 0"),
}


def read_spec(path: Path) -> dict[str, Any]:
    """A run's `spec.yaml`; keys that this version does not know are left as they are.

    Raises:
        UsageError: not a regular file, too large, not YAML, or an entry of the wrong type.
    """
    spec = read_yaml(path)
    for key, value in spec.items():
        if not isinstance(key, str):
            raise UsageError(f"{printable(path)} is damaged (a key is no text); restore it or give a new --output")
        valid, expected = _SPEC.get(key.replace("-", "_"), (None, ""))
        if value is not None and valid is not None and not valid(value):
            raise UsageError(
                f"{printable(path)} is damaged ({printable(key, 40)} is {printable(repr(value)[:200], 60)}, expected "
                f"{expected}); restore it or give a new --output"
            )
    return spec


def is_spec(spec: Mapping[Any, Any]) -> bool:
    """Whether the entries of a spec, from wherever it was read, have the types that readers expect."""
    known = ((_SPEC.get(str(key).replace("-", "_")), value) for key, value in spec.items())
    return all(isinstance(key, str) for key in spec) and all(
        rule is None or value is None or rule[0](value) for rule, value in known
    )


def read_plan(path: Path) -> list[dict[str, Any]]:
    """The cells of a run's `plan.json`, each with cell_id, variant_label, dataset_label, seed and split_number.

    Raises:
        UsageError: not a regular file, too large, not JSON, or not such cells.
    """
    cells = read_json(path).get("cells")
    if not isinstance(cells, list) or not all(map(_is_planned, cells)):
        raise UsageError(f"{printable(path)} is damaged; run the same command again to rebuild it")
    return [{"split_number": 0, **cell} for cell in cells]


def _is_planned(cell: Any) -> bool:
    if not isinstance(cell, dict) or not is_seed(cell.get("seed")) or not is_seed(cell.get("split_number", 0)):
        return False
    try:
        safe_id(cell.get("cell_id"))
    except UsageError:
        return False
    return _is_text(cell.get("variant_label")) and _is_text(cell.get("dataset_label"))


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _is_table_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_git(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("sha"), str | None)


_ENVIRONMENT: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("python", "platform", "cpu", "accelerator", "cuda"), _is_text),
    **dict.fromkeys(("cpu_count", "torch_threads"), is_count),
    "memory_gib": _is_size,
    "packages": _is_table_of_texts,
    "git": _is_git,
}


def read_environments(path: Path) -> dict[str, dict[str, Any]]:
    """The environments of a run's `environment.json` by env_hash; an entry of the wrong type is left out.

    Raises:
        UsageError: not a regular file, too large, or not JSON.
    """
    known = read_json(path).get("environments")
    found = known if isinstance(known, dict) else {}
    return {name: _environment(entry) for name, entry in found.items() if isinstance(entry, dict)}


def _environment(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in _ENVIRONMENT or _ENVIRONMENT[key](value)}
