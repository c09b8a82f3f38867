"""The parts of the standard library that only POSIX systems have, or one line where they are missing."""

from __future__ import annotations

from bench.errors import UsageError

try:
    import fcntl
    import resource
except ImportError as error:
    raise UsageError(
        f"aebench runs on Linux and macOS; this Python has no {error.name} (on Windows, use WSL, the Linux in Windows)"
    ) from None

__all__ = ["fcntl", "resource"]
