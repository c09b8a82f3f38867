"""One's own pictures from a folder; the names of its sub-folders, where it has any, are the labels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from bench.contracts.checks import existing_folder, true_or_false, whole_bytes, whole_number
from bench.contracts.dataset import Split
from bench.data.picture_file import Depths, read_picture
from bench.data.split_arrays import MEMORY_LIMIT, split_arrays
from bench.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
#: What systems and their tools leave in a folder; as anything hidden (.name), it is nobody's class or picture.
SYSTEM = ("@eaDir", "#recycle", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found")
#: Names that a report lists of what was passed over.
LISTED = 3
_HIDDEN, _BACK, _OTHER = "hidden names", "links back into the folder", "files of other types"


def load(
    path: str,
    size: int = 32,
    grey: bool = False,
    validation: float = 0.16,
    test: float = 0.2,
    split_seed: int = 0,
    memory_limit: int = MEMORY_LIMIT,
) -> Split:
    """Images (N, 3, size, size), or (N, 1, size, size) in grey, in [0, 1]; in the order of their names.

    Each picture is scaled so that it covers the square, keeping its proportions, and its middle is cut out. Transparent
    parts are shown on white; of an animation the first picture is taken. Of 16-bit grey pictures those bits count that
    any of them uses (12 of a camera's); floating-point values are read from 0 to 1. Links to folders are followed.
    Hidden names, those of systems (`__MACOSX`, `@eaDir`) and files of other types are passed over, and it is said.

    Args:
        path: a folder with pictures, or with one sub-folder of pictures per class.
        size: height and width in pixels, at least 8.
        grey: one channel instead of three.
        validation, test: fraction of the pictures or number of pictures.
        split_seed: which division into parts.
        memory_limit: most bytes that the scaled pictures may take in memory.
    """
    folder = existing_folder("path", path)
    channels = 1 if true_or_false("grey", grey) else 3
    whole_number("size", size, 8)
    limit = whole_bytes("memory_limit", memory_limit)
    files, labels, notes = _find(folder)
    taken = len(files) * channels * size * size
    if taken > limit:
        raise DataError(
            f"{folder.name!r}: {len(files)} pictures of {size}×{size} pixels take {taken} bytes, more than "
            f"memory_limit={limit}; lower size or raise the limit"
        )
    pixels, depth = _read(folder, files, size, grey)
    return split_arrays(
        pixels,
        labels,
        scale="unit",
        validation=validation,
        test=test,
        split_seed=split_seed,
        row_name=lambda row: repr(files[row]),
        what=repr(folder.name),
        memory_limit=limit,
        notes=(*depth, *notes),
    )


def _read(folder: Path, files: list[str], size: int, grey: bool) -> tuple[np.ndarray, list[str]]:
    """All pictures, and what a report should say of their depth; those of 16 bits are read again if they use fewer."""
    pixels, depths = np.empty((len(files), 1 if grey else 3, size, size), dtype=np.uint8), Depths()
    for row, file in enumerate(files):
        pixels[row] = read_picture(folder / file, file, size, grey, depths=depths)
    depths.refuse_dark_colour()
    if (bits := depths.bits()) == 16 or not depths.grey:
        return pixels, []
    for row, file in enumerate(files):
        if file in depths.grey:
            pixels[row] = read_picture(folder / file, file, size, grey, bits)
    return pixels, [f"{len(depths.grey)} of 16 bits read with {bits}: none holds more than {max(depths.grey.values())}"]


def _find(folder: Path) -> tuple[list[str], list[str] | None, list[str]]:
    """Relative names of all pictures, sorted; the label of each, None where no sub-folders hold any; what was left."""
    found: list[Path] = []
    left: dict[str, list[str]] = {_HIDDEN: [], _BACK: [], _OTHER: []}
    followed: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        inside = Path(place).relative_to(folder)
        shown = [name for name in (*folders, *names) if name.startswith(".") or name in SYSTEM]
        left[_HIDDEN] += [(inside / name).as_posix() for name in shown if name in folders or _is_picture(name)]
        back = [name for name in folders if name not in shown and _leads_back(Path(place, name), folder, followed)]
        left[_BACK] += [(inside / name).as_posix() for name in back]
        folders[:] = sorted(set(folders) - set(shown) - set(back))
        files = [name for name in names if name not in shown]
        found += [inside / name for name in files if _is_picture(name)]
        left[_OTHER] += [(inside / name).as_posix() for name in files if not _is_picture(name)]
    found.sort(key=lambda file: file.parts)
    if not found:
        raise DataError(f"{folder.name!r} holds no pictures ({', '.join(SUFFIXES)})")
    loose = [file for file in found if len(file.parts) == 1]
    if loose and len(loose) < len(found):
        raise DataError(
            f"{folder.name!r}: {loose[0].name!r} lies beside sub-folders with pictures, whose names are the labels; "
            "put every picture into a sub-folder, or all of them into one folder"
        )
    notes = [f"{why} passed over: {_some(sorted(names))}" for why, names in left.items() if names]
    return [file.as_posix() for file in found], None if loose else [file.parts[0] for file in found], notes


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _leads_back(path: Path, folder: Path, followed: set[tuple[int, int]]) -> bool:
    """Whether a link leads into `folder`, above it, or where another one has led; else it is noted as followed."""
    if not path.is_symlink():
        return False
    target, root = path.resolve(), folder.resolve()
    mark = (target.stat().st_dev, target.stat().st_ino)
    if target.is_relative_to(root) or root.is_relative_to(target) or mark in followed:
        return True
    followed.add(mark)
    return False


def _refuse(error: OSError) -> None:
    raise DataError(f"folder {str(error.filename)!r} cannot be read: {error.strerror or error}")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + more
