"""One's own pictures from a folder; the names of its sub-folders, where it has any, are the labels."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np

from bench.contracts.checks import existing_folder, true_or_false, whole_bytes, whole_number
from bench.contracts.dataset import Split
from bench.data.split_arrays import MEMORY_LIMIT, split_arrays
from bench.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
#: More pixels than this in one picture are refused before they are decoded (a small file can promise any number).
MAX_PIXELS = 1 << 26
MAX_BYTES = 1 << 28


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
    parts are shown on white; of an animation the first picture is taken; files of other types are passed over.

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
    files, labels = _find(folder)
    taken = len(files) * channels * size * size
    if taken > limit:
        raise DataError(
            f"{folder.name!r}: {len(files)} pictures of {size}×{size} pixels take {taken} bytes, more than "
            f"memory_limit={limit}; lower size or raise the limit"
        )
    pixels = np.empty((len(files), channels, size, size), dtype=np.uint8)
    for row, file in enumerate(files):
        pixels[row] = read_picture(folder / file, file, size, grey)
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
    )


def _find(folder: Path) -> tuple[list[str], list[str] | None]:
    """Relative names of all pictures, sorted, and the label of each, None where no sub-folders hold any."""
    found = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        found += [Path(place, name).relative_to(folder) for name in names if name.lower().endswith(SUFFIXES)]
    found.sort(key=lambda file: file.parts)
    if not found:
        raise DataError(f"{folder.name!r} holds no pictures ({', '.join(SUFFIXES)})")
    loose = [file for file in found if len(file.parts) == 1]
    if loose and len(loose) < len(found):
        raise DataError(
            f"{folder.name!r}: {loose[0].name!r} lies beside sub-folders with pictures, whose names are the labels; "
            "put every picture into a sub-folder, or all of them into one folder"
        )
    return [file.as_posix() for file in found], None if loose else [file.parts[0] for file in found]


def read_picture(path: Path, name: str, size: int, grey: bool) -> np.ndarray:
    """One picture as unsigned bytes (C, size, size).

    Args:
        path: where the file is.
        name: what messages call it.
        size: height and width of the result.
        grey: one channel instead of three.

    Raises:
        DataError: no readable picture, or one of more than `MAX_PIXELS` or `MAX_BYTES`.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the limit below is stricter than PIL's warning
            # From memory, because PIL would allocate whatever length a damaged file states before reading it.
            with Image.open(io.BytesIO(_read(path, name)), formats=FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise DataError(
                        f"{name!r}: {picture.width}×{picture.height} pixels are more than {MAX_PIXELS}; scale it down"
                    )
                picture.draft("RGB", (2 * size, 2 * size))  # JPEG: decode no more than is needed
                shown = ImageOps.exif_transpose(_eight_bit(picture))
                scaled = ImageOps.fit(shown.convert("L" if grey else "RGB"), (size, size), Image.Resampling.BICUBIC)
    except DataError:
        raise
    except Exception as error:  # decoders raise whatever a broken file leads them to
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise DataError(f"{name!r}: not a readable picture ({reason}); repair or remove it") from None
    pixels = np.asarray(scaled, dtype=np.uint8)
    return pixels[None] if grey else np.moveaxis(pixels, 2, 0)


def _read(path: Path, name: str) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{name!r} has more than {MAX_BYTES} bytes; scale it down")
    return path.read_bytes()


def _eight_bit(picture):
    """The picture with 8 bits per channel and nothing transparent."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16-bit grey
        deep = np.asarray(picture).astype(np.int64)
        return Image.fromarray((np.clip(deep, 0, 65535) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        opaque = Image.new("RGBA", picture.size, "white")
        opaque.alpha_composite(picture.convert("RGBA"))
        return opaque
    return picture
