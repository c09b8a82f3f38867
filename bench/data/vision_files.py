"""The files of torchvision's data sets: IDX (MNIST and its kin), MATLAB 5 (SVHN), pickles of bytes (CIFAR-10).

IDX, plain or gzipped: two zero bytes, a type (8 is unsigned 8-bit), the number of axes, one big-endian 32-bit length
per axis, the values (http://yann.lecun.com/exdb/mnist/). The header is checked before anything is allocated.

MATLAB: `scipy.io.loadmat` is not used. It allocates what the inner tag of a compressed array states (a file of 5 MB
takes 1.1 GB) and follows nested cells until the stack overflows (a file of 1 MB ends the process).
"""

from __future__ import annotations

import gzip
import io
import pickle
import pickletools
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bench.data.regular_file import open_regular, read_regular
from bench.errors import DataError

#: Most bytes of values that are read from one IDX file; the largest of the family, EMNIST by class, has 547 MB.
LIMIT = 1 << 30
CHUNK = 1 << 20
UNSIGNED_BYTE = 8
#: Unpacked bytes beyond which a file that unpacks to more than `MOST_RATIO` times its size is refused: handwriting
#: unpacks to five times its size.
FREE, MOST_RATIO = 1 << 26, 100


def read_idx(path: Path, axes: int, row: tuple[int, ...] | None = None, limit: int = LIMIT) -> np.ndarray:
    """The unsigned bytes of an IDX file with `axes` axes; names that end in .gz are decompressed.

    Args:
        path: the file.
        axes: how many axes it must have.
        row: the shape that each of its rows must have, told by the header before anything is unpacked.
        limit: most bytes of values.

    Raises:
        DataError: another type, number of axes or shape, more than `limit` bytes, unpacked to more than `MOST_RATIO`
            times its size, truncated, left-over bytes, corrupt.
    """
    what = repr(path.name)
    try:
        with open_regular(path, limit + HEADER) as raw:
            if path.suffix != ".gz":
                return _read(raw, raw, axes, row, limit, what)
            with gzip.open(raw) as stream:
                return _read(stream, raw, axes, row, limit, what)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{what}: corrupt gzip file ({error}); fetch it again") from None
    except OSError as error:
        raise DataError(f"{what} cannot be read: {error.strerror or error}") from None


def _read(
    stream: BinaryIO | gzip.GzipFile, raw: BinaryIO, axes: int, row: tuple[int, ...] | None, limit: int, what: str
) -> np.ndarray:
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
    if row is not None and shape[1:] != row:
        found, wanted = ("×".join(map(str, axes)) for axes in (shape[1:], row))
        raise DataError(f"{what}: images of {found} pixels; expected {wanted}")
    values = bytearray()
    while len(values) <= size:
        chunk = stream.read(min(CHUNK, size + 1 - len(values)))
        if not chunk:
            break
        values += chunk
        if len(values) > FREE and len(values) > MOST_RATIO * raw.tell():
            raise DataError(
                f"{what} unpacks to more than {MOST_RATIO} times its size, as no pictures do; fetch it again"
            )
    if len(values) != size:
        trouble = f"is truncated: {len(values)} bytes follow" if len(values) < size else "goes on after"
        raise DataError(f"{what} {trouble} the header, which promises shape {shape} = {size} bytes")
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


#: Most bytes of a file and of a decompressed array; SVHN's largest regular part has 182 and 225 MB.
MAT_LIMIT = 1 << 29
HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX = 0x08


class _Broken(Exception):
    """The file is not what its tags say."""


def read_mat(path: Path, wanted: tuple[str, ...], limit: int = MAT_LIMIT) -> dict[str, np.ndarray]:
    """The real numeric arrays called `wanted`, each with the axes that MATLAB shows and column-major values.

    Raises:
        DataError: no MATLAB 5 file, truncated, corrupt, larger than `limit`, or an array is not in it.
    """
    what = repr(path.name)
    try:
        content = read_regular(path, limit, advice="expected a part of SVHN")
        order = {b"IM": "<", b"MI": ">"}.get(content[126:HEADER])
        if order is None:
            raise DataError(f"{what}: not a MATLAB 5 file")
        found: dict[str, Any] = {}
        for kind, body in _elements(memoryview(content)[HEADER:], order):
            if kind == _COMPRESSED:
                kind, body = next(_elements(memoryview(_decompress(body, limit)), order), (0, body))
            if kind == _MATRIX:
                name, array = _matrix(body, order)
                if name in wanted:
                    found[name] = array
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


#: Modules and names that a pickle of arrays asks for, and what stands in for them: nothing of theirs is called.
_MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs")
#: More tuples than this are no batch: a key made of tuples within tuples would be hashed until the stack overflows.
MOST_TUPLES = 1000


class _Refused(Exception):
    """The file asks for something that plain batches do not hold."""


class _Array:
    """Stands for `numpy.ndarray` and for the function that makes one; only unsigned bytes are taken."""

    values: np.ndarray | None = None

    def __init__(self, *arguments: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        if not isinstance(kind, _Type) or kind.code not in ("u1", "uint8", "B"):
            raise _Refused("an array of another type than unsigned bytes")
        content = content.encode("latin-1") if isinstance(content, str) else content
        self.values = np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")


class _Type:
    """Stands for `numpy.dtype`."""

    def __init__(self, code: Any, *arguments: Any):
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like say nothing about bytes."""


class _Encoded:
    """Stands for `codecs.encode`, with which bytes are written before protocol 3."""

    def __new__(cls, text: str, encoding: str) -> Any:
        return text.encode("latin-1")

    def __setstate__(self, state: Any) -> None:
        raise TypeError


_STAND_INS = {"_reconstruct": _Array, "ndarray": _Array, "dtype": _Type, "encode": _Encoded}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module not in _MODULES or name not in _STAND_INS:
            raise _Refused(repr(f"{module} {name}"[:80]))
        return _STAND_INS[name]

    def persistent_load(self, mark: Any) -> Any:
        raise _Refused("an object kept elsewhere")


def read_pickle(content: bytes, what: str) -> Any:
    """The dictionaries, lists, numbers, text and arrays of unsigned bytes in a pickle (protocols 0 to 5).

    Args:
        content: the file's bytes; memory stays proportional to them.
        what: words for the file in messages.

    Raises:
        DataError: truncated, corrupt, nested without end, or with anything but plain values.
    """
    try:
        _check_operations(content)
        return _plain(_Unpickler(io.BytesIO(content), encoding="latin-1").load())
    except _Refused as refused:
        raise DataError(
            f"{what}: the file asks for {refused}; plain batches of bytes hold nothing of the kind"
        ) from None
    except Exception as error:  # a broken pickle fails in any way that an operation can
        raise DataError(f"{what}: truncated or corrupt ({type(error).__name__}); fetch it again") from None


def _check_operations(content: bytes) -> None:
    """Refuse what would crash or fill memory: nested tuples, and a memo with more places than operations."""
    tuples = 0
    for count, (operation, argument, _) in enumerate(pickletools.genops(content)):
        tuples += operation.name.startswith("TUPLE")
        if tuples > MOST_TUPLES:
            raise _Refused("tuples within tuples")
        if operation.name.endswith("PUT") and (argument or 0) > count:
            raise _Refused("more memory than it fills")


def _plain(value: Any) -> Any:
    """Arrays out of their stand-ins, one level deep: what a batch is."""
    if not isinstance(value, dict):
        return value
    return {_text(key): item.values if isinstance(item, _Array) else item for key, item in value.items()}


def _text(key: Any) -> Any:
    return key.decode("latin-1") if isinstance(key, bytes) else key
