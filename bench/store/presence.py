"""Whether the folder and files that a run opened are still where they were: what vanished is never made anew unseen."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bench.errors import UsageError
from bench.files import file_errors
from bench.text import printable


class Presence:
    """The identity (device and inode) of paths that stay for a whole run.

    Args:
        paths: folders before what is in them.

    Raises:
        UsageError: one of them is not there.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._known: dict[Path, tuple[int, int]] = {}
        for path in paths:
            with file_errors("read", path):
                stat = os.stat(path)
            self._known[path] = (stat.st_dev, stat.st_ino)

    def check(self) -> None:
        """Raise `UsageError` for the first path that is gone, or that is another one by now."""
        for path, known in self._known.items():
            try:
                stat = os.stat(path)
                what = "" if (stat.st_dev, stat.st_ino) == known else "is another one than this run opened"
            except OSError:
                what = "is gone"
            if what:
                raise UsageError(
                    f"{printable(path)} {what}: it was removed, moved or replaced while this run wrote there, and "
                    "nothing more is written; put it back, or give its new place with --output, and run the same "
                    "command again"
                )
