"""IDX files (MNIST and its kin), plain or gzipped, with the header checked before anything is allocated.

Format: two zero bytes, a type (8 is unsigned 8-bit), the number of axes, one big-endian 32-bit length per axis, the
values (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import gzip
import io
import pickletools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bench.errors import DataError

#: Most bytes of values that are read from one file; the largest of the family, EMNIST by class, has 547 MB.
LIMIT = 1 << 30
CHUNK = 1 << 20
UNSIGNED_BYTE = 8


def read_idx(path: Path, axes: int, limit: int = LIMIT) -> np.ndarray:
    """The unsigned bytes of an IDX file with `axes` axes; names that end in .gz are decompressed.

    Raises:
        DataError: another type or number of axes, more than `limit` bytes, truncated, left-over bytes, corrupt.
    """
    what = repr(path.name)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return _read(stream, axes, limit, what)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{what}: corrupt gzip file ({error}); fetch it again") from None
    except OSError as error:
        raise DataError(f"{what} cannot be read: {error.strerror or error}") from None


def _read(stream: BinaryIO, axes: int, limit: int, what: str) -> np.ndarray:
    header = stream.read(4 + 4 * axes)
    expected = bytes([0, 0, UNSIGNED_BYTE, axes])
    if len(header) < 4 + 4 * axes or header[:4] != expected:
        raise DataError(
            f"{what}: not an IDX file of unsigned bytes with {axes} axes: it starts with "
            f"{header[:4].hex(' ') or 'nothing'} where {expected.hex(' ')} is expected"
        )
    shape = tuple(int(length) for length in np.frombuffer(header, dtype=">u4", offset=4))
    size = prod(shape)
    if size == 0 or size > limit:
        raise DataError(f"{what}: the header gives shape {shape}, {size} bytes; expected from 1 to {limit}")
    values = bytearray()
    while len(values) <= size:
        chunk = stream.read(min(CHUNK, size + 1 - len(values)))
        if not chunk:
            break
        values += chunk
    if len(values) != size:
        trouble = f"is truncated: {len(values)} bytes follow" if len(values) < size else "goes on after"
        raise DataError(f"{what} {trouble} the header, which promises shape {shape} = {size} bytes")
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


#: Most bytes of a file and of a decompressed array; SVHN's largest regular part has 182 and 225 MB.
LIMIT = 1 << 29
HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX = 0x08


class _Broken(Exception):
    """The file is not what its tags say."""


def read_mat(path: Path, wanted: tuple[str, ...], limit: int = LIMIT) -> dict[str, np.ndarray]:
    """The real numeric arrays called `wanted`, each with the axes that MATLAB shows and column-major values.

    Raises:
        DataError: no MATLAB 5 file, truncated, corrupt, larger than `limit`, or an array is not in it.
    """
    what = repr(path.name)
    try:
        if path.stat().st_size > limit:
            raise DataError(f"{what} is larger than {limit} bytes; expected a part of SVHN")
        content = path.read_bytes()
        order = {b"IM": "<", b"MI": ">"}.get(content[126:HEADER])
        if order is None:
            raise DataError(f"{what}: not a MATLAB 5 file")
        found = {}
        for kind, body in _elements(memoryview(content)[HEADER:], order):
            if kind == _COMPRESSED:
                kind, body = next(_elements(memoryview(_decompress(body, limit)), order), (0, body))
            if kind == _MATRIX:
                name, array = _matrix(body, order)
                if name in wanted:
                    found[name] = array
    except OSError as error:
        raise DataError(f"{what} cannot be read: {error.strerror or error}") from None
    except (_Broken, zlib.error, ValueError) as error:
        raise DataError(f"{what}: truncated or corrupt ({error}); fetch it again") from None
    missing = [name for name in wanted if found.get(name) is None]
    if missing:
        raise DataError(f"{what} holds no numeric array {missing[0]!r}; expected {' and '.join(wanted)}")
    return found


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """(type, body) of each data element in `content`."""
    at = 0
    while at < len(content):
        if at + 8 > len(content):
            raise _Broken("it ends within a tag")
        kind, size = (int(value) for value in np.frombuffer(content[at : at + 8], order + "u4"))
        start, step = at + 8, 8
        if kind >> 16:  # a small element: type and size share four bytes, the values are in the next four
            kind, size, start, step = kind & 0xFFFF, kind >> 16, at + 4, 1
            if size > 4:
                raise _Broken("a small element is too large")
        if start + size > len(content):
            raise _Broken(f"an element of {size} bytes goes beyond the end")
        yield kind, content[start : start + size]
        at = at + 8 if step == 1 else start + (size if kind == _COMPRESSED else -(-size // 8) * 8)


def _decompress(body: memoryview, limit: int) -> bytes:
    unpacked = zlib.decompressobj().decompress(body, limit + 1)
    if len(unpacked) > limit:
        raise _Broken(f"an array decompresses to more than {limit} bytes")
    return unpacked


def _matrix(body: memoryview, order: str) -> tuple[str, np.ndarray | None]:
    """Name and values of an array, values None unless they are real numbers."""
    parts = _elements(body, order)
    try:
        (_, flags), (_, axes), (_, name) = next(parts), next(parts), next(parts)
        label = bytes(name).decode("latin-1")
        word = int(np.frombuffer(flags[:4], order + "u4")[0])
        kind, values = next(parts) if word & 0xFF in _NUMERIC_CLASSES else (0, flags)
    except (StopIteration, IndexError):
        raise _Broken("an array lacks a part") from None
    if kind not in _KINDS or (word >> 8) & _COMPLEX:
        return label, None
    shape = tuple(int(length) for length in np.frombuffer(axes, order + "i4"))
    numbers = np.frombuffer(values, order + _KINDS[kind])
    if min(shape, default=-1) < 0 or prod(shape) != len(numbers):
        raise _Broken(f"array {label!r} has axes {shape} but {len(numbers)} values")
    return label, numbers.reshape(shape, order="F")


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
