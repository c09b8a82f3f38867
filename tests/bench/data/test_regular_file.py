"""What is opened: regular files within a size, links to them; nothing that blocks or never ends."""

import os
import socket
import threading

import pytest

from bench.data.regular_file import open_regular, read_regular
from bench.errors import DataError


def test_content_comes_back_also_through_links(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    os.symlink(tmp_path / "a", tmp_path / "link")
    assert read_regular(tmp_path / "link", 7) == b"content"
    with open_regular(tmp_path / "a") as stream:
        assert stream.read() == b"content"


def test_a_file_beyond_the_limit_is_refused_with_what_sets_it(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    with pytest.raises(DataError, match="'a' is larger than cap=6 bytes; cut it"):
        read_regular(tmp_path / "a", 6, bound="cap=", advice="cut it")


def within_seconds(call, seconds=20):
    """The error that `call` ends in; one that hangs fails the test instead of hanging it."""
    found = []

    def run():
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "still reading"
    return found[0]


@pytest.mark.parametrize(
    "content, words",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 8\n", "a pointer of Git LFS"),
        (b"<!doctype html><html>404</html>", "a web page"),
        (b"\r\n <HTML>404</HTML>", "a web page"),
    ],
)
def test_what_stands_in_place_of_data_is_said(tmp_path, content, words):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match=f"'a' is {words}"):
        read_regular(tmp_path / "a", 1000)


def test_what_may_be_data_is_no_stand_in(tmp_path):
    for content in (b"", b"<", b"version,https\n1,2\n", b"\x1f\x8b", b"PK\x03\x04"):
        (tmp_path / "a").write_bytes(content)
        assert read_regular(tmp_path / "a", 1000) == content


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "socket", "missing", "endless"])
def test_what_is_no_regular_file_is_named_at_once(tmp_path, kind):
    path = tmp_path / "a"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        os.symlink("/dev/zero", path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.close()
    elif kind == "endless":  # regular by name, without a size, and longer than it says
        os.symlink("/proc/self/maps", path)
    words = {"pipe": "a named pipe", "device": "a device", "folder": "a folder", "socket": "a socket"}
    error = within_seconds(lambda: read_regular(path, 10))
    assert isinstance(error, DataError)
    assert words.get(kind, {"missing": "No such file", "endless": "goes on after the 0 bytes"}.get(kind)) in str(error)


def test_a_pipe_that_takes_the_file_s_place_between_two_looks_does_not_block(tmp_path, monkeypatch):
    path, other = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(path)
    other.write_bytes(b"x")
    regular = os.stat(other)
    monkeypatch.setattr("bench.data.regular_file.os.stat", lambda _: regular)
    error = within_seconds(lambda: read_regular(path, 10))
    assert isinstance(error, DataError) and "a named pipe" in str(error)
