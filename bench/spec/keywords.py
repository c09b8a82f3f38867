"""Python functions whose keywords are settings that are declared elsewhere, so that nobody has to repeat them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any


def keywords_of(names: Iterable[str], home: type, before: str) -> Callable[[Callable], Callable]:
    """A decorator for a function that takes `**settings`: its signature lists `names`, and it takes no others.

    Args:
        names: of keywords; None, their default, says nothing.
        home: the class whose annotations are theirs; what it does not annotate can be anything.
        before: the keyword of the function that they stand before.
    """
    types = {name: home.__annotations__.get(name, "Any") for name in names}

    def decorate(function: Callable) -> Callable:
        plain = inspect.signature(function)
        own = [p for p in plain.parameters.values() if p.kind is not p.VAR_KEYWORD]
        place = [parameter.name for parameter in own].index(before)
        more = [_keyword(name, kind) for name, kind in types.items()]
        signature = plain.replace(parameters=[*own[:place], *more, *own[place:]])

        @functools.wraps(function)
        def call(*positional: Any, **given: Any) -> Any:
            signature.bind(*positional, **given)  # Python's own TypeError for what is not in it
            return function(*positional, **given)

        vars(call)["__signature__"] = signature
        return call

    return decorate


def _keyword(name: str, kind: str) -> inspect.Parameter:
    shown = kind if kind.endswith("| None") else f"{kind} | None"
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=shown)
