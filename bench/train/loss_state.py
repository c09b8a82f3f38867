"""State that a variant keeps anywhere but in parameters and buffers, found by name.

A stack calls the loss of one model for all seeds, a recording does not call it again, a resumed training starts from
parameters and buffers, and so does a model that is loaded. What else a loss changes (an attribute, a list, a global)
or binds anew (a buffer: what it is bound to is not what the stack holds) would therefore give other numbers in each of
them. `Watch` compares what lies on the variant's modules before and after each call that is really made, and at
some of them, and between intervals, all data that its code reaches, and around some the global generators of Python
and numpy (torch's is refused by `bench.train.stack`); `refuse_differences` compares models of several seeds.
"""

from __future__ import annotations

import array
import collections
import functools
import inspect
import itertools
import pickle
import random
import sys
import types
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts.variant import Variant
from bench.errors import PluginError
from bench.torch_private import written_times

REMEDY = (
    "a training that is stacked, recorded or resumed, and a model that is loaded, would not have that: keep state in a "
    "buffer (register_buffer in setup, then write into it with copy_, or return (terms, {name: new value})), compute "
    "constants in setup, and let schedules depend on batch.progress"
)
#: Containers of more entries than this are told apart by their length alone.
MANY = 10_000
#: What nn.Module and the harness keep on a module.
_OWN = {*vars(nn.Module()), "forward"}
_PARAMETER = "the parameter "
_PLAIN = (type(None), bool, int, float, complex, str, bytes)


class Watch:
    """Calls the loss of `variant` and raises `PluginError` naming whatever state it keeps elsewhere."""

    def __init__(self, variant: Variant) -> None:
        self._variant = variant
        self._tables = list(_tables(variant))
        self._parameters = [(path, table) for path, table in self._tables if path.startswith(_PARAMETER)]
        self._calls = 0
        self._marks = marks(variant)

    def loss(self, *arguments: Any) -> Any:
        """`variant.loss(*arguments)`.

        Raises:
            PluginError: it binds, adds or deletes something on a module, moves a parameter, changes other data, or
                draws from a global generator.
        """
        self._calls += 1
        trial = self._calls & (self._calls - 1) == 0
        drawn = _global_generators() if trial else {}
        before = [dict(table) for _, table in self._tables]
        times = [written_times(tensor) for _, table in self._parameters for tensor in table.values()]
        result = self._variant.loss(*arguments)
        for (path, table), held in zip(self._tables, before, strict=True):
            for name in table.keys() | held.keys() if table.keys() != held.keys() else table:
                if name not in held or name not in table or table[name] is not held[name]:
                    raise self._error(f"binds {path}{name} anew")
        if times != [written_times(tensor) for _, table in self._parameters for tensor in table.values()]:
            raise self._error("writes into a parameter, which only the optimiser may move")
        if trial:
            self._compare_generators(drawn)
            self.compare()
        return result

    def _compare_generators(self, before: dict[str, bytes]) -> None:
        for name, state in _global_generators().items():
            if state != before[name]:
                what = f"moves the global generator of {name}: draw from its argument draw, and seed nothing"
                raise self._error(what)

    def compare(self) -> None:
        """Raise `PluginError` where data that the variant's code reaches are not what they were at first."""
        now = marks(self._variant)
        if now == self._marks:
            return
        changed = next(name for name in [*now, *self._marks] if now.get(name, _GONE) != self._marks.get(name, _GONE))
        raise self._error(f"changes {changed}")

    def _error(self, what: str) -> PluginError:
        return PluginError(f"{type(self._variant).__name__}.loss {what}; {REMEDY}")


_GONE = object()


def _global_generators() -> dict[str, bytes]:
    """The states of the generators that Python and numpy draw from unless another is named."""
    return {"random": pickle.dumps(random.getstate()), "numpy.random": pickle.dumps(np.random.get_state())}


