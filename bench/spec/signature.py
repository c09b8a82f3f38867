"""Parameters of a function as its source states them, read with `ast`: names, defaults, accepted types.

Nothing is imported or run, so names and types are checked before torch is loaded; values are checked by the plugin.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.errors import UsageError, unknown_name
from bench.spec.call import Call, format_value


class _Required:
    """The default of a parameter that must be given."""

    def __repr__(self) -> str:
        return "REQUIRED"

    def __reduce__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()

_TYPES = {"int": "int", "float": "float", "bool": "bool", "str": "str", "Path": "str", "PathLike": "str"}
_LISTS = {"list", "tuple", "Sequence", "Iterable", "Collection"}
_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "list": "a list"}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a plugin.

    Attributes:
        default: its default, or `REQUIRED`.
        types: accepted kinds of value ("int", "float", "bool", "str", "list", "none"), or None for any.
        choices: the values that a `Literal` annotation lists.
        later: whether it came after runs had been made (the plugin's file lists it in `LATER`): with its default it is
            not written, so that those runs' cells keep their ids.
    """

    default: Any = REQUIRED
    types: frozenset[str] | None = None
    choices: tuple[Any, ...] = ()
    later: bool = False

    def convert(self, owner: str, key: str, value: Any, typed: Any = None) -> Any:
        """`value` in the parameter's type: whole numbers become floats; what is text takes what was `typed`, if known.

        Raises:
            UsageError: a value of another type.
        """
        if value is None and (self.default is None or self.types is None or "none" in self.types):
            return value
        if value is None and "str" in (self.types or ()):
            return typed or "none"  # the word, of a parameter that takes words and cannot be empty
        if any(value == choice and type(value) is type(choice) for choice in self.choices):
            return value
        if self.types is None:
            widen = isinstance(self.default, float) and type(value) is int
            return float(value) if widen else value
        kind = type(value).__name__
        if kind in self.types:
            return value
        if kind == "int" and "float" in self.types:
            return float(value)
        if "str" in self.types and not self.types & {"int", "float"} and kind in ("int", "float", "bool"):
            return typed if isinstance(typed, str) else format_value(value)
        written = f"{owner}: {key}={format_value(value)}"
        if self.types & {"int", "float"} and _is_infinite(value):
            raise UsageError(f"{written} is not finite; give {self._expected()} that is")
        raise UsageError(f"{written} has the wrong type; give {self._expected()}")

    def _expected(self) -> str:
        kinds = [_WORDS[kind] for kind in ("int", "float", "bool", "str", "list") if kind in (self.types or ())]
        return " or ".join([*kinds, *(format_value(choice) for choice in self.choices)]) or "none"


def _is_infinite(value: Any) -> bool:
    """Whether `value` is, or spells, an infinity, NaN or a number beyond the largest."""
    try:
        return not math.isfinite(float(value)) if isinstance(value, (str, float)) else False
    except ValueError:
        return False


def read_parameters(
    function: ast.FunctionDef, *, skip_first: bool, constants: Mapping[str, Any]
) -> dict[str, Parameter]:
    """The parameters of `function` by name, without the first one where `skip_first` (`self`).

    Args:
        constants: values of module-level names that a default may refer to.

    Raises:
        ValueError: `*args`, `**kwargs`, or a default that is not a literal.
    """
    arguments = function.args
    if arguments.vararg or arguments.kwarg:
        raise ValueError(f"{function.name} takes *args or **kwargs; name every parameter, they are the configuration")
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = list(zip(positional, defaults, strict=True))[1 if skip_first else 0 :]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    found = {argument.arg: _parameter(argument, default, constants) for argument, default in pairs}
    later = constants.get("LATER")
    later = later if isinstance(later, (list, tuple)) else ()
    return {name: replace(parameter, later=name in later) for name, parameter in found.items()}


