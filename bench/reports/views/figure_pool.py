"""Several processes for the figures of a large report: matplotlib draws on one core, and this process draws, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

Job = TypeVar("Job")
Found = TypeVar("Found")

#: One thread each: figures need no more, and so many processes must not fight over the cores.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def spread(function: Callable[[Job], Found], jobs: Sequence[Job], processes: int) -> list[Found]:
    """`function` of every job, in order, in `processes` processes of which this is one.

    Args:
        function: of a module, so that another process finds it; what it takes and returns can be pickled.
    """
    if processes <= 1 or len(jobs) <= 1:
        return [function(job) for job in jobs]
    from joblib.externals.loky import ProcessPoolExecutor  # its processes never run the user's own script again

    with ProcessPoolExecutor(min(processes, len(jobs)) - 1, env=_ENVIRONMENT) as pool:
        futures = [pool.submit(function, job) for job in jobs]
        places = range(len(jobs))
        own = {place: function(jobs[place]) for place in reversed(places) if futures[place].cancel()}
        return [own[place] if place in own else _outcome(futures[place], function, jobs[place]) for place in places]


def _outcome(future: Future[Found], function: Callable[[Any], Found], job: Any) -> Found:
    """What another process found; where that process was killed, this one does the job."""
    from joblib.externals.loky import BrokenProcessPool

    try:
        return future.result()
    except BrokenProcessPool:
        return function(job)
