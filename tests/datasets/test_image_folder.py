"""Pictures from folders: order, labels, cutting, transparency, depth, and broken or hostile files."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.contracts.dataset import PARTS
from bench.errors import DataError, UsageError


@pytest.fixture
def load(module):
    return module("image_folder").load


def save(path, pixels, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **settings)


def flat(shade, shape=(16, 16)):
    return np.full(shape, shade, dtype=np.uint8)


def all_rows(split):
    return np.concatenate([getattr(split, part)[:] for part in PARTS])


def test_sub_folders_are_labels(load, write, tmp_path):
    write.pictures(tmp_path / "pets", labels=("dog", "cat"))
    split = load(str(tmp_path / "pets"), size=16)
    assert split.label_names == ("cat", "dog") and split.data_shape == (3, 16, 16)
    assert np.bincount(np.concatenate([getattr(split, f"{part}_labels") for part in PARTS])).tolist() == [12, 12]


def test_labels_stay_with_their_pictures(load, tmp_path):
    for shade in range(0, 240, 10):
        save(tmp_path / f"{'dark' if shade < 120 else 'light'}" / f"{shade:03d}.png", flat(shade))
    split = load(str(tmp_path), size=8, grey=True)
    for part in PARTS:
        light = np.array(split.label_names)[getattr(split, f"{part}_labels")] == "light"
        np.testing.assert_array_equal(getattr(split, part)[:, 0, 4, 4] * 255 > 115, light)


def test_a_folder_without_sub_folders_has_no_labels(load, tmp_path):
    for shade in range(20):
        save(tmp_path / f"{shade}.png", flat(shade * 5, (16, 16)))
    (tmp_path / "notes.txt").write_text("passed over")
    split = load(str(tmp_path), size=8)
    assert split.train_labels is None and len(all_rows(split)) == 20


def test_the_order_in_which_files_were_made_does_not_matter(load, tmp_path):
    shades = list(range(0, 200, 10))
    for folder, order in (("a", shades), ("b", shades[::-1])):
        for shade in order:
            save(tmp_path / folder / f"{shade:03d}.png", flat(shade))
    assert load(str(tmp_path / "a"), size=8).checksum() == load(str(tmp_path / "b"), size=8).checksum()


def test_pictures_of_the_right_size_are_untouched(module, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    save(tmp_path / "a.png", pixels)
    found = module("image_folder").read_picture(tmp_path / "a.png", "a.png", 16, False)
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))


def test_the_middle_is_cut_out_with_proportions_kept(module, tmp_path):
    wide = np.zeros((16, 48), dtype=np.uint8)
    wide[:, 16:32] = 255
    save(tmp_path / "wide.png", wide)
    found = module("image_folder").read_picture(tmp_path / "wide.png", "wide.png", 16, True)
    assert (found == 255).all()


def test_transparent_parts_are_white(module, tmp_path):
    pixels = np.zeros((16, 16, 4), dtype=np.uint8)
    pixels[:8, :, 3] = 255
    save(tmp_path / "a.png", pixels)
    found = module("image_folder").read_picture(tmp_path / "a.png", "a.png", 16, True)
    assert (found[0, :8] == 0).all() and (found[0, 8:] == 255).all()


def test_sixteen_bits_are_reduced_to_eight(module, tmp_path):
    deep = np.tile(np.arange(0, 65536, 4096, dtype=np.uint16), (16, 1))
    save(tmp_path / "a.png", deep)
    found = module("image_folder").read_picture(tmp_path / "a.png", "a.png", 16, True)
    np.testing.assert_array_equal(found[0], deep >> 8)


def test_a_camera_s_orientation_is_obeyed(module, tmp_path):
    upright = np.zeros((16, 16), dtype=np.uint8)
    upright[:8] = 255
    exif = Image.Exif()
    exif[274] = 3  # upside down
    save(tmp_path / "a.png", upright, exif=exif)
    found = module("image_folder").read_picture(tmp_path / "a.png", "a.png", 16, True)
    assert (found[0, 8:] == 255).all() and (found[0, :8] == 0).all()


def png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + body
        + struct.pack(">I", zlib.crc32(body))
        + struct.pack(">I", 9)
        + b"IDAT"
    )


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "not a readable picture"),
        (b"no picture", "not a readable picture"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "a HEIF, AVIF or video file; save it as PNG or JPEG"),
        (b'<?xml version="1.0"?><svg/>', "an XML or SVG file"),
        (b"<html>404</html>", "a web page, as servers send"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (png_header(16, 16), "not a readable picture"),
        (png_header(60_000, 60_000), "not a readable picture|pixels are more than"),
        (png_header(9_000, 9_000), "9000×9000 pixels are more than 67108864"),
    ],
    ids=str,
)
def test_a_broken_picture_is_named(load, write, tmp_path, bounded, content, message):
    write.pictures(tmp_path, n=5)
    (tmp_path / "cat" / "bad.png").write_bytes(content)
    with bounded(8), pytest.raises(DataError, match=r"'cat/bad\.png'.*(" + message + ")"):
        load(str(tmp_path), size=16)


FORMATS = {"PNG": ".png", "JPEG": ".jpg", "BMP": ".bmp", "GIF": ".gif", "TIFF": ".tif", "WEBP": ".webp", "PPM": ".ppm"}


@pytest.fixture(scope="module")
def encoded():
    """format → a small picture in it."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    found = {}
    for name in FORMATS:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, name)
        found[name] = stream.getvalue()
    return found


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40)
@given(spots=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=5), cut=st.integers(0, 60))
def test_damaged_pictures_of_every_format(module, tmp_path_factory, encoded, bounded, name, spots, cut):
    content = bytearray(encoded[name])
    for place, byte in spots:
        content[place % len(content)] = byte
    path = tmp_path_factory.getbasetemp() / f"damaged{FORMATS[name]}"
    path.write_bytes(content[: len(content) - cut])
    with bounded(32):
        assert module("image_folder").read_picture(path, path.name, 16, False).shape == (3, 16, 16)


