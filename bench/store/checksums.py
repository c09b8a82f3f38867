"""Checksums of a run's records and files: they find accidents (an edit, a copy gone wrong), not fraud.

A line of `cells.jsonl` ends in the entry `checksum`, a hash of the bytes before it; a record names the files of its
cell by `mark`. Lines and files of earlier versions carry none.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.errors import UsageError
from bench.files import file_errors
from bench.untrusted import open_regular

_ENTRY = b',"checksum":"'
#: Bytes of a file that are read at a time.
_BLOCK = 1 << 20


def sealed(line: bytes) -> bytes:
    """`line`, a JSON object, with the entry `checksum` at its end."""
    body = line.rstrip()[:-1]
    return body + _ENTRY + _digest(body) + b'"}'


def is_sealed(line: bytes) -> bool:
    """Whether the checksum at the end of `line` is that of what stands before it."""
    body, _, end = line.rstrip().rpartition(_ENTRY)
    return end == _digest(body) + b'"}'


def mark_of(path: Path, content: bytes | None = None) -> str:
    """The mark of the file `path`, `SIZE-HASH-TIME`: of its content, and when that was written (ns since 1970).

    Args:
        content: of the file, where that is known; it is read otherwise.

    Raises:
        UsageError: the file cannot be read.
    """
    with file_errors("read", path):
        size, digest = _content(path) if content is None else (len(content), _digest(content).decode())
        return f"{size}-{digest}-{path.stat().st_mtime_ns}"


def is_whole(path: Path, mark: str) -> bool:
    """Whether `path` is a file with the content that `mark` is of; it is read."""
    try:
        with file_errors("read", path):
            size, digest = _content(path)
    except UsageError:
        return False
    return mark.startswith(f"{size}-{digest}-")


def seems_whole(path: Path, mark: str) -> bool:
    """As `is_whole`, but read only where the file was written at another time than its mark: a copy, or an edit."""
    size, _, rest = mark.partition("-")
    try:
        facts = path.stat()
    except OSError:
        return False
    if not path.is_file() or str(facts.st_size) != size:
        return False
    return rest.endswith(f"-{facts.st_mtime_ns}") or is_whole(path, mark)


def _content(path: Path) -> tuple[int, str]:
    """The size of a file and the hash of its content."""
    digest, size = hashlib.sha256(), 0
    with open_regular(path) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()[:16]


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:16].encode()
