""".npy and .npz files read without pickle, and never more of them than the header and the file's size agree on.

Format: NEP 1 (https://numpy.org/neps/nep-0001-npy-format.html). A header is checked before anything is allocated, which
`numpy.load` does not do: it allocates what the header promises. What has passed the checks is read by numpy.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from bench.data.regular_file import open_regular, taken_for
from bench.errors import DataError

#: Enough for any header of version 1 and for numpy's own limit on later ones.
HEADER_BYTES = 1 << 16
MAX_AXES = 8
#: Unpacked bytes beyond which an array that unpacks to more than `MOST_RATIO` times its size is refused; pictures
#: of simple shapes in black and white reach 120.
FREE, MOST_RATIO = 1 << 26, 500
#: Kinds of values: truth values, whole and floating numbers, and (for labels) text.
NUMBERS, TEXT = "biuf", "US"


class Header(NamedTuple):
    """What a .npy header promises: `nbytes` of values from `offset` on."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    offset: int

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.shape} {self.dtype}"


def read_header(stream: IO[bytes], what: str) -> Header:
    """Parse and check a .npy header.

    Raises:
        DataError: no .npy header, Python objects, records, or a shape that no array has.
    """
    head = io.BytesIO(stream.read(HEADER_BYTES))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers written by Python 2, odd literals in broken ones
            version = npy_format.read_magic(head)
            readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
            if version not in readers:
                raise ValueError(f"version {version[0]}.{version[1]}")
            shape, fortran, dtype = readers[version](head)
    except Exception as error:  # numpy parses the header as a Python literal, which fails in many ways
        if known := taken_for(head.getvalue()):
            raise DataError(f"{what} is {known}") from None
        raise DataError(f"{what}: no readable .npy header ({_one_line(error)})") from None
    if dtype.hasobject:
        raise DataError(
            f"{what}: holds Python objects, which are never unpickled; save it as numbers, or labels as text "
            "with .astype(str)"
        )
    if dtype.kind not in NUMBERS + TEXT or dtype.itemsize == 0:
        raise DataError(f"{what}: values of type {_one_line(dtype)} are not real numbers; convert them first")
    if len(shape) > MAX_AXES or any(type(axis) is not int or axis < 0 for axis in shape):  # True is an int to numpy
        raise DataError(f"{what}: the header gives an impossible shape {_one_line(shape)}")
    if prod(shape) == 0:
        raise DataError(f"{what}: shape {shape} holds no values")
    return Header(shape, bool(fortran), dtype, head.tell())


def open_npy(path: Path) -> np.ndarray:
    """The array of a .npy file as a read-only memory map, so that nothing is read yet.

    Raises:
        DataError: not a .npy file of numbers or text, or its size disagrees with its header.
    """
    what = repr(path.name)
    with open_regular(path) as stream:
        header = read_header(stream, what)
        found = os.fstat(stream.fileno()).st_size - header.offset
    if found != header.nbytes:
        trouble = "is truncated" if found < header.nbytes else "has bytes left over"
        raise DataError(f"{what} {trouble}: its header promises {header} = {header.nbytes} bytes, it holds {found}")
    order: Literal["F", "C"] = "F" if header.fortran else "C"
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, order)


def list_npz(path: Path) -> dict[str, Header | DataError]:
    """Key → header of every array in a .npz file, or why that array cannot be read; values are not read.

    Raises:
        DataError: not a .npz file, corrupt, without arrays, or a sparse matrix of SciPy.
    """
    what = repr(path.name)
    headers = {}
    with _zip(path) as archive:
        for member in archive.infolist():
            if not member.filename.endswith(".npy"):
                raise DataError(f"{what}: member {member.filename!r} is no array; expected a file of numpy.savez")
            inside = f"{what}, array {member.filename.removesuffix('.npy')!r}"
            try:
                _check_member(member, inside)
                with _member(archive, member, inside) as stream:
                    found: Header | DataError = read_header(stream, inside)
            except DataError as error:
                found = error
            headers[member.filename.removesuffix(".npy")] = found
    if not headers:
        raise DataError(f"{what} holds no arrays")
    if {"format", "shape", "data"} <= set(headers):
        raise DataError(f"{what} holds a sparse matrix; save scipy.sparse.load_npz(path).toarray() as .npy")
    return headers


def read_npz(path: Path, key: str, header: Header | DataError, limit: int) -> np.ndarray:
    """One array of a .npz file, in memory.

    Args:
        path: the file.
        key: one of `list_npz(path)`, and `header` its entry.
        limit: most bytes that the array may take.

    Raises:
        DataError: not a plain array of numbers or text, larger than `limit`, truncated or corrupt.
    """
    if isinstance(header, DataError):
        raise header
    what = f"{path.name!r}, array {key!r}"
    if header.nbytes > limit:
        raise DataError(
            f"{what}: {header} takes {header.nbytes} bytes, more than memory_limit={limit}; "
            "save it as .npy, which is read from disk as needed"
        )
    with _zip(path) as archive:
        member = archive.getinfo(f"{key}.npy")
        if member.file_size != header.offset + header.nbytes:
            raise DataError(f"{what} is truncated or corrupt: {header} does not fit its {member.file_size} bytes")
        if member.file_size > FREE and member.file_size > MOST_RATIO * member.compress_size:
            raise DataError(
                f"{what} unpacks to {member.file_size} bytes, more than {MOST_RATIO} times what it takes in the file, "
                "as only values that are nearly all the same do; save it as .npy"
            )
        with _member(archive, member, what) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers written by Python 2
            return npy_format.read_array(stream, allow_pickle=False)


class _zip:
    """An open archive whose every defect is a `DataError`, also while members are read."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> zipfile.ZipFile:
        try:
            self.stream = open_regular(self.path)
            self.archive = zipfile.ZipFile(self.stream)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error) as error:
            self.stream.close()
            raise DataError(f"{self.path.name!r}: not a readable .npz file ({_one_line(error)})") from None
        return self.archive

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        self.archive.close()
        self.stream.close()
        broken = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, struct.error)
        if isinstance(error, broken):
            raise DataError(f"{self.path.name!r}: corrupt .npz file ({_one_line(error)})") from None


def _check_member(member: zipfile.ZipInfo, what: str) -> None:
    if member.flag_bits & 1:
        raise DataError(f"{what} is encrypted; save it without a password")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{what}: compression method {member.compress_type} is not one of numpy.savez")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, what: str) -> IO[bytes]:
    try:
        return archive.open(member)
    except (NotImplementedError, KeyError) as error:
        raise DataError(f"{what} cannot be read ({_one_line(error)})") from None


def _one_line(thing: object) -> str:
    return repr(str(thing)[:120])[1:-1]
