"""The cores that a process may use, how long its threads may spin on them, and whether it had them to itself.

torch's OpenMP threads wait by spinning. Where another process has taken the core of one, the others burn their time at
the end of every small product: on two cores, one of them busy, the default run with two threads took ten times as long.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

#: What the user can have said about how threads wait.
_OWN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
#: Looks before a thread of GNU's OpenMP goes to sleep; its own default is 300,000.
LOOKS = "1000"
#: A core counts as taken by others from this share of it, and this many seconds (the system counts in hundredths).
_SHARE, _SECONDS = 0.1, 0.1


def bounded_spin(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to the environment of a process before torch is loaded; nothing where the user has said it."""
    return {} if any(name in environment for name in _OWN) else {"GOMP_SPINCOUNT": LOOKS}


def usable_cores() -> int:
    """Physical cores that this process may use: its affinity and its container's quota count."""
    from joblib import cpu_count

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the physical cores cannot be counted, the logical ones are
        return max(1, cpu_count(only_physical_cores=True))


@dataclass(frozen=True)
class Reading:
    """A moment: seconds of a wall clock, of processor time of this process, and of all processors of the machine."""

    wall: float = field(default_factory=time.perf_counter)
    own: float = field(default_factory=time.process_time)
    all: float = field(default_factory=lambda: _busy_seconds())


def undisturbed(start: Reading, end: Reading, threads: int, cores: int | None = None) -> bool:
    """Whether a process with `threads` threads had its cores from `start` to `end`, so that a timing means something.

    Others may keep busy the cores that it leaves. With one thread, a process that got less processor time than the
    clock moved while others computed was kept waiting, too.

    Args:
        cores: of the machine; counted if None.
    """
    import psutil

    wall, own = end.wall - start.wall, end.own - start.own
    others = end.all - start.all - own
    slack = max(_SHARE * wall, _SECONDS)
    free = max(0, (cores or psutil.cpu_count() or 1) - threads)
    waited = threads == 1 and wall - own > slack and others > slack
    return others <= free * wall + slack and not waited


def _busy_seconds() -> float:
    """Processor seconds that all processes of the machine have used, with what a hypervisor took."""
    import psutil

    times = psutil.cpu_times()
    return sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal"))
