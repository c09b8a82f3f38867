"""Settings of the training with several values: `--latent-dim 2,4,8`, `--lr`, `--batch-size`, optimisers, networks.

Every combination is a setting of its own. Its cells are called by it, `vae{L=4,lr=0.001}`, and that name is all that
reports know of it: `split_label` reads it again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.contracts.checks import number_in, whole_number
from bench.errors import UsageError
from bench.spec.call import Call, expand_grid, format_call, format_value, outside, parse_call, split_list
from bench.spec.training import TrainSettings, filled_optimizer, parameter_of

#: What labels call a setting's key; other words are those of the parameter itself.
WORDS = {"latent_dim": "L", "batch_size": "batch"}
_KEYS = {word: key for key, word in WORDS.items()}
#: (key, its values, at least two) of what varies on every data set alike, in the order of settings.
Axes = tuple[tuple[str, tuple[Any, ...]], ...]


def read_counts(key: str, value: Any) -> tuple[int, ...]:
    """Whole numbers of at least 1 from `4`, `"4"`, `"2,4,8"` or a list, each once.

    Raises:
        UsageError: anything else.
    """
    words = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    items = list(words) if isinstance(words, (list, tuple)) else [words]
    found = [int(one) if isinstance(one, str) and one.isascii() and one.isdigit() and len(one) < 19 else one
             for one in items]  # fmt: skip
    if not found:
        raise UsageError(f"{key}={value!r} is empty; give a whole number, or several for a sweep: 2,4,8")
    return tuple(dict.fromkeys(whole_number(key, one, 1) for one in found))


def read_rates(value: Any) -> tuple[float, ...]:
    """Learning rates above 0 from `1e-3`, `"1e-3,3e-4"` or a list, each once.

    Raises:
        UsageError: anything else.
    """
    words = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    items = list(words) if isinstance(words, (list, tuple)) else [words]
    if not items:
        raise UsageError(f"lr={value!r} is empty; give a learning rate, or several for a sweep: 1e-3,3e-4")
    return tuple(dict.fromkeys(number_in("lr", _rate(one), 0.0, open_low=True) for one in items))


def _rate(text: Any) -> Any:
    try:
        return float(text) if isinstance(text, str) else text
    except ValueError:
        raise UsageError(f"lr={text!r} is no number; give a learning rate above 0, e.g. 1e-3") from None


def read_optimizers(value: Any, rates: Sequence[float] = ()) -> tuple[Call, ...]:
    """Optimisers from texts separated by commas, or a list of texts (or `Call`s), grids expanded, parameters filled in.

    Args:
        rates: learning rates that each of them is taken with, in the place of its own.
    """
    items = [value] if isinstance(value, (str, Call)) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, (str, Call)) for item in items):
        raise UsageError(f"optimizer={value!r} cannot be read; give NAME[p=v], or several separated by commas")
    parts = (part for item in items for part in ([item] if isinstance(item, Call) else split_list(item)))
    calls = [call for part in parts for call in expand_grid(part if isinstance(part, Call) else parse_call(part))]
    if not calls:
        raise UsageError(f"optimizer={value!r} names no optimizer; give adam, adamw, sgd or rmsprop")
    calls = [Call(call.name, {**call.params, "lr": rate}) for call in calls for rate in rates] if rates else calls
    return tuple(dict.fromkeys(map(filled_optimizer, calls)))


def refuse_two_rates(given: Mapping[str, Any]) -> None:
    """Raise `UsageError` where one source gives the learning rate twice: as lr and as a parameter of the optimiser."""
    if given.get("lr") is not None and given.get("optimizer") is not None:
        calls = read_optimizers(given["optimizer"])
        named = given["optimizer"] if isinstance(given["optimizer"], (list, tuple)) else [given["optimizer"]]
        if any("lr" in call.params for text in named for call in _written(text)):
            raise UsageError(f"lr is given twice, by itself and for {calls[0].name}; give it once")


def _written(item: Any) -> list[Call]:
    return [item] if isinstance(item, Call) else [parse_call(part) for part in split_list(item)]


def words_of_calls(calls: Sequence[Call], kind: str) -> list[dict[str, Any]]:
    """What tells each of several networks or optimisers from the others: its name, and the parameters that differ."""
    found = []
    for call in calls:
        alike = [other for other in calls if other.name == call.name]
        words = {kind: call.name} if len(alike) < len(calls) else {}
        keys = dict.fromkeys(key for other in alike for key in other.params)
        own = {key: parameter_of(call, key) for key in keys}
        differ = {key for key in keys if any(parameter_of(other, key) != own[key] for other in alike)}
        found.append(words | {key: value for key, value in own.items() if key in differ})
    return found


#: How cells are trained, and what tells that from the other settings, by word.
Settings = list[tuple[TrainSettings, dict[str, Any]]]


def settings_of(train: TrainSettings, axes: Axes, networks: Sequence[Call]) -> Settings:
    """Every combination of the values of `axes` with one of `networks`, and what tells it from the others, by word."""
    varied: dict[str, tuple[Any, ...]] = {"latent_dim": (train.latent_dim,), "network": tuple(networks),
                                          "optimizer": (train.optimizer,), "batch_size": (train.batch_size,),
                                          **dict(axes)}  # fmt: skip
    told = [[(key, value, words) for value, words in zip(values, _told(key, values), strict=True)]
            for key, values in varied.items()]  # fmt: skip
    found = []
    for combination in itertools.product(*told):
        said: dict[str, Any] = {}
        for key, _, words in combination:
            taken = said.keys() | ({} if key in WORDS else _KEYS.keys())
            said |= {f"{key}_{word}" if word in taken else word: value for word, value in words.items()}
        found.append((train.replace(**{key: value for key, value, _ in combination}), said))
    return found


def _told(key: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    if key in ("network", "optimizer"):
        return words_of_calls(values, key)
    return [{WORDS[key]: value} for value in values] if len(values) > 1 else [{}]


def count_of(axes: Axes, networks: int) -> int:
    """How many settings there are."""
    return math.prod(len(values) for _, values in axes) * networks


def labelled(variant: str, words: Mapping[str, Any]) -> str:
    """A variant's label with its setting.

    >>> labelled("vae[beta=5]", {"L": 4, "lr": 0.001})
    'vae[beta=5]{L=4,lr=0.001}'
    """
    listed = ",".join(f"{key}={format_value(value)}" for key, value in words.items())
    return f"{variant}{{{listed}}}" if listed else variant


def split_label(label: str) -> tuple[str, dict[str, Any]]:
    """A variant's label without its setting, and the setting by word; {} where it has none, or says no setting.

    >>> split_label("vae[beta=5]{L=4,lr=0.001}")
    ('vae[beta=5]', {'L': 4, 'lr': 0.001})
    """
    place = next((place for place, char in outside(label) if char == "{"), -1) if label.endswith("}") else -1
    if place <= 0:
        return label, {}
    try:
        return label[:place], dict(parse_call(f"of[{label[place + 1 : -1]}]").params)
    except UsageError:
        return label, {}


def key_of(word: str) -> str:
    """The setting that a word of a label means, as configurations call it.

    >>> [key_of(word) for word in ("L", "batch", "lr")]
    ['latent_dim', 'batch_size', 'lr']
    """
    return _KEYS.get(word, word)


def amount(value: Any) -> float | None:
    """A setting's value as a place on an axis: a number, or the width of a single layer; None for a word."""
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    return float(one) if isinstance(one, (int, float)) and not isinstance(one, bool) else None


def written(values: Sequence[Any]) -> Any:
    """Values of one setting as a configuration file writes them: one by itself, networks and optimisers as text."""
    if isinstance(values[0], Call):
        return ",".join(map(format_call, values))
    return values[0] if len(values) == 1 else list(values)
