"""One picture of any common format as 8-bit pixels: every mode to the numbers within its depth, or refused by name."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.regular_file import read_regular, taken_for
from bench.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
MODES = ("1", "L", "P", "LA", "La", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")
#: More pixels than this in one picture are refused before they are decoded (a small file can promise any number).
MAX_PIXELS = 1 << 26
#: The same for what is decoded by Python code, a value at a time (plain-text PPM, run-length BMP).
MAX_SLOW_PIXELS = 1 << 18
MAX_BYTES = 1 << 28
#: Depths that cameras and scanners store in 16 bits.
DEPTHS = (8, 10, 12, 14, 16)
_WHITE_IS_ZERO, _PHOTOMETRIC, _BITS_PER_SAMPLE = 0, 262, 258


@dataclass
class Depths:
    """The largest values found in pictures of 16 bits per channel, by name; how many bits are used is told by all.

    Attributes:
        grey: of grey pictures, in their own numbers.
        colour: of colour pictures, of whose numbers only the upper 8 bits can be read.
    """

    grey: dict[str, int] = field(default_factory=dict)
    colour: dict[str, int] = field(default_factory=dict)

    def bits(self) -> int:
        """The smallest of `DEPTHS` that holds all grey values."""
        largest = max(self.grey.values(), default=0)
        return next(bits for bits in DEPTHS if largest < 1 << bits)

    def refuse_dark_colour(self) -> None:
        """Raise `DataError` if 12 bits or fewer of 16 seem to be used, of which the upper 8 hold next to nothing."""
        if self.colour and max(self.colour.values()) < 1 << 4:
            raise DataError(
                f"{next(iter(self.colour))!r}: a picture of 16 bits per colour of which at most 12 are used, as in all "
                "such pictures here; only the upper 8 are read: save them with 8 bits"
            )


def read_picture(
    path: Path, name: str, size: int, grey: bool, bits: int = 16, depths: Depths | None = None
) -> np.ndarray:
    """One picture as unsigned bytes (C, size, size).

    It is scaled so that it covers the square, keeping its proportions, and its middle is cut out. Transparent parts are
    shown on white; of an animation the first picture is taken. Floating-point values are read from 0 (black) to 1.

    Args:
        path: where the file is.
        name: what messages call it.
        size: height and width of the result.
        grey: one channel instead of three.
        bits: how many of 16 bits grey pictures use, if their format does not say it.
        depths: where the largest values of pictures with 16 bits per channel are noted.

    Raises:
        DataError: no regular file or readable picture, one of more than `MAX_PIXELS` or `MAX_BYTES`, a mode that is not
            read, values outside of what can be read.
    """
    from PIL import Image, ImageOps

    # From memory, because PIL would allocate whatever length a damaged file states before reading it.
    content = read_regular(path, MAX_BYTES, what=repr(name), advice="scale it down")
    depths = Depths() if depths is None else depths
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the limit below is stricter than PIL's warning
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                _refuse_large(picture, name)
                picture.draft("RGB", (2 * size, 2 * size))  # JPEG: decode no more than is needed
                shown = ImageOps.exif_transpose(_eight_bit(picture, name, bits, depths))
                scaled = ImageOps.fit(shown.convert("L" if grey else "RGB"), (size, size), Image.Resampling.BICUBIC)
    except DataError:
        raise
    except Exception as error:  # decoders raise whatever a broken file leads them to
        if known := taken_for(content[:64]):
            raise DataError(f"{name!r} is {known}") from None
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise DataError(f"{name!r}: not a readable picture ({reason}); repair or remove it") from None
    pixels = np.asarray(scaled, dtype=np.uint8)
    return pixels[None] if grey else np.moveaxis(pixels, 2, 0)


def _refuse_large(picture: Any, name: str) -> None:
    from PIL import Image

    pixels = picture.width * picture.height
    if pixels > MAX_PIXELS:
        raise DataError(f"{name!r}: {picture.width}×{picture.height} pixels are more than {MAX_PIXELS}; scale it down")
    if pixels > MAX_SLOW_PIXELS and any(tile[0] in Image.DECODERS for tile in picture.tile):
        raise DataError(
            f"{name!r}: a {picture.format} picture stored value by value, of more than {MAX_SLOW_PIXELS} pixels, would "
            "take long to read; save it as PNG"
        )


def _eight_bit(picture: Any, name: str, bits: int, depths: Depths) -> Any:
    """The picture with 8 bits per channel and nothing transparent."""
    from PIL import Image

    if picture.mode == "F" or picture.mode.startswith("I"):
        tags = getattr(picture, "tag_v2", {})
        values = _floats(picture, name) if picture.mode == "F" else _whole(picture, name, tags, bits, depths)
        values = (
            255 - values if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else values
        )  # PIL leaves deep ones as they are
        eight = Image.fromarray(values)
        eight.info = picture.info  # with the orientation
        return eight
    if picture.mode not in MODES:
        raise DataError(f"{name!r}: a {picture.format} picture in mode {picture.mode} is not read; save it as RGB")
    if picture.format in ("PNG", "TIFF") and any(";16" in str(tile[3]) for tile in picture.tile):
        depths.colour[name] = max(high for _, high in picture.convert("RGB").getextrema())
    if picture.has_transparency_data:
        opaque = Image.new("RGBA", picture.size, "white")
        opaque.alpha_composite(picture.convert("RGBA"))
        return opaque
    return picture


def _whole(picture: Any, name: str, tags: Any, bits: int, depths: Depths) -> np.ndarray:
    """The upper 8 of the bits that the format states, or of `bits` where it states 16 or more."""
    values = np.asarray(picture).astype(np.int64)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise DataError(
            f"{name!r}: a {picture.format} picture of whole numbers from {low} to {high}; only 0 to 65535 are read: "
            "save it with 8 or 16 bits"
        )
    stated = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    if picture.format == "PPM":
        bits = 16  # PIL spreads the numbers, up to the largest one that the file states
    elif stated < 16:
        bits = max(stated, 8)
    else:
        depths.grey[name] = high
    return np.minimum(values >> (bits - 8), 255).astype(np.uint8)


def _floats(picture: Any, name: str) -> np.ndarray:
    values = np.asarray(picture).astype(np.float64)
    if missing := int(np.isnan(values).sum()):
        raise DataError(
            f"{name!r}: {missing} of {values.size} pixels of a {picture.format} picture are NaN; say what they show "
            "(0 is black, 1 white), or remove the picture"
        )
    if values.min() < 0 or values.max() > 1:
        raise DataError(
            f"{name!r}: a {picture.format} picture of floating-point values from {values.min():g} to {values.max():g}; "
            "only 0 to 1 are read: rescale them, or save it with 8 or 16 bits"
        )
    return np.rint(values * 255).astype(np.uint8)
