"""The one place through which readers open a file: a regular one, within the size that it may honestly have."""

from __future__ import annotations

import os
import re
import stat
from io import BufferedReader
from pathlib import Path

from bench.errors import DataError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}

#: How files begin that stand where data should, and what to do about each.
_STAND_INS = (
    (rb"version https://git-lfs\.", "a pointer of Git LFS in place of the file; fetch it with: git lfs pull"),
    (rb"\s*<(!doctype html|html)", "a web page, as servers send in place of a file; download it again"),
)
#: The same for what one reader may want and another one not.
_OTHERS = (
    (rb"\x1f\x8b", "compressed with gzip; unpack it first"),
    (rb"PK\x03\x04", "a zip archive, as .npz and .xlsx files are; give it its own name or unpack it"),
    (rb"\x89HDF", "an HDF5 file; save its array as .npy"),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16; save it with UTF-8 encoding"),
    (rb"....ftyp", "a HEIF, AVIF or video file; save it as PNG or JPEG"),
    (rb"\s*(<\?xml|<svg)", "an XML or SVG file; save it as PNG"),
)


def taken_for(head: bytes) -> str | None:
    """Words for what a file that begins with `head` is, where its name says otherwise; None where that is not known."""
    known = (*_STAND_INS, *_OTHERS)
    return next((words for mark, words in known if re.match(mark, head, re.IGNORECASE | re.DOTALL)), None)


def open_regular(
    path: Path, limit: int | None = None, *, what: str = "", bound: str = "", advice: str = ""
) -> BufferedReader:
    """`path` opened for reading bytes; links are followed, and nothing that could block or never end is opened.

    Args:
        path: the file.
        limit: most bytes that it may have, or None.
        what: words for it in messages; its quoted name without.
        bound: words before `limit` in messages, e.g. the parameter that sets it.
        advice: what to do about a file beyond `limit`.

    Raises:
        DataError: a pipe, device, folder or socket; more than `limit` bytes; not there, not readable; a web page or
            a pointer of Git LFS in its place.
    """
    what = what or repr(path.name)
    try:
        _require_regular(os.stat(path), what)
        # Between the two looks the file may have been exchanged: a pipe must not block, and is refused at the second.
        stream = open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    except (OSError, ValueError) as error:
        raise DataError(f"{what} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    status = os.fstat(stream.fileno())
    try:
        _require_regular(status, what)
        if limit is not None and status.st_size > limit:
            raise _too_large(what, limit, bound, advice)
        head = stream.peek(64)
        for mark, words in _STAND_INS:
            if re.match(mark, head, re.IGNORECASE):
                raise DataError(f"{what} is {words}")
    except OSError as error:
        stream.close()
        raise DataError(f"{what} cannot be read: {error.strerror or error}") from None
    except DataError:
        stream.close()
        raise
    return stream


def read_regular(path: Path, limit: int, *, what: str = "", bound: str = "", advice: str = "") -> bytes:
    """All bytes of a file, at most `limit`; see `open_regular`."""
    what = what or repr(path.name)
    try:
        with open_regular(path, limit, what=what, bound=bound, advice=advice) as stream:
            size = os.fstat(stream.fileno()).st_size
            content = stream.read(size + 1)  # a file of the system may state no size and never end
    except OSError as error:
        raise DataError(f"{what} cannot be read: {error.strerror or error}") from None
    if len(content) > size:
        raise DataError(f"{what} goes on after the {size} bytes that it is said to have; give a file that is complete")
    return content


def _too_large(what: str, limit: int, bound: str, advice: str) -> DataError:
    return DataError(f"{what} is larger than {bound}{limit} bytes{'; ' if advice else ''}{advice}")


def _require_regular(status: os.stat_result, what: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise DataError(f"{what} is {kind}; give a regular file")
