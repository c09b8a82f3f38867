"""Sources of plugins and networks as a run keeps them: `sources/<digest>.py` by content, read as untrusted text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from bench.errors import UsageError
from bench.files import make_directory, write_text
from bench.text import printable
from bench.untrusted import read_bytes

FOLDER = "sources"
_LARGEST = 4_000_000
_DIGEST = re.compile(r"[0-9a-f]{16}")


def digest_of(text: str) -> str:
    """16 hex digits of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def save(directory: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """Keep texts by file name; returns the digest of each, under which it lies."""
    found = {name: digest_of(text) for name, text in texts.items()}
    for name, digest in found.items():
        path = make_directory(directory / FOLDER) / f"{digest}.py"
        if not path.exists():
            write_text(path, texts[name])
    return found


def read(directory: Path, entry: Any) -> dict[str, str]:
    """The texts of an entry of `sources.json`, by file name.

    Raises:
        UsageError: one is gone or is not what its name says, or the entry is damaged.
    """
    texts = {}
    for name, digest in entry.items() if isinstance(entry, dict) else ():
        if not is_inside(name) or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise UsageError(f"{printable(directory)}/sources.json is damaged (its sources); restore it")
        path = directory / FOLDER / f"{digest}.py"
        text = read_bytes(path, _LARGEST).decode("utf-8", "replace")
        if digest_of(text) != digest:
            raise UsageError(f"{printable(path)} is damaged: it is not what its name says; restore it")
        texts[name] = text
    return texts


def is_inside(name: Any) -> bool:
    """Whether a file name stays in the folder that it is written to."""
    if not isinstance(name, str) or not name or "\0" in name or "\\" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and name.endswith(".py") and len(name) < 300


def write_out(texts: Mapping[str, str], folder: Path) -> list[Path]:
    """Write texts below a folder, as their names say."""
    written = []
    for name, text in texts.items():
        path = folder / name
        make_directory(path.parent)
        written.append(write_text(path, text))
    return written
