"""Arrays given to `bench.run`, handed to child processes once: written to one nameless file that every child maps.

The file has no name, so nothing is left behind however the run ends. (joblib maps arrays from a file with a name, which
a killed run leaves behind, and copies arrays that are mapped from a file already, which may be larger than memory.)
"""

from __future__ import annotations

import io
import mmap
import pickle
import tempfile
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from bench.contracts.dataset import Split

_ALIGNMENT = 64


@dataclass
class PackedSplit:
    """A `Split` whose arrays lie in `file`.

    Attributes:
        index: everything but the arrays' bytes, pickled.
        places: (offset, length) of every array's bytes in `file`.
        file: an open, nameless file.
    """

    index: bytes
    places: list[tuple[int, int]]
    file: IO[bytes]

    def __enter__(self) -> PackedSplit:
        return self

    def __exit__(self, *exception: object) -> None:
        self.file.close()

    def contents(self) -> tuple[bytes, list[tuple[int, int]], bytes]:
        """Index, places and the arrays' bytes, to be sent to another machine."""
        self.file.seek(0)
        return self.index, self.places, self.file.read()


def pack(split: Split) -> PackedSplit:
    """Write the arrays of `split` to a nameless file; arrays that are mapped from a file already stay there."""
    buffers: list[pickle.PickleBuffer] = []
    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=buffers.append).dump(split)
    file = tempfile.TemporaryFile(prefix="aebench-")
    places = []
    for buffer in buffers:
        content = buffer.raw()
        file.seek(-(-file.tell() // _ALIGNMENT) * _ALIGNMENT)
        places.append((file.tell(), content.nbytes))
        file.write(content)
    file.flush()
    return PackedSplit(stream.getvalue(), places, file)


def unpack(index: bytes, places: list[tuple[int, int]], file_number: int) -> Split:
    """The `Split` that `pack` wrote; its arrays are read-only and shared by all processes that map it."""
    size = max((offset + length for offset, length in places), default=0)
    mapped = memoryview(mmap.mmap(file_number, size, access=mmap.ACCESS_READ)) if size else memoryview(b"")
    return pickle.loads(index, buffers=[mapped[offset : offset + length] for offset, length in places])


class _Pickler(pickle.Pickler):
    """Pickles a mapped array as the place in its file, so that data larger than memory are never copied."""

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, np.memmap):
            return NotImplemented
        root: Any = value
        while isinstance(root.base, np.memmap):
            root = root.base
        if not (isinstance(root.base, mmap.mmap) and root.filename and value.flags.c_contiguous):
            return np.ascontiguousarray(value.view(np.ndarray)).__reduce_ex__(5)
        offset = root.offset + value.ctypes.data - root.ctypes.data
        return np.memmap, (str(root.filename), value.dtype, "r", int(offset), value.shape)
