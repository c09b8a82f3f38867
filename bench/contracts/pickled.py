"""Pickled batches of bytes (CIFAR-10) read as data: the opcodes are followed, but nothing in the file is ever called.

`pickle.load` runs what a file tells it to. Here a call that the file asks for is looked up in a short list of stand-ins
(an array, a type, an encoding of text) and anything else is refused.
"""

from __future__ import annotations

import io
import pickletools
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.errors import DataError

_MARK = object()
_LITERALS = {
    "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_IGNORED = {"PROTO", "FRAME"}
_KNOWN = {
    "numpy.core.multiarray _reconstruct": "array",
    "numpy._core.multiarray _reconstruct": "array",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
}


class _Refused(Exception):
    """The file asks for something that plain batches do not hold."""


@dataclass
class _Global:
    name: str


@dataclass
class _Array:
    state: Any = None

    def to_numpy(self) -> np.ndarray:
        _, shape, kind, fortran, content = self.state
        if not isinstance(kind, _Type) or kind.code not in ("u1", "uint8", "B"):
            raise _Refused("an array of another type than unsigned bytes")
        content = content.encode("latin-1") if isinstance(content, str) else content
        return np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")


@dataclass
class _Type:
    code: str


def read_pickle(content: bytes, what: str) -> Any:
    """The dictionaries, lists, numbers, text and arrays of unsigned bytes in a pickle (protocols 0 to 5).

    Args:
        content: the file's bytes; memory stays proportional to them.
        what: words for the file in messages.

    Raises:
        DataError: truncated, corrupt, or with anything but plain values.
    """
    try:
        return _plain(_follow(content))
    except _Refused as refused:
        raise DataError(
            f"{what}: the file asks for {refused}; plain batches of bytes hold nothing of the kind"
        ) from None
    except (ValueError, TypeError, LookupError, AttributeError, EOFError, OverflowError, struct.error) as error:
        raise DataError(f"{what}: truncated or corrupt ({type(error).__name__}); fetch it again") from None


def _follow(content: bytes) -> Any:
    """Run the stack machine of the format (see `pickletools`) over stand-ins."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for opcode, argument, _ in pickletools.genops(io.BytesIO(content)):
        name = opcode.name
        if name == "STOP":
            return stack.pop()
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[argument])
        elif name not in _IGNORED:
            _build(name, argument, stack)
    raise EOFError


def _build(name: str, argument: Any, stack: list[Any]) -> None:
    """Opcodes that make containers and stand-ins out of what is on the stack."""
    if name == "MARK":
        stack.append(_MARK)
    elif name in ("EMPTY_DICT", "EMPTY_LIST"):
        stack.append({} if name == "EMPTY_DICT" else [])
    elif name in ("DICT", "LIST", "TUPLE"):
        items = _since_mark(stack)
        stack.append(_pairs(items) if name == "DICT" else items if name == "LIST" else tuple(items))
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        stack[-int(name[-1]) :] = [tuple(stack[-int(name[-1]) :])]
    elif name in ("APPEND", "APPENDS"):
        items = [stack.pop()] if name == "APPEND" else _since_mark(stack)
        _expect(stack[-1], list).extend(items)
    elif name in ("SETITEM", "SETITEMS"):
        items = [stack.pop() for _ in range(2)][::-1] if name == "SETITEM" else _since_mark(stack)
        _expect(stack[-1], dict).update(_pairs(items))
    elif name in ("GLOBAL", "STACK_GLOBAL"):
        wanted = argument if name == "GLOBAL" else " ".join(map(str, [stack.pop() for _ in range(2)][::-1]))
        if wanted not in _KNOWN:
            raise _Refused(repr(wanted[:80]))
        stack.append(_Global(_KNOWN[wanted]))
    elif name == "REDUCE":
        arguments = stack.pop()
        stack.append(_stand_in(stack.pop(), arguments))
    elif name == "BUILD":
        state = stack.pop()
        if isinstance(stack[-1], _Array):
            stack[-1].state = state
        else:
            _expect(stack[-1], _Type)
    else:
        raise _Refused(f"the pickle operation {name}")


def _stand_in(called: Any, arguments: Any) -> Any:
    what = _expect(called, _Global).name
    if what == "array":
        return _Array()
    if what == "dtype":
        return _Type(arguments[0])
    if what == "encode" and isinstance(arguments[0], str):
        return arguments[0].encode("latin-1")
    raise _Refused(f"a call of {what}")


def _since_mark(stack: list[Any]) -> list[Any]:
    at = len(stack) - 1 - stack[::-1].index(_MARK)
    items = stack[at + 1 :]
    del stack[at:]
    return items


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value


def _plain(value: Any) -> Any:
    """Arrays out of their stand-ins, one level deep: what a batch is."""
    if not isinstance(value, dict):
        return value
    return {_text(key): item.to_numpy() if isinstance(item, _Array) else item for key, item in value.items()}


def _text(key: Any) -> Any:
    return key.decode("latin-1") if isinstance(key, bytes) else key