def refuse_differences(models: Sequence[Variant]) -> None:
    """Raise `PluginError` where data besides parameters and buffers differ between models of several seeds.

    A stack uses the first model's for all, and a model that is loaded builds its own. Plain numbers may differ where
    seeds are never stacked.
    """
    first = marks(models[0], content=True)
    for other in models[1:]:
        theirs = marks(other, content=True)
        for name, value in first.items():
            same = value == theirs.get(name)
            if not same and name.startswith("self.") and (isinstance(value, tuple) or models[0].stackable):
                raise PluginError(
                    f"{type(models[0]).__name__}: {name} depends on the seed but is neither parameter nor buffer, so "
                    f"that a stack and a loaded model would use another seed's; make it a buffer "
                    f"(register_buffer in setup)"
                )


def marks(variant: Variant, content: bool = False) -> dict[str, Any]:
    """Name → what tells a change, for all data besides parameters and saved buffers that the variant's code reaches.

    With `content`, tensors are told apart by their numbers, otherwise by how often they were written to where torch
    counts that.
    """
    found: dict[str, Any] = {}
    kinds = list(itertools.takewhile(lambda kind: kind.__module__.partition(".")[0] != "bench", type(variant).__mro__))
    walk = _Walk(found, content, {kind.__module__.partition(".")[0] for kind in kinds})
    saved = variant.state_dict(keep_vars=True).keys()
    for path, module in variant.named_modules():
        prefix = f"self.{path}." if path else "self."
        if not _of_torch(module):
            for name, value in vars(module).items():
                if name not in _OWN:
                    walk(f"{prefix}{name}", value)
        for name, buffer in module.named_buffers(recurse=False):
            if f"{path}.{name}".lstrip(".") not in saved:
                walk(f"{prefix}{name}", buffer)
    for kind in kinds:
        walk.class_of(kind)
    return found


def _tables(variant: Variant) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is bound on each module, with the words before each name: parameters, buffers, children, attributes."""
    for path, module in variant.named_modules():
        prefix = f"self.{path}." if path else "self."
        own = vars(module)
        yield f"{_PARAMETER}{prefix}", own["_parameters"]
        yield f"the buffer {prefix}", own["_buffers"]
        yield f"the module {prefix}", own["_modules"]
        if not _of_torch(module):
            yield f"the attribute {prefix}", own


def _of_torch(module: nn.Module) -> bool:
    """Whether torch's own code answers for the plain attributes of a module (caches that it makes anew)."""
    return type(module).__module__.split(".")[0] == "torch"


