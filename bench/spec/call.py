"""The text form of a plugin with parameters: `NAME[p=v,q=[v1,v2]]`, as the command line and the presets write it.

A value is a number, `true`, `false`, `none`, a list in brackets or text. Text needs quotes only where it would read as
something else or holds one of `,[]'"`; "…" takes JSON escapes, '…' takes none. `format_call` is the inverse of
`parse_call` and gives every call one spelling, which ids are hashed from.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.errors import UsageError
from bench.text import printable

_NAME = re.compile(r"[^\W\d][\w.:-]*")
_KEY = re.compile(r"[^\W\d][\w-]*")
_WHOLE = re.compile(r"[+-]?(0|[1-9]\d*)", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?", re.ASCII)
_WORDS = {"true": True, "false": False, "none": None, "null": None}
_DEPTH = 20


@dataclass(frozen=True)
class Call:
    """A name with parameters. Values are None, bool, int, finite float, str, or lists of these.

    Two calls are equal when names and values are; the order of the parameters does not matter. `typed` has for values
    that were read from text without quotes how they were typed (1.10 for 1.1), for parameters that are text.

    Raises:
        UsageError: a value of another type, or a number that is not finite.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    typed: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        clean = {key: _plain(self.name, key, value) for key, value in self.params.items()}
        object.__setattr__(self, "params", clean)

    def __hash__(self) -> int:
        return hash((self.name, frozenset((key, _frozen(value)) for key, value in self.params.items())))

    def __str__(self) -> str:
        return format_call(self)


def parse_call(text: str) -> Call:
    """The call that `text` writes.

    Raises:
        UsageError: `text` does not follow the grammar; the message names the place.

    >>> parse_call("vae[beta=4,kl_weight=auto]").params
    {'beta': 4, 'kl_weight': 'auto'}
    """
    if not isinstance(text, str):
        raise UsageError(f"{text!r} is not text; write a name with parameters, e.g. 'vae[beta=4]'")
    return _Reader(text).call()


def format_call(call: Call) -> str:
    """The one spelling of `call`: `NAME[p=v,…]` with the parameters in their order; no brackets without parameters.

    >>> format_call(Call("mlp", {"hidden": [64, 32], "activation": "relu"}))
    'mlp[hidden=[64,32],activation=relu]'
    """
    if not call.params:
        return call.name
    return f"{call.name}[{','.join(f'{key}={format_value(value)}' for key, value in call.params.items())}]"


def format_value(value: Any) -> str:
    """The spelling of one parameter value; whole floats are written without a point, text with quotes if needed.

    >>> format_value(2.0), format_value("1.5"), format_value(None)
    ('2', '"1.5"', 'none')
    """
    if isinstance(value, list):
        return f"[{','.join(format_value(item) for item in value)}]"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, int):
        return str(value)
    plain = value and value == value.strip() and value.isprintable() and not re.search(r"[,\[\]'\"]", value)
    return value if plain and _scalar(value) == value else json.dumps(value, ensure_ascii=not value.isprintable())


def expand_grid(call: Call) -> list[Call]:
    """One call per combination of the list-valued parameters, the last parameter varying fastest.

    To give one list as a value, write it as a grid of one: `p=[[1,2]]`.

    Raises:
        UsageError: an empty list.

    >>> [str(call) for call in expand_grid(parse_call("vae[beta=[1,2]]"))]
    ['vae[beta=1]', 'vae[beta=2]']
    """
    axes = []
    for key, value in call.params.items():
        if value == []:
            raise UsageError(f"{call.name}: {key}=[] is an empty grid; give at least one value, or [[]] for no items")
        typed = call.typed.get(key)
        pairs = zip(value, typed or [None] * len(value), strict=True) if isinstance(value, list) else [(value, typed)]
        axes.append([(key, item, words) for item, words in pairs])
    return [
        Call(call.name, {key: item for key, item, _ in combination}, {key: words for key, _, words in combination})
        for combination in itertools.product(*axes)
    ]


def as_grid(call: Call) -> Call:
    """The call whose grid is `call` alone: list values wrapped once, so that `expand_grid` gives `call` back.

    >>> str(as_grid(parse_call("mlp[hidden=[64]]")))
    'mlp[hidden=[[64]]]'
    """
    return Call(call.name, {key: [value] if isinstance(value, list) else value for key, value in call.params.items()})


def outside(text: str) -> Iterator[tuple[int, str]]:
    """(place, character) of what stands outside brackets and quotes."""
    depth, quote = 0, ""
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "[]":
            depth += 1 if char == "[" else -1
        elif depth == 0:
            yield place, char


