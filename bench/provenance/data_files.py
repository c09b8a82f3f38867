"""Which files and folders a data set read, seen while it loads, and whether they are still what they were.

Every file that Python opens for reading counts, in any thread, whatever opened it; so does every folder that is listed,
with the files of the kinds that were read. What is opened below Python (HDF5, Arrow) is not seen: there the files count
that parameters name, and where nothing at all was seen, the folders too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: More files than this read from one folder are one entry, of the folder.
MANY = 32
#: Bytes of all of a data set's files together up to which their content counts; beyond, size and time of change.
CONTENT_BYTES = 1 << 24
#: Where nothing lies that is somebody's data.
_SYSTEM = tuple(f"/{name}/" for name in ("proc", "sys", "dev", "etc", "usr/share", "usr/lib")) + tuple(
    os.path.join(prefix, name, "")
    for prefix in {sys.prefix, sys.base_prefix}
    for name in ("bin", "include", "lib", "lib64", "Lib", "share")
)
#: But for files that are kept in memory because they are read often.
_IN_MEMORY = "/dev/shm/"
_CODE = (".py", ".pyc", ".so", ".pyd")


@dataclass(frozen=True)
class DataFile:
    """The state of one file or folder.

    Attributes:
        path: absolute.
        kind: what of it counts: a file's "content" or "stat" (size and time of change); a folder's "names", "stats"
            (names, sizes and times) or "tree" (stats of everything below).
        mark: its state, as text; "" where it is not there.
        endings: of a folder's files that count; all where there is none.
        deep: whether its sub-folders' names count, too.
    """

    path: str
    kind: str
    mark: str
    endings: tuple[str, ...] = ()
    deep: bool = False

    def now(self) -> str:
        """Its mark at this moment."""
        return _mark(self.path, self.kind, self.endings, self.deep)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what is empty is left out."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items() if v or key == "mark"}

    @classmethod
    def from_dict(cls, values: Any) -> DataFile:
        """The entry that `to_dict` wrote; `ValueError` for anything else."""
        try:
            entry = cls(**{**values, "endings": tuple(values.get("endings", ()))})
        except (TypeError, AttributeError) as error:
            raise ValueError("no entry of a data file") from error
        texts = (entry.path, entry.kind, entry.mark, *entry.endings)
        if not all(isinstance(text, str) for text in texts) or entry.kind not in _KINDS or "\0" in entry.path:
            raise ValueError("no entry of a data file")
        return entry


@dataclass(eq=False)  # several are at work at a time, and each is itself, whatever it has seen
class Seen:
    """What was opened and listed, as absolute paths."""

    files: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)

    def entries(self, params: Mapping[str, Any], trees: bool | None = None) -> list[DataFile]:
        """The state of everything that counts, given the parameters of what read it.

        Args:
            trees: whether all that lies in folders that parameters name counts; None where no file was seen.
        """
        scratch = os.path.realpath(tempfile.gettempdir()) + os.sep
        own = {path for path in self.written if os.path.realpath(path).startswith(scratch)}
        files = {path for path in self.files - own if os.path.isfile(path)}
        named = [os.path.abspath(os.path.expanduser(text)) for text in _texts(params.values())]
        trees = not files if trees is None else trees
        files |= {path for path in named if os.path.isfile(path)}
        entries = [DataFile(path, "tree", _mark(path, "tree")) for path in named if trees and os.path.isdir(path)]
        return _folded(files, {path for path in self.folders if os.path.isdir(path)}) + entries


def elsewhere(entries: Iterable[DataFile], params: Mapping[str, Any]) -> bool:
    """Whether parameters name, from the present working folder, other files than those of the entries of a load.

    A file that is named is always among these, by itself or in its folder. Of a folder nothing need have been read: it
    is another one where they lie in a folder of the same relative name.
    """
    places = {entry.path for entry in entries}
    named = {text: os.path.abspath(os.path.expanduser(text)) for text in _texts(params.values())}
    return any(_other_file(path, places) or _other_folder(text, path, places) for text, path in named.items())


def _other_file(path: str, places: set[str]) -> bool:
    return os.path.isfile(path) and not {path, os.path.dirname(path)} & places


def _other_folder(text: str, path: str, places: set[str]) -> bool:
    if os.path.isabs(os.path.expanduser(text)) or not os.path.isdir(path):
        return False
    here = any(f"{place}{os.sep}".startswith(path + os.sep) for place in places)
    name = os.path.normpath(text).removeprefix(os.curdir).replace(os.pardir + os.sep, "")
    return not here and any(f"{os.sep}{name}{os.sep}" in f"{place}{os.sep}" for place in places if name)


@contextlib.contextmanager
def recorded() -> Iterator[Seen]:
    """Records what is opened for reading and what is listed, by any thread, until the context ends."""
    _listen()
    seen = Seen()
    with _LOCK:
        _ACTIVE.append(seen)
    try:
        yield seen
    finally:
        with _LOCK:
            _ACTIVE.remove(seen)


def digest_of(entries: Iterable[DataFile]) -> str:
    """16 hex digits of the state of all entries, and "" for none."""
    texts = [repr(entry) for entry in entries]
    return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16] if texts else ""


_ACTIVE: list[Seen] = []
_LOCK = threading.Lock()
_HOOKED: list[bool] = []


def _listen() -> None:
    """Audit hooks cannot be removed: there is one for the whole process, and it hears nothing outside `recorded`."""
    with _LOCK:
        if not _HOOKED:
            sys.addaudithook(_hear)
            _HOOKED.append(True)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _ACTIVE or event not in _EVENTS:
        return
    with contextlib.suppress(Exception):  # whatever a plugin opens, listening must not stop it
        path = arguments[0] if arguments[0] is not None else "."
        if isinstance(path, int):
            return
        text = os.path.abspath(os.fsdecode(path))
        if not _counts(text):
            return
        for seen in _ACTIVE:
            _EVENTS[event](seen, text, arguments)


def _opened(seen: Seen, path: str, arguments: tuple[Any, ...]) -> None:
    access = arguments[2] & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR) if isinstance(arguments[2], int) else os.O_RDONLY
    if access != os.O_RDONLY:
        seen.written.add(path)
    if access != os.O_WRONLY:
        seen.files.add(path)


def _listed(seen: Seen, path: str, arguments: tuple[Any, ...]) -> None:
    if "importlib" not in sys._getframe(2).f_code.co_filename:  # an import looks into every folder of the path
        seen.folders.add(path)


_EVENTS = {"open": _opened, "os.listdir": _listed, "os.scandir": _listed}


def _counts(path: str) -> bool:
    system = path.startswith(_SYSTEM) and not path.startswith(_IN_MEMORY)
    return not (system or path.endswith(_CODE) or f"{os.sep}site-packages{os.sep}" in path)


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, (str, Path)) and str(value) and "\0" not in str(value) and len(str(value)) < 4096:
            yield str(value)
        elif isinstance(value, (list, tuple)):
            yield from _texts(value)


def _folded(files: set[str], folders: set[str]) -> list[DataFile]:
    """One entry per file, or per folder where many were read from it; and one per folder that was listed."""
    by_folder: dict[str, list[str]] = {}
    for path in sorted(files):
        by_folder.setdefault(os.path.dirname(path), []).append(path)
    many = {folder for folder, paths in by_folder.items() if len(paths) > MANY}
    single = [path for folder, paths in by_folder.items() if folder not in many for path in paths]
    small = len(single) <= 8 * MANY and sum(map(os.path.getsize, single)) <= CONTENT_BYTES
    kind = "content" if small else "stat"
    entries = [DataFile(path, kind, _mark(path, kind)) for path in single]
    endings = {folder: {os.path.splitext(path)[1].lower() for path in paths} for folder, paths in by_folder.items()}
    for folder in sorted(many | folders):
        below = folder.rstrip(os.sep) + os.sep
        own, deep = endings.get(folder, set()), any(place.startswith(below) for place in folders)
        if deep:
            own = own.union(*(found for place, found in endings.items() if place.startswith(below)))
        if own:
            what = "stats" if folder in many else "names"
            entries.append(DataFile(folder, what, _mark(folder, what, own, deep), tuple(sorted(own)), deep))
    return entries


def _mark(path: str, kind: str, endings: Collection[str] = (), deep: bool = False) -> str:
    try:
        return _KINDS[kind](path, endings, deep)
    except OSError:
        return ""


def _content(path: str, *_: Any) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _stat(path: str, *_: Any) -> str:
    stat = os.stat(path)
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _names(path: str, endings: Collection[str], deep: bool, stats: bool = False) -> str:
    found = []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir():
                found += [f"{entry.name}/"] if deep and not entry.name.startswith(".") else []
            elif os.path.splitext(entry.name)[1].lower() in endings:
                found.append(f"{entry.name} {_stat(entry.path)}" if stats else entry.name)
    return _digest(found)


def _stats(path: str, endings: Collection[str], deep: bool) -> str:
    return _names(path, endings, deep, stats=True)


def _tree(path: str, *_: Any) -> str:
    walked, found = {os.path.realpath(path)}, []
    for place, folders, names in os.walk(path, followlinks=True):
        folders[:] = [name for name in sorted(folders) if _is_new(os.path.join(place, name), walked)]
        files = (os.path.join(place, name) for name in names)
        found += [f"{os.path.relpath(file, path)} {_stat(file)}" for file in files if os.path.isfile(file)]
    return _digest(found)


def _is_new(folder: str, walked: set[str]) -> bool:
    """Whether no folder of `walked` is this one or lies in it, by whatever name; it is added to them then."""
    place = os.path.realpath(folder)
    if any(f"{one}{os.sep}".startswith(place.rstrip(os.sep) + os.sep) for one in walked):
        return False
    walked.add(place)
    return True


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


_KINDS = {"content": _content, "stat": _stat, "names": _names, "stats": _stats, "tree": _tree}
