"""Standard streams whose loss never stops work: what cannot be written is dropped, and the first reason is kept."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any


class Lasting:
    """A text stream in the place of another one: it never raises, and after an error it is silent.

    Args:
        stream: the other one; None where the process was started without it.

    Attributes:
        lost: why something could not be written, or None.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.lost: Exception | None = None

    def write(self, text: str) -> int:
        """Write `text`, or drop it."""
        if not isinstance(text, str):
            raise TypeError("a text stream takes text")
        if self._stream is None and text:
            self.lost = self.lost or OSError(errno.EBADF, os.strerror(errno.EBADF))
        elif self.lost is None and self._stream is not None:
            with self._noting():
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is held back, or drop it."""
        if self.lost is None and self._stream is not None:
            with self._noting():
                self._stream.flush()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream is not None and bool(getattr(self._stream, "isatty", lambda: False)())

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # ValueError: somebody closed it
            self.lost = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def lasting_streams() -> Iterator[Lasting]:
    """A context in which `sys.stdout` and `sys.stderr` are `Lasting`; gives the former, for its `lost`.

    One that was lost leads nowhere afterwards, so that what it held back is no error when the process ends.
    """
    before = sys.stdout, sys.stderr
    out, err = Lasting(before[0]), Lasting(before[1])
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        sys.stdout, sys.stderr = before
        for stream, was in ((out, before[0]), (err, before[1])):
            if stream.lost is not None and was is not None:
                _lead_nowhere(was)


def _lead_nowhere(stream: Any) -> None:
    with contextlib.suppress(OSError, ValueError):  # not a file: nothing is written when the process ends
        number, nowhere = stream.fileno(), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


def fill_closed() -> None:
    """Open the standard streams that this process was started without, or the next file would be one of them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)


def quieten_libraries() -> None:
    """Let warnings of libraries about our own calls not reach a user, who can do nothing about them; plugins' do."""
    libraries = "bench|numpy|scipy|pandas|sklearn|matplotlib|torch|safetensors|distributed|dask"
    warnings.filterwarnings("ignore", module=rf"({libraries})(\.|$)")