def split_list(text: str) -> list[str]:
    """The parts of `text` between commas that stand outside brackets and quotes, stripped, empty ones left out.

    >>> split_list("ae, vae[beta=[1,2]]")
    ['ae', 'vae[beta=[1,2]]']
    """
    ends = [place for place, char in outside(text) if char == ","]
    parts = (text[start + 1 : end] for start, end in zip([-1, *ends], [*ends, len(text)], strict=True))
    return [part.strip() for part in parts if part.strip()]


def _plain(name: str, key: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(name, key, item) for item in value]
    if not isinstance(value, (str, bool, int, float, type(None))) and callable(getattr(value, "item", None)):
        value = value.item()  # a NumPy scalar
    if hasattr(value, "__fspath__"):
        value = value.__fspath__()
    if value is not None and not isinstance(value, (str, bool, int, float)):
        raise UsageError(f"{name}: {key} is a {type(value).__name__}; give a number, text, true, false, none or a list")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{name}: {key}={value!r} is not a finite number")
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise UsageError(f"{name}: {key} is a whole number of more than 63 bits")
    return value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _scalar(text: str) -> Any:
    """The value of unquoted text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if len(text) <= 400:
        if _WHOLE.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
    return text


class _Reader:
    """A reader of one call, by recursive descent."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0

    def call(self) -> Call:
        self._space()
        name = self._match(_NAME, "a name")
        params: dict[str, Any] = {}
        typed: dict[str, Any] = {}
        self._space()
        if self._peek() == "[":
            self._items(lambda: self._parameter(params, typed))
            self._space()
        if self.place < len(self.text):
            raise self._error(f"{self._peek()!r} at character {self.place + 1} is not expected")
        return Call(name, params, typed)

    def _parameter(self, params: dict[str, Any], typed: dict[str, Any]) -> None:
        key = self._match(_KEY, "a parameter name").replace("-", "_")
        self._space()
        if self._peek() != "=":
            raise self._error(f"parameter {key!r} has no value; write {key}=VALUE")
        self.place += 1
        if key in params:
            raise self._error(f"parameter {key!r} is given twice")
        params[key], typed[key] = self._value(0)

    def _value(self, depth: int) -> tuple[Any, Any]:
        """A value and how it was typed, None for one in quotes."""
        self._space()
        char = self._peek()
        if char == "[":
            if depth == _DEPTH:
                raise self._error(f"lists are nested more than {_DEPTH} deep")
            items: list[tuple[Any, Any]] = []
            self._items(lambda: items.append(self._value(depth + 1)))
            return [value for value, _ in items], [typed for _, typed in items]
        if char and char in "'\"":
            return self._quoted(char), None
        end = next((i for i in range(self.place, len(self.text)) if self.text[i] in ",[]"), len(self.text))
        word = self.text[self.place : end].strip()
        if not word:
            raise self._error(f"a value is missing at character {self.place + 1}; write '' for empty text")
        self.place = end
        return _scalar(word), word

    def _quoted(self, quote: str) -> str:
        start = self.place
        if quote == "'":
            end = self.text.find("'", start + 1)
            if end < 0:
                raise self._error(f"the quote opened at character {start + 1} is never closed")
            self.place = end + 1
            return self.text[start + 1 : end]
        try:
            value, self.place = json.JSONDecoder(strict=False).raw_decode(self.text, start)
        except json.JSONDecodeError as error:
            raise self._error(
                f'the quoted text at character {start + 1} is not valid ({error.msg}); in "…" a backslash begins an '
                "escape: write a path with backslashes without quotes or in '…'"
            ) from None
        return value

    def _items(self, read: Callable[[], None]) -> None:
        """Items between brackets, separated by commas; the place is at the opening bracket."""
        opened = self.place + 1
        self.place += 1
        self._space()
        if self._peek() == "]":
            self.place += 1
            return
        while True:
            self._space()
            if not self._peek():
                break
            read()
            self._space()
            char = self._peek()
            if not char:
                break
            self.place += 1
            if char == "]":
                return
            if char != ",":
                raise self._error(
                    f"{char!r} at character {self.place} is not expected; separate by commas, close with ]"
                )
        raise self._error(f"the bracket opened at character {opened} is never closed")

    def _match(self, pattern: re.Pattern[str], what: str) -> str:
        found = pattern.match(self.text, self.place)
        if not found:
            place = f"at character {self.place + 1}" if self.place < len(self.text) else "at the end"
            raise self._error(f"{what} is expected {place}")
        self.place = found.end()
        return found.group()

    def _space(self) -> None:
        while self._peek().isspace():
            self.place += 1

    def _peek(self) -> str:
        return self.text[self.place : self.place + 1]

    def _error(self, problem: str) -> UsageError:
        shown = self.text if len(self.text) <= 200 else self.text[:200] + "…"
        return UsageError(f"'{printable(shown)}' cannot be read: {problem}")
