"""Tensors as safetensors with JSON, arrays as npz without pickle; sizes are checked before memory is used.

`numpy.load` allocates what an array's header promises before it reads; here the header is held against the content.
"""

from __future__ import annotations

import functools
import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from bench.errors import UsageError
from bench.files import file_errors, write_bytes
from bench.store.checksums import is_whole, mark_of
from bench.store.records import finite
from bench.text import printable
from bench.untrusted import check_regular, open_regular

#: Bytes that one cell's arrays may hold, uncompressed, and how many arrays there may be.
ARRAY_BYTES = 32 * 2**20
ARRAY_COUNT = 512
_META_KEY = "aebench"


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Writes `arrays` as compressed npz, atomically; returns the file's mark (`bench.store.checksums`).

    Raises:
        ValueError: more than `ARRAY_BYTES` bytes or `ARRAY_COUNT` arrays, or an array of objects.
    """
    plain = {name: np.asarray(values, order="C") for name, values in arrays.items()}
    for name, values in plain.items():
        if values.dtype.hasobject:
            raise ValueError(f"array {name!r} holds objects; give numbers or fixed-width text")
    total = sum(values.nbytes for values in plain.values())
    if total > ARRAY_BYTES or len(plain) > ARRAY_COUNT:
        raise ValueError(f"{len(plain)} arrays of {total:,} bytes; at most {ARRAY_COUNT} of {ARRAY_BYTES:,} are stored")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, values in plain.items():
            member = io.BytesIO()
            npy.write_array(member, values, allow_pickle=False)
            archive.writestr(f"{name}.npy", member.getvalue())
    return _written(path, buffer.getvalue())


def _written(path: Path, content: bytes) -> str:
    write_bytes(path, content, parents=False)
    return mark_of(path, content)


def load_arrays(path: Path, prefix: str = "", expected: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of an npz file (those whose name starts with `prefix`).

    Args:
        expected: the file's mark, or None where none was noted.

    Raises:
        UsageError: not there, damaged, another file than `expected`, with pickled objects, or larger than `ARRAY_BYTES`
            when unpacked.
    """
    _refuse_others(path, expected)
    try:
        with file_errors("read", path), open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            if len(members) > ARRAY_COUNT or sum(member.file_size for member in members) > ARRAY_BYTES + 2**20:
                raise UsageError(f"{printable(path)} unpacks to more than {ARRAY_BYTES:,} bytes; it is not used")
            wanted = [m for m in members if m.filename.endswith(".npy") and m.filename.startswith(prefix)]
            return {member.filename[:-4]: _read_member(archive, member) for member in wanted}
    except (ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{printable(path)} is damaged ({printable(error, 120)}); run again with --force") from error


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as stream:
        content = stream.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise ValueError("an array's size is not the one stated")
    end = 10 if content[6:7] == b"\x01" else 12  # version 1 states the header's length in two bytes, later ones in four
    shape, fortran, dtype, start = _read_header(content[: end + int.from_bytes(content[8:end], "little")])
    expected = math.prod(int(n) for n in shape) * dtype.itemsize
    if dtype.hasobject or expected != len(content) - start:
        raise ValueError("an array's header does not fit its content")
    values = np.frombuffer(content, dtype=dtype, offset=start)
    return values.reshape(shape, order="F" if fortran else "C").copy()


@functools.lru_cache(maxsize=256)  # thousands of cells have the same few headers, and Python parses each
def _read_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, order, type and length of the header with which an npy file starts."""
    buffer = io.BytesIO(header)
    version = npy.read_magic(buffer)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return *read_header(buffer), buffer.tell()


def save_tensors(path: Path, tensors: Mapping[str, Any], meta: Mapping[str, Any]) -> str:
    """Writes numpy arrays or torch tensors with JSON `meta` as one safetensors file, atomically; returns its mark."""
    from safetensors.numpy import save

    plain = {name: _to_numpy(tensor) for name, tensor in tensors.items()}
    header = {_META_KEY: json.dumps(finite(dict(meta)), allow_nan=False)}
    return _written(path, save(plain, metadata=header))


def load_tensors(path: Path, expected: str | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tensors and `meta` of `save_tensors`.

    Args:
        expected: the file's mark, or None where none was noted.

    Raises:
        UsageError: not there, another file than `expected`, or not a checkpoint that aebench wrote.
    """
    from safetensors import SafetensorError, safe_open

    _refuse_others(path, expected)
    try:
        with safe_open(str(path), framework="numpy") as archive:
            header = (archive.metadata() or {}).get(_META_KEY, "")
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}
        meta = json.loads(header)
        if not isinstance(meta, dict):
            raise ValueError("no metadata")
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{printable(path)} is no checkpoint of aebench ({printable(error, 120)})") from error
    return tensors, meta


def _refuse_others(path: Path, expected: str | None) -> None:
    check_regular(path)
    if expected is not None and not is_whole(path, expected):
        raise UsageError(
            f"{printable(path)} is not the file that its cell's record names: it was changed, cut short or replaced "
            "after it was written; run the same command again, which makes it anew"
        )


def _to_numpy(tensor: Any) -> np.ndarray:
    if not isinstance(tensor, np.ndarray):
        tensor = tensor.detach().cpu().numpy()
    return np.asarray(tensor, order="C")