def _parameter(argument: ast.arg, default: ast.expr | None, constants: Mapping[str, Any]) -> Parameter:
    types, choices = _annotation(argument.annotation)
    if default is None:
        return Parameter(REQUIRED, types, choices)
    if isinstance(default, ast.Name) and default.id in constants:
        value = constants[default.id]
    else:
        try:
            value = ast.literal_eval(default)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            raise ValueError(f"the default of parameter {argument.arg!r} is not a literal") from None
    if isinstance(value, tuple):
        value = list(value)
    if types is not None and "float" in types and type(value) is int and "int" not in types:
        value = float(value)
    try:
        Call("default", {argument.arg: value})
    except UsageError as error:
        raise ValueError(f"the default of parameter {argument.arg!r} cannot be written: {error}") from None
    return Parameter(value, types, choices)


def _annotation(node: ast.expr | None) -> tuple[frozenset[str] | None, tuple[Any, ...]]:
    """Accepted kinds and `Literal` choices of an annotation; (None, ()) where it says nothing that is understood."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return None, ()
    if node is None:
        return None, ()
    if isinstance(node, ast.Constant) and node.value is None:
        return frozenset({"none"}), ()
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([node.left, node.right])
    name = node.value if isinstance(node, ast.Subscript) else node
    word = name.id if isinstance(name, ast.Name) else name.attr if isinstance(name, ast.Attribute) else ""
    if word in _LISTS:
        return frozenset({"list"}), ()
    if isinstance(node, ast.Subscript):
        items = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        if word == "Literal":
            values = tuple(item.value for item in items if isinstance(item, ast.Constant))
            return frozenset({"none"} if None in values else ()), tuple(v for v in values if v is not None)
        if word == "Optional":
            return _union([*items, ast.Constant(None)])
        return _union(items) if word == "Union" else (None, ())
    return (frozenset({_TYPES[word]}), ()) if word in _TYPES else (None, ())


def _union(nodes: list[ast.expr]) -> tuple[frozenset[str] | None, tuple[Any, ...]]:
    parts = [_annotation(node) for node in nodes]
    choices = tuple(choice for _, some in parts for choice in some)
    if any(types is None for types, _ in parts):
        return None, choices
    return frozenset().union(*(types for types, _ in parts if types is not None)), choices


def fill_parameters(owner: str, call: Call, parameters: Mapping[str, Parameter]) -> Call:
    """`call` with every parameter, in the order of the signature, defaults filled in and types converted.

    Those that are `later` and have their defaults are left out.

    Raises:
        UsageError: an unknown parameter (with the nearest names), a missing one, or a value of the wrong type.
    """
    for key in call.params:
        if key not in parameters:
            if not parameters:
                raise UsageError(f"{owner} takes no parameters, but {key!r} is given")
            raise unknown_name(f"parameter of {owner}", key, parameters)
    filled = {}
    for key, parameter in parameters.items():
        if key in call.params:
            filled[key] = parameter.convert(owner, key, call.params[key], call.typed.get(key))
        elif parameter.default is REQUIRED:
            raise UsageError(f"{owner} needs a value for {key!r}; write '{owner}[{key}=VALUE]'")
        else:
            filled[key] = parameter.default
        if parameter.later and filled[key] == parameter.default:
            del filled[key]
    return Call(call.name, filled)


def read_constants(tree: ast.Module) -> dict[str, Any]:
    """Module-level names bound to literals, in the file or in the modules of `bench` that it imports them from."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bench.") and not node.level:
            bound = [alias for alias in node.names if alias.name in _bound_names(node.module)]
            known = _own_constants(node.module) if bound else {}
            found |= {alias.asname or alias.name: known[alias.name] for alias in bound if alias.name in known}
    return found | _literals(tree)


@cache
def _bound_names(module: str) -> frozenset[str]:
    """Names that some line of `module` may bind to a value: most imports are functions, and parsing takes longer."""
    return frozenset(re.findall(r"^(\w+)\s*[:=]", _own_text(module), re.MULTILINE))


@cache
def _own_text(module: str) -> str:
    path = Path(__file__).resolve().parents[1].joinpath(*module.split(".")[1:]).with_suffix(".py")
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@cache
def _own_constants(module: str) -> dict[str, Any]:
    return _literals(ast.parse(_own_text(module)))


def _literals(tree: ast.Module) -> dict[str, Any]:
    found = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and value is not None:
                try:
                    found[target.id] = ast.literal_eval(value)
                except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                    continue
    return found
