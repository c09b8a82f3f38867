"""What a plugin may change in the process that runs it, put back, so that the next stack's numbers are its own."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from bench.errors import PluginError, UserInterrupt
from bench.streams import Lasting
from bench.torch_private import entered_modes, keep_hooks


@contextlib.contextmanager
def contained(threads: int | None = None) -> Iterator[None]:
    """Run a plugin's code with `threads` torch threads and fixed global generators, and undo what it changed.

    Covers the generators of torch, NumPy and Python, torch's default type and device, threads, gradient mode, matmul
    precision, determinism, global hooks of modules and optimisers, function modes and switches of its backends, NumPy's
    error handling, warning filters, the working folder, and what is printed (it goes to standard error). What else it
    may reach in the process, only a child process keeps from others.

    Raises:
        PluginError: a KeyboardInterrupt that was not the user's.
    """
    with contextlib.ExitStack() as undo:
        for keep in (_own_interrupts, _torch_settings, _torch_modes, _torch_hooks, _torch_backends, _python_settings):
            undo.enter_context(keep())
        undo.enter_context(torch.random.fork_rng(devices=[]))
        heard: Any = Lasting(sys.stderr)  # what a plugin prints is no reason to fail where nobody listens any more
        undo.enter_context(contextlib.redirect_stdout(heard))
        undo.enter_context(contextlib.redirect_stderr(heard))
        if threads:
            torch.set_num_threads(threads)
        torch.manual_seed(0)
        yield


def default_device() -> torch.device:
    """Where torch makes a tensor that is told nothing.

    torch 2.6's own question for it raises once a default device was set and taken back.
    """
    return torch.empty(0).device


@contextlib.contextmanager
def _torch_settings() -> Iterator[None]:
    dtype, threads, gradients = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    precision, deterministic = torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled()
    device = default_device()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.set_grad_enabled(gradients)
        torch.set_float32_matmul_precision(precision)
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            torch.use_deterministic_algorithms(deterministic)
        if default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)


@contextlib.contextmanager
def _python_settings() -> Iterator[None]:
    numpy_state, python_state, errors = np.random.get_state(), random.getstate(), np.geterr()
    folder = os.getcwd()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        np.seterr(**errors)
        os.chdir(folder)


@contextlib.contextmanager
def _own_interrupts() -> Iterator[None]:
    """Tells the user's Ctrl-C, which a signal brings, from a KeyboardInterrupt that a plugin raises.

    Outside the main thread, no signal raises anything.
    """
    handler: Any = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: object) -> None:
        try:
            handler(number, frame)
        except KeyboardInterrupt as error:
            raise (error if isinstance(error, UserInterrupt) else UserInterrupt()) from None

    heard = callable(handler) and threading.current_thread() is threading.main_thread()
    if heard:
        signal.signal(signal.SIGINT, handle)
    try:
        yield
    except UserInterrupt:
        raise
    except KeyboardInterrupt as error:
        raise PluginError("its code raised KeyboardInterrupt, and nobody pressed Ctrl-C") from error
    finally:
        if heard:
            signal.signal(signal.SIGINT, handler)


#: Kinds of device that have mixed precision of their own.
_AUTOCAST = ("cpu", "cuda")
#: Switches that change numbers.
_SWITCHES = (
    (torch.backends.cudnn, "enabled"),
    (torch.backends.cudnn, "benchmark"),
    (torch.backends.cudnn, "deterministic"),
    (torch.backends.cudnn, "allow_tf32"),
    (torch.backends.cuda.matmul, "allow_tf32"),
    (torch.backends.mkldnn, "enabled"),
)


@contextlib.contextmanager
def _torch_hooks() -> Iterator[None]:
    """Hooks on all modules and optimisers: they would go on in the stacks of others."""
    put_back = keep_hooks()
    try:
        yield
    finally:
        put_back()


@contextlib.contextmanager
def _torch_modes() -> Iterator[None]:
    """Function and dispatch modes that were entered and not left, automatic mixed precision, anomaly detection."""
    depths = [len(modes) for modes in entered_modes()]
    autocast, anomalies = {kind: torch.is_autocast_enabled(kind) for kind in _AUTOCAST}, torch.is_anomaly_enabled()
    try:
        yield
    finally:
        for kind, depth in enumerate(depths):
            for mode in reversed(entered_modes()[kind][depth:]):
                with contextlib.suppress(Exception):
                    mode.__exit__(None, None, None)
        for device, enabled in autocast.items():
            torch.set_autocast_enabled(device, enabled)
        torch.autograd.set_detect_anomaly(anomalies)


@contextlib.contextmanager
def _torch_backends() -> Iterator[None]:
    before = [getattr(home, name, None) for home, name in _SWITCHES]
    try:
        yield
    finally:
        for (home, name), value in zip(_SWITCHES, before, strict=True):
            if value is not None and getattr(home, name, None) != value:
                setattr(home, name, value)
