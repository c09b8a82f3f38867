"""Every mode that PIL opens, to the same 8-bit numbers, or refused by name; nothing that takes minutes is decoded."""

import struct

import numpy as np
import pytest
from PIL import Image

from bench.data.picture_file import MODES, Depths, read_picture
from bench.errors import DataError

#: 16 × 16 values, each row from 0 to 240 in steps of 16.
RAMP = np.tile(np.arange(0, 256, 16, dtype=np.uint8), (16, 1))


def read(path, **settings):
    return read_picture(path, path.name, 16, True, **settings)[0]


@pytest.fixture
def saved(tmp_path):
    def saved(values, suffix, **settings):
        path = tmp_path / f"a{suffix}"
        Image.fromarray(values).save(path, **settings)
        return path

    return saved


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bits_become_their_upper_eight(saved, suffix):
    np.testing.assert_array_equal(read(saved(RAMP.astype(np.uint16) * 256 + 255, suffix)), RAMP)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_fewer_bits_in_sixteen_keep_their_levels(saved, bits, kind):
    path = saved(RAMP.astype(kind) << (bits - 8), ".tif")
    depths = Depths()
    read(path, depths=depths)
    assert depths.bits() == bits
    np.testing.assert_array_equal(read(path, bits=bits), RAMP)


def test_the_depth_is_that_of_all_pictures():
    assert Depths({"a": 5, "b": 1024}).bits() == 12
    assert Depths({"a": 4095, "b": 4096}).bits() == 14


def test_a_stated_largest_value_counts(tmp_path):
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 16 16 1023\n" + (RAMP.astype(int) * 4).astype(">u2").tobytes())
    depths = Depths()
    found = read(path, depths=depths)
    assert depths.grey == {} and np.abs(found.astype(int) - RAMP).max() <= 1


def tiff(bits, photometric, kind, content):
    """A TIFF of 16 × 16 grey values."""
    tags = [(256, 3, 16), (257, 3, 16), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (273, 4, 200), (277, 3, 1)]
    tags += [(278, 3, 16), (279, 4, len(content)), (339, 3, kind)]
    entries = b"".join(struct.pack("<HHII", tag, form, 1, value) for tag, form, value in tags)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    return head.ljust(200, b"\0") + content


def twelve_bits(values):
    first, second = values.reshape(-1, 2).astype(int).T
    return np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], 1).astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    "content",
    [
        tiff(12, 1, 1, twelve_bits(RAMP.astype(int) * 16)),
        tiff(16, 1, 1, (RAMP.astype("<u2") * 256).tobytes()),
        tiff(16, 0, 1, (65535 - RAMP.astype("<u2") * 256).tobytes()),
        tiff(32, 1, 3, (RAMP / 255).astype("<f4").tobytes()),
        tiff(32, 0, 3, (1 - RAMP / 255).astype("<f4").tobytes()),
        tiff(32, 1, 2, (RAMP.astype("<i4") * 256).tobytes()),
        tiff(8, 0, 1, (255 - RAMP).tobytes()),
    ],
    ids=["12 bits", "16 bits", "16 bits, white is 0", "floats", "floats, white is 0", "32 bits", "8 bits, white is 0"],
)
def test_tiffs_of_every_depth(tmp_path, content):
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    np.testing.assert_array_equal(read(path), RAMP)


@pytest.mark.parametrize(
    "values, message",
    [
        (RAMP.astype(np.float32) * 4, r"'a\.tif': a TIFF picture of floating-point values from 0 to 960; only 0 to 1"),
        (RAMP.astype(np.float32) / 200, "from 0 to 1.2"),
        (RAMP.astype(np.float32) / 255 - 0.5, "from -0.5 to"),
        (
            np.full((16, 16), np.nan, dtype=np.float32),
            "256 of 256 pixels of a TIFF picture are NaN; say what",
        ),
        (
            np.where(RAMP == 16, np.nan, RAMP).astype(np.float32),
            r"'a\.tif': 16 of 256 pixels of a TIFF .* NaN",
        ),
        (np.where(RAMP == 16, np.inf, 0).astype(np.float32), "from 0 to inf"),
        (RAMP.astype(np.int32) - 1, r"'a\.tif': a TIFF picture of whole numbers from -1 to 239; only 0 to 65535"),
        (RAMP.astype(np.int32) * 1000, "from 0 to 240000"),
    ],
    ids=str,
)
def test_values_that_no_depth_holds_are_refused_by_file_and_format(saved, values, message):
    with pytest.raises(DataError, match=message):
        read(saved(values, ".tif"))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"])
def test_every_mode_is_read_or_named(tmp_path, mode):
    grey = Image.fromarray(np.where(RAMP > 100, 255, 0).astype(np.uint8) if mode == "1" else RAMP)
    picture = grey.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr", "HSV") else None
    if mode == "LAB":
        picture = Image.new("LAB", (16, 16))
    path = tmp_path / "a.tif"
    try:
        (picture or grey.convert(mode)).save(path)
    except OSError:
        pytest.skip(f"PIL writes no TIFF in mode {mode}")
    if mode not in MODES:
        with pytest.raises(DataError, match=r"'a\.tif': a TIFF picture in mode LAB is not read; save it as RGB"):
            read(path)
        return
    assert np.abs(read(path).astype(int) - np.asarray(grey.convert("L"))).max() <= 2


def test_dark_colours_in_sixteen_bits_are_refused_unless_others_are_bright():
    with pytest.raises(DataError, match="'a': a picture of 16 bits per colour of which at most 12 are used"):
        Depths(colour={"a": 3, "b": 15}).refuse_dark_colour()
    Depths(colour={"a": 3, "b": 16}).refuse_dark_colour()
    Depths().refuse_dark_colour()


def test_colours_of_sixteen_bits_are_noted(tmp_path):
    for shade in (0x0FFF, 0xFFFF):
        path = tmp_path / "a.tif"
        content = tiff(16, 1, 1, np.full((16, 16, 3), shade, "<u2").tobytes())
        rgb = content.replace(struct.pack("<HHII", 262, 3, 1, 1), struct.pack("<HHII", 262, 3, 1, 2))
        rgb = rgb.replace(struct.pack("<HHII", 277, 3, 1, 1), struct.pack("<HHII", 277, 3, 1, 3))
        rgb = rgb.replace(struct.pack("<HHII", 258, 3, 1, 16), struct.pack("<HHII", 258, 3, 3, 190))
        rgb = rgb.replace(struct.pack("<HHII", 339, 3, 1, 1), struct.pack("<HHII", 339, 3, 3, 184))
        path.write_bytes(rgb[:184] + struct.pack("<6H", 1, 1, 1, 16, 16, 16) + rgb[196:])
        depths = Depths()
        read_picture(path, "a", 16, False, depths=depths)
        assert depths.colour == {"a": shade >> 8}


def test_what_is_decoded_value_by_value_is_bounded(tmp_path):
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P2 8 8 255\n" + b"7 " * 64)
    assert (read(path) == 7).all()
    path.write_bytes(b"P3 8000 8000 255\n" + b"1 " * 500)
    with pytest.raises(DataError, match=r"'a\.ppm': a PPM picture stored value by value, of more than 262144 pixels"):
        read(path)
