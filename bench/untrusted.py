"""Reading what somebody else may have written: regular files of bounded size, JSON of bounded depth.

A pipe in a file's place would be waited for, and a device read without end. Every file of a run, every configuration
and every plugin's source is read here.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import IO, Any

from bench.errors import UsageError
from bench.files import file_errors
from bench.text import printable

#: Bytes of a run's JSON documents: a plan of 100,000 cells takes 15 MB.
MOST_JSON = 64_000_000
#: How deep lists and mappings may be nested.
DEPTH = 50


def open_regular(path: Path, most: int | None = None) -> IO[bytes]:
    """`path` opened for reading bytes.

    Raises:
        UsageError: missing, not a regular file (a pipe, a device, a folder), or larger than `most` bytes.
    """
    with file_errors("read", path):
        # without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        try:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                raise UsageError(f"cannot read {printable(path)}: it is not a regular file; put one in its place")
            if most is not None and facts.st_size > most:
                raise UsageError(f"{printable(path)} is larger than {_size(most)}; it is not used")
            return os.fdopen(handle, "rb")
        except BaseException:
            os.close(handle)
            raise


def check_regular(path: Path) -> None:
    """Raise `UsageError` unless `path` is a regular file that can be read; for readers that open it themselves."""
    open_regular(path).close()


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes; `UsageError` as `open_regular`."""
    with file_errors("read", path), open_regular(path, most) as stream:
        return stream.read(most)


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file of a run holds.

    Raises:
        UsageError: as `open_regular`; not JSON, or no object.
    """
    try:
        text = read_bytes(path, MOST_JSON).decode("utf-8", errors="replace")
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("no object")
        check_depth(content)
        content = as_unicode(content) if "\\ud" in text.lower() else content
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{printable(path)} is damaged ({printable(error, 160)}); delete it and run again") from error
    return content


def check_depth(value: Any, left: int = DEPTH) -> None:
    """Raise `ValueError` where lists and mappings are nested deeper than `left`."""
    if isinstance(value, (dict, list)):
        if left == 0:
            raise ValueError("nested too deeply")
        for entry in value.values() if isinstance(value, dict) else value:
            check_depth(entry, left - 1)


def as_unicode(value: Any) -> Any:
    """`value` with "?" for every half of a surrogate pair, which no file and no table of text can hold."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {as_unicode(key): as_unicode(entry) for key, entry in value.items()}
    return [as_unicode(entry) for entry in value] if isinstance(value, list) else value


def _size(n_bytes: int) -> str:
    return f"{n_bytes // 1_000_000} MB" if n_bytes >= 1_000_000 else f"{n_bytes:,} bytes"
