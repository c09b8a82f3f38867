"""Writing files so that a crash leaves the old content or the new one, and failures that say what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.text import printable

_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ADVICE = {
    errno.ENOSPC: "free some space and run the same command again; finished cells are kept",
    errno.EDQUOT: "free some space and run the same command again; finished cells are kept",
    errno.EROFS: "give another directory with --output",
    errno.EACCES: "give a directory you may write to with --output",
    errno.EPERM: "give a directory you may write to with --output",
    errno.EEXIST: "a file is in its place; give another directory with --output",
    errno.ENAMETOOLONG: "give a shorter one with --output",
    errno.ENOTDIR: "a part of the path is a file; give another directory with --output",
}


def file_error(action: str, path: Path, error: OSError) -> UsageError:
    """One line for an `OSError`: what could not be done, why, and what to do."""
    advice = None if action == "read" else _ADVICE.get(error.errno or 0)
    why = error.strerror or str(error)
    return UsageError(f"cannot {action} {printable(path, 300)}: {why}" + (f"; {advice}" if advice else ""))


@contextlib.contextmanager
def file_errors(action: str, path: Path) -> Iterator[None]:
    """Turns every `OSError` inside into a one-line `UsageError`."""
    try:
        yield
    except OSError as error:
        raise file_error(action, path, error) from error


def refuse_lost_folder() -> None:
    """Raise `UsageError` where the current folder was deleted: libraries end the process in their own words there."""
    try:
        os.getcwd()
    except OSError as error:
        raise UsageError("the current directory is not there any more; change to one that is") from error


def refuse_impossible(path: Path) -> None:
    """Raise `UsageError` for a folder that can neither be there nor be made: too long, or a link to nowhere."""
    with file_errors("create", path):
        try:
            os.stat(path)
        except FileNotFoundError:
            if leads_nowhere := [one for one in (path, *path.parents) if one.is_symlink() and not one.exists()]:
                raise UsageError(
                    f"{printable(leads_nowhere[0])} is a link to something that is not there; give another --output"
                ) from None


def safe_id(identifier: Any) -> str:
    """`identifier` if it can be a file name (letters, digits, - and _); a `UsageError` otherwise."""
    if not isinstance(identifier, str) or not _SAFE_ID.fullmatch(identifier):
        raise UsageError(f"{printable(identifier, 80)!r} is not a cell id; expected letters, digits, '-' and '_'")
    return identifier


def make_directory(path: Path, parents: bool = True) -> Path:
    """Creates `path`, with its parents or only where they are there; `UsageError` when that is not possible."""
    with file_errors("create", path):
        path.mkdir(parents=parents, exist_ok=True)
    return path


def refuse_unwritable(directory: Path) -> None:
    """Raise `UsageError` where `directory` could not be made or written into, before the work that is to go there."""
    with file_errors("create", directory):
        place = Path(directory)
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            number = errno.EEXIST if place == directory else errno.ENOTDIR
            raise OSError(number, os.strerror(number))
        if not os.access(place, os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))


@contextlib.contextmanager
def atomic_file(path: Path, parents: bool = True) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it, synced to disk, when the block ends without an error.

    Args:
        parents: whether a folder that is not there is made.
    """
    path = Path(path)
    with file_errors("write", path):
        if parents:
            make_directory(path.parent)
        temporary = path.with_name(f".{path.name[:40]}.{os.urandom(8).hex()}.tmp")
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))  # as the umask has it
        try:
            yield temporary
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
            sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def open_own(path: Path, flags: int, create: bool = True) -> int:
    """A file that is written in place, opened with `flags` and made where it is missing: its descriptor.

    Args:
        create: whether a file that is missing is made, or a `UsageError`.

    Raises:
        UsageError: what is there is a link, which may lead to anybody's file, a pipe, a device or a folder; it cannot
            be written.
    """
    more = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe that nobody reads is not waited for
    more |= os.O_CREAT if create else 0
    with file_errors("write", path):
        if not path.is_symlink():
            handle = os.open(path, flags | more, 0o666)
            if stat.S_ISREG(os.fstat(handle).st_mode):
                return handle
            os.close(handle)
        raise UsageError(f"{printable(path)} is a link or no regular file; remove it and run the same command again")


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of `atomic_file` that a killed process left in `folder`; a link leads nowhere."""
    if Path(folder).is_symlink():
        return
    with file_errors("write", folder):
        for path in Path(folder).glob(".*.tmp"):
            path.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, parents: bool = True) -> Path:
    """Writes `content` atomically and durably; `UsageError` for a full disk or a directory that is not writable."""
    with atomic_file(path, parents) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def write_text(path: Path, content: str, parents: bool = True) -> Path:
    """Writes UTF-8 text with `write_bytes`; lone surrogates become question marks."""
    return write_bytes(path, content.encode("utf-8", errors="replace"), parents)


def sync_directory(path: Path) -> None:
    """Makes a rename in `path` durable where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