def test_all_formats_are_found(load, tmp_path, encoded):
    for name, suffix in FORMATS.items():
        (tmp_path / f"{name}{suffix.upper()}").write_bytes(encoded[name])
    assert len(all_rows(load(str(tmp_path), size=8))) == len(FORMATS)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"path": "absent"}, "does not exist"),
        ({"size": 7}, "size=7"),
        ({"size": 8.0}, "size=8.0"),
        ({"grey": 1}, "grey=1"),
        ({"memory_limit": 100}, "24 pictures of 32×32 pixels take 73728 bytes, more than memory_limit=100"),
    ],
)
def test_senseless_parameters_are_refused(load, write, tmp_path, parameters, message):
    write.pictures(tmp_path / "pets")
    with pytest.raises(UsageError, match=message):
        load(**{"path": str(tmp_path / "pets"), **parameters})


def test_folders_that_cannot_be_read_as_data_are_refused(load, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"'empty' holds no pictures \(\.png, "):
        load(str(tmp_path / "empty"))
    save(tmp_path / "mixed" / "loose.png", flat(1))
    save(tmp_path / "mixed" / "class" / "a.png", flat(2))
    with pytest.raises(DataError, match=r"'loose\.png' lies beside sub-folders"):
        load(str(tmp_path / "mixed"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file; give a folder"):
        load(str(tmp_path / "file"))


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_classes_that_look_the_same_are_one(load, write, tmp_path):
    write.pictures(tmp_path, labels=("caf\u00e9", "cafe\u0301", "Caf\u00e9"))
    assert load(str(tmp_path), size=16).label_names == ("Caf\u00e9", "caf\u00e9")


def test_links_that_lead_in_circles_are_not_followed(load, write, tmp_path):
    write.pictures(tmp_path / "pets")
    os.symlink(tmp_path / "pets", tmp_path / "pets" / "cat" / "again", target_is_directory=True)
    assert len(all_rows(load(str(tmp_path / "pets"), size=8))) == 24


def test_a_class_that_is_a_link_is_a_class(load, write, tmp_path):
    write.pictures(tmp_path / "all", labels=("cat", "dog"))
    write.pictures(tmp_path / "pets", labels=("bird",))
    for name in ("cat", "dog"):
        os.symlink(tmp_path / "all" / name, tmp_path / "pets" / name, target_is_directory=True)
    split = load(str(tmp_path / "pets"), size=8)
    assert split.label_names == ("bird", "cat", "dog") and len(all_rows(split)) == 36
    assert "passed over" not in split.description


def test_links_between_two_places_are_followed_once_and_said(load, write, tmp_path):
    write.pictures(tmp_path / "pets", labels=("cat",))
    write.pictures(tmp_path / "other", labels=("dog",))
    for place in ("pets/one", "pets/two", "other/dog/pets"):
        (tmp_path / place).symlink_to(tmp_path / ("pets" if "other" in place else "other/dog"))
    (tmp_path / "pets" / "again").symlink_to(tmp_path / "pets" / "cat")
    split = load(str(tmp_path / "pets"), size=8)
    assert len(all_rows(split)) == 24 and len(split.label_names) == 2
    assert "links back into the folder passed over: 'again', " in split.description


def test_what_systems_leave_is_no_class_and_no_picture_and_is_said(load, write, tmp_path):
    write.pictures(tmp_path / "pets")
    for folder in (".ipynb_checkpoints", "@eaDir", "__MACOSX", "cat/.ipynb_checkpoints"):
        write.pictures(tmp_path / "pets" / folder, n=2, labels=("x",))
    (tmp_path / "pets" / "cat" / "._01.JPG").write_bytes(b"\0\5\x16\7")
    (tmp_path / "pets" / "dog" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "pets" / "dog" / "a.heic").write_bytes(b"x")
    split = load(str(tmp_path / "pets"), size=8)
    assert split.label_names == ("cat", "dog") and len(all_rows(split)) == 24
    assert "hidden names passed over: '.ipynb_checkpoints', '@eaDir', '__MACOSX' and 2 more" in split.description
    assert "files of other types passed over: 'dog/a.heic'" in split.description


def test_twelve_bits_in_sixteen_are_read_as_twelve(load, tmp_path):
    for shade in range(20):
        save(tmp_path / f"{shade:02d}.png", np.full((16, 16), 200 * shade, dtype=np.uint16))
    save(tmp_path / "eight.png", flat(255))
    split = load(str(tmp_path), size=8)
    found = sorted(set(np.rint(all_rows(split)[:, 0, 4, 4] * 255).astype(int).tolist()))
    assert found == sorted({200 * shade >> 4 for shade in range(20)} | {255})
    assert "20 of 16 bits read with 12: none holds more than 3800" in split.description


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_picture_that_is_no_file_is_named_at_once(load, write, tmp_path, bounded, kind):
    write.pictures(tmp_path, n=5)
    path = tmp_path / "cat" / "bad.png"
    os.mkfifo(path) if kind == "pipe" else os.symlink("/dev/zero", path)
    with bounded(8), pytest.raises(DataError, match=r"'cat/bad\.png' is a (named pipe|device); give a regular file"):
        load(str(tmp_path), size=16)
