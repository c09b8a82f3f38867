"""What a plugin may change in the process that runs it, put back, so that the next stack's numbers are its own."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def contained(threads: int | None = None) -> Iterator[None]:
    """Run a plugin's code with `threads` torch threads and fixed global generators, and undo what it changed.

    Covers the generators of torch, NumPy and Python, torch's default type and device, threads, gradient mode, matmul
    precision and determinism, NumPy's error handling, warning filters, the working folder, and what is printed (it
    goes to standard error). What else it may reach in the process, only a child process keeps from others.
    """
    with contextlib.ExitStack() as undo:
        for keep in (_torch_settings, _python_settings):
            undo.enter_context(keep())
        undo.enter_context(torch.random.fork_rng(devices=[]))
        undo.enter_context(contextlib.redirect_stdout(sys.stderr))
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
