"""A stream that is lost never stops work, and what was lost is known."""

import io

import pytest

from bench.streams import Lasting, lasting_streams


class Full(io.StringIO):
    """A stream on a full disk: it takes `room` writes."""

    def __init__(self, room=0):
        super().__init__()
        self.room = room

    def write(self, text):
        self.room -= 1
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_what_can_be_written_is_written():
    stream = Lasting(inner := io.StringIO())
    assert stream.write("a") == 1 and print("b", file=stream) is None and stream.flush() is None
    assert inner.getvalue() == "ab\n" and stream.lost is None and not stream.isatty()


def test_after_an_error_it_is_silent_and_keeps_the_first_reason():
    stream = Lasting(inner := Full(1))
    assert [stream.write(text) for text in ("a", "b", "c")] == [1, 1, 1]
    inner.room = 10
    stream.write("d")
    assert inner.getvalue() == "a" and stream.lost.errno == 28


@pytest.mark.parametrize("lost", [None, "closed"])
def test_a_stream_that_is_not_there_loses_what_is_written(lost):
    inner = None if lost is None else io.StringIO()
    if inner:
        inner.close()
    stream = Lasting(inner)
    stream.flush()
    assert stream.write("") == 0
    stream.write("a")
    assert stream.lost is not None and not Lasting(None).isatty()
    with pytest.raises(TypeError):
        stream.write(b"a")


def test_the_streams_of_a_process_are_put_back(capsys):
    import sys

    before = sys.stdout, sys.stderr
    with lasting_streams() as output:
        print("out")
        assert sys.stdout is output and sys.stderr is not before[1]
    assert (sys.stdout, sys.stderr) == before and output.lost is None
    assert capsys.readouterr().out == "out\n"
