"""IDX files (MNIST and its kin), plain or gzipped, with the header checked before anything is allocated.

Format: two zero bytes, a type (8 is unsigned 8-bit), the number of axes, one big-endian 32-bit length per axis, the
values (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO

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
