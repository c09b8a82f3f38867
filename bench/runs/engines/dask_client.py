"""Connecting to a dask.distributed cluster: one's own inside this process, or one that runs already."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.errors import UsageError, one_line
from bench.runs.engines.code_versions import code_facts, differences
from bench.runs.progress import duration

#: Seconds to wait for a scheduler, and for its first worker.
CONNECT_LIMIT = 10.0
WORKER_LIMIT = 30.0
#: Seconds that the end of a connection may take.
_CLOSE_LIMIT = 2.0


@contextlib.contextmanager
def connected(address: str | None, n_workers: int) -> Iterator[Any]:
    """A `distributed.Client`.

    Args:
        address: of a scheduler (`tcp://…`, `tls://…`) or its scheduler file; None starts a cluster inside this process,
            which ends with it and listens on no port: the stacks run in child processes anyway.
        n_workers: workers of one's own cluster, with one thread each.

    Raises:
        UsageError: no scheduler answers, or it has no worker.
    """
    from distributed import Client, LocalCluster

    with contextlib.ExitStack() as opened:
        logging.getLogger("distributed").setLevel(logging.ERROR if address is None else logging.CRITICAL)
        if address is None:
            cluster = LocalCluster(n_workers=n_workers, threads_per_worker=1, processes=False, dashboard_address=None)
            where: dict[str, Any] = {"address": opened.enter_context(cluster)}
        else:
            where = _place(address)
        try:
            client = Client(**where, timeout=CONNECT_LIMIT, set_as_default=False)
            opened.callback(client.close, timeout=_CLOSE_LIMIT)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = one_line(error, bare=True) or type(error).__name__
            raise UsageError(
                f"no dask scheduler answers at {address}: {reason}; start one with: dask scheduler"
            ) from error
        try:
            client.wait_for_workers(1, timeout=WORKER_LIMIT)
        except TimeoutError as error:
            raise UsageError(
                f"the scheduler at {address} has no worker after {duration(WORKER_LIMIT)}; start one with: "
                "dask worker ADDRESS --nthreads 1"
            ) from error
        yield client


def _place(address: str) -> dict[str, Any]:
    if "://" in address:
        return {"address": address}
    if not Path(address).is_file():
        raise UsageError(
            f"--engine dask={address}: neither an address nor a scheduler file; give one, e.g. dask=tcp://HOST:8786"
        )
    return {"scheduler_file": address}


def check_workers(client: Any, plugins: tuple[str, ...], ours: Mapping[str, str]) -> int:
    """Hold every worker to this process's code; the number of GPUs that workers declare as the resource `GPU`.

    Args:
        ours: `code_facts` of this process.

    Raises:
        UsageError: a worker that lacks aebench or a plugin, or has other versions of them.
    """
    for worker, theirs in client.run(code_facts, plugins, on_error="return").items():
        if isinstance(theirs, BaseException):
            raise UsageError(
                f"worker {worker} cannot work on this run: {one_line(theirs)}; install the same "
                "aebench there, and give --plugins a path that it sees, too"
            )
        if wrong := differences(ours, theirs):
            raise UsageError(
                f"worker {worker} runs other code than this process: {wrong}; install the same there, "
                "and start the worker again"
            )
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return int(sum(worker["resources"].get("GPU", 0) for worker in workers))
