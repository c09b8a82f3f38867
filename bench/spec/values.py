"""Reads the values of a configuration or the command line into what a `RunSpec` holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.spec.call import Call, expand_grid, parse_call, split_list
from bench.spec.path_given import data_file, path_given
from bench.spec.splits import read_splits

#: Cells of one run at most: its plan is a file of 15 MB then, and takes seconds to make.
MOST_CELLS = 100_000


def normal_key(key: Any) -> str:
    """A configuration key in snake_case and singular: `latent-dim` is `latent_dim`, `variants` is `variant`."""
    name = str(key).replace("-", "_")
    return _PLURALS.get(name, name)


def read_seeds(value: Any) -> tuple[int, ...]:
    """Seeds from `10` (0 … 9), `"10"`, `"0,3,7"`, `"7,"` (seed 7 alone) or a list.

    Raises:
        UsageError: zero, negative or repeated seeds, or anything else.
    """
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if not parts or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
            raise UsageError(f"seeds {value!r} cannot be read; give a number of seeds (10) or a list (0,3,7)")
        value = [int(part) for part in parts] if "," in value else int(parts[0])
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MOST_CELLS:
            raise UsageError(f"seeds={value} is out of range; give at least 1 seed and at most {MOST_CELLS:,}")
        return tuple(range(value))
    if isinstance(value, (list, tuple, range)):
        if len(set(map(repr, value))) < len(value):
            raise UsageError(f"seeds {','.join(map(str, value))} holds one seed twice")
        return tuple(value)
    raise UsageError(f"seeds {value!r} cannot be read; give a number of seeds (10) or a list (0,3,7)")


def read_jobs(value: Any) -> int | str:
    """`--n-jobs`: "auto", or how many processes work, also as text.

    Raises:
        UsageError: anything else.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise UsageError(f"n_jobs={value} is neither a whole number of at least 1 nor auto")


def read_rows(value: Any) -> int | str:
    """`--likelihood-rows`: "auto", "all", or how many held-out rows, also as text.

    Raises:
        UsageError: anything else.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if value in ("auto", "all") or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise UsageError(f"likelihood_rows={value} is neither a whole number of at least 1 nor all nor auto")


def read_calls(key: str, value: Any) -> tuple[Call, ...]:
    """Calls from one text or a list of texts (or `Call`s), grids expanded; a data set may be the path of a file."""
    items = [value] if isinstance(value, (str, Path, Call)) else value
    if not isinstance(items, (list, tuple)):
        raise UsageError(f"{key}={value!r} cannot be read; give NAME[p=v] or a list of these")
    calls = (item if isinstance(item, Call) else read_call(key, item) for item in items)
    return tuple(expanded for call in calls for expanded in expand_grid(call))


def read_samplers(key: str, value: Any) -> tuple[Call, ...]:
    """Samplers from texts separated by commas, or a list of texts (or `Call`s); none where there is no text."""
    items = [value] if isinstance(value, (str, Call)) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, (str, Call)) for item in items):
        raise UsageError(f"{key}={value!r} cannot be read; give NAME[p=v], separated by commas")
    split = (part for item in items for part in ([item] if isinstance(item, Call) else split_list(item)))
    return tuple(part if isinstance(part, Call) else parse_call(part) for part in split)


def read_call(key: str, text: Any) -> Call:
    """The call that a text writes for `key`; for a data set, the path of a file stands for its reader."""
    text = str(text) if isinstance(text, Path) else text
    try:
        return parse_call((data_file(text) if key == "dataset" and isinstance(text, str) else None) or text)
    except UsageError as error:
        raise (path_given(key, text) if isinstance(text, str) else None) or error from None


def _texts(key: str, value: Any) -> tuple[str, ...]:
    items = [value] if isinstance(value, (str, Path)) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, (str, Path)) for item in items):
        raise UsageError(f"{key}={value!r} cannot be read; give text or a list of texts")
    return tuple(str(item) for item in items)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{key}={value!r} is not text")
    return value


def _switch(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{key}={value!r} is neither true nor false")
    return value


def _metrics(key: str, value: Any) -> str:
    return ",".join(part for text in _texts(key, value) for part in split_list(text))


_PLURALS = {"variants": "variant", "datasets": "dataset", "seed": "seeds", "plugin": "plugins", "metric": "metrics",
            "hypotheses": "hypothesis", "sampler": "samplers"}  # fmt: skip
#: How the value of each key is read: (key, value) → value.
READERS: dict[str, Callable[[str, Any], Any]] = {
    "name": _text,
    "variant": read_calls,
    "dataset": read_calls,
    "seeds": lambda key, value: read_seeds(value),
    "splits": lambda key, value: read_splits(value),
    "metrics": _metrics,
    "samplers": read_samplers,
    "likelihood_rows": lambda key, value: read_rows(value),
    "controls": _switch,
    "baseline": _text,
    "select": _text,
    "hypothesis": _texts,
    "plugins": _texts,
    "device": _text,
}