class _Walk:
    """Follows values into containers, objects and functions, and notes a mark for each piece of data.

    What belongs to Python, this package or anything installed is taken as it is (libraries keep caches), unless the
    plugin itself, whose top-level modules are `home`, is part of it.
    """

    def __init__(self, found: dict[str, Any], content: bool, home: set[str]) -> None:
        self._found = found
        self._content = content
        self._home = home
        self._seen: set[int] = set()
        self._kept: list[Any] = []  # so that no number of `_seen` is given to another object

    def __call__(self, path: str, value: Any) -> None:
        if isinstance(value, _PLAIN):
            self._found[path] = repr(value)
        elif id(value) not in self._seen:
            self._seen.add(id(value))
            self._kept.append(value)
            self._look(path, value)

    def _look(self, path: str, value: Any) -> None:
        mark = self._mark(value)
        if mark is not None:
            self._found[path] = mark
        elif isinstance(value, (list, tuple, set, frozenset, collections.deque, Mapping)):
            self._entries(path, value)
        elif isinstance(value, (types.FunctionType, types.MethodType)):
            self.function(path, getattr(value, "__func__", value))
        elif isinstance(value, nn.Module):
            self._module(path, value)
        elif isinstance(value, functools.partial):
            self._attributes(path, {"func": value.func, "args": value.args, "keywords": value.keywords})
        elif isinstance(value, types.SimpleNamespace):
            self._attributes(path, vars(value))
        elif not isinstance(value, (type, types.ModuleType)) and not self._foreign(type(value).__module__):
            self._attributes(path, {**_slots(value), **getattr(value, "__dict__", {})})

    def _module(self, path: str, module: nn.Module) -> None:
        """A module that is no child of the variant: its tensors, and what the plugin's own modules keep beside them."""
        self._attributes(path, {**dict(module.named_parameters()), **dict(module.named_buffers())})
        for name, inner in module.named_modules(prefix=path):
            if not self._foreign(type(inner).__module__):
                self._attributes(name, {key: one for key, one in vars(inner).items() if key not in _OWN})

    def _attributes(self, path: str, attributes: Mapping[str, Any]) -> None:
        for name, one in attributes.items():
            self(f"{path}.{name}", one)

    def _mark(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            times = None if self._content else written_times(value)
            return (id(value), times) if times is not None else _digest(value.detach().cpu().numpy())
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return _digest(value)
        if isinstance(value, torch.Generator):
            return _digest(value.get_state().numpy())
        if isinstance(value, (bytearray, array.array)):
            return len(value), zlib.crc32(value)
        if isinstance(value, random.Random):
            return hash(value.getstate())
        if isinstance(value, np.random.RandomState):
            return zlib.crc32(pickle.dumps(value.get_state(legacy=False)))
        if isinstance(value, (np.random.Generator, np.random.BitGenerator)):
            return zlib.crc32(pickle.dumps(getattr(value, "bit_generator", value).state))  # type: ignore[union-attr]  # a BitGenerator, or a Generator that has one
        if isinstance(value, np.random.SeedSequence):
            return repr(value)
        return repr(value) if type(value).__module__ == "itertools" else None

    def _foreign(self, module: str | None) -> bool:
        first = (module or "builtins").partition(".")[0]
        if first in self._home:
            return False
        path = str(getattr(sys.modules.get(first), "__file__", None) or "")
        installed = any(folder in Path(path).parts for folder in ("site-packages", "dist-packages"))
        return first == "bench" or first in sys.stdlib_module_names or not path or installed

    def _entries(self, path: str, value: Any) -> None:
        self._found[f"{path} (its length)"] = len(value)
        if len(value) > MANY:
            return
        if isinstance(value, (set, frozenset)):
            self._found[path] = sorted(map(repr, value))
        elif isinstance(value, Mapping):
            for key, one in list(value.items()):
                self(f"{path}[{key!r}]", one)
        else:
            for index, one in enumerate(list(value)):
                self(f"{path}[{index}]", one)

    def function(self, path: str, function: Callable) -> None:
        """What a function of the plugin holds: its closure, defaults, attributes, and globals it names."""
        code = getattr(function, "__code__", None)
        if code is None or self._foreign(function.__module__):
            return
        for name, value in inspect.getclosurevars(function).nonlocals.items():
            self(f"{name} (of {function.__name__})", value)
        self(f"the defaults of {function.__name__}", (function.__defaults__, function.__kwdefaults__))
        for name, value in vars(function).items():
            self(f"{function.__name__}.{name}", value)
        for name in _names(code):
            if name in function.__globals__:
                self._global(f"the global {name}", function.__globals__[name])

    def _global(self, path: str, value: Any) -> None:
        if isinstance(value, type):
            if not self._foreign(value.__module__):
                self.class_of(value)
        else:
            self(path, value)

    def class_of(self, kind: type) -> None:
        """Data on a class of the plugin, and what its methods hold."""
        if id(kind) in self._seen:
            return
        self._seen.add(id(kind))
        for name, value in list(vars(kind).items()):
            value = inspect.unwrap(value) if callable(value) else value
            for method in _functions(value):
                self(f"{kind.__name__}.{name}", method)
            if not callable(value) and not name.startswith("__") and not hasattr(value, "__get__"):
                self(f"{kind.__name__}.{name}", value)


def _slots(value: Any) -> dict[str, Any]:
    """What is kept in slots (`__slots__`, `@dataclass(slots=True)`) of an object's class and of those above it."""
    slots = [
        name
        for kind in type(value).__mro__
        for name, slot in vars(kind).items()
        if isinstance(slot, types.MemberDescriptorType)
    ]
    return {name: getattr(value, name) for name in slots if hasattr(value, name)}


def _functions(value: Any) -> list[Callable]:
    """The functions behind an entry of a class."""
    if isinstance(value, property):
        return [one for one in (value.fget, value.fset) if one is not None]
    function = getattr(value, "__func__", value)
    return [function] if isinstance(function, types.FunctionType) else []


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _digest(array: np.ndarray) -> tuple:
    return array.shape, str(array.dtype), zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
