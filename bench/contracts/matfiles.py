"""Numeric arrays of MATLAB 5 files (SVHN), decompressed to a limit so that a small file cannot fill the memory.

Format: MathWorks, MAT-File Level 5 File Format. A file is a header of 128 bytes and data elements; each has a tag
(type, size), and an array is an element of elements: flags, axes, name, values.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from bench.errors import DataError

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
