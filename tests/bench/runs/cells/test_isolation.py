"""What a plugin may change in its process is put back, and its KeyboardInterrupt is not the user's."""

import os
import signal
import threading

import pytest
import torch
from torch.nn.modules import module as modules
from torch.optim import optimizer as optimizers
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from bench.errors import PluginError, UserInterrupt
from bench.runs.cells.isolation import contained, default_device


class Function(TorchFunctionMode):
    def __torch_function__(self, function, types, arguments=(), named=None):
        return function(*arguments, **(named or {})) * 2


class Dispatch(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        return function(*arguments, **(named or {}))


def nothing(*arguments, **named):
    """Changes nothing."""


#: Name → (what a plugin does, what is read before and after).
CHANGES = {
    "forward hook": (
        lambda: modules.register_module_forward_hook(nothing),
        lambda: dict(modules._global_forward_hooks),
    ),
    "forward pre-hook": (
        lambda: modules.register_module_forward_pre_hook(nothing),
        lambda: dict(modules._global_forward_pre_hooks),
    ),
    "backward hook": (
        lambda: modules.register_module_full_backward_hook(nothing),
        lambda: (dict(modules._global_backward_hooks), modules._global_is_full_backward_hook),
    ),
    "parameter hook": (
        lambda: modules.register_module_parameter_registration_hook(nothing),
        lambda: dict(modules._global_parameter_registration_hooks),
    ),
    "optimizer hook": (
        lambda: optimizers.register_optimizer_step_post_hook(nothing),
        lambda: dict(optimizers._global_optimizer_post_hooks),
    ),
    "function mode": (lambda: Function().__enter__(), lambda: float(torch.ones(1) + 1)),
    "dispatch mode": (
        lambda: Dispatch().__enter__(),
        lambda: len(torch.utils._python_dispatch._get_current_dispatch_mode_stack()),
    ),
    "autocast": (lambda: torch.set_autocast_enabled("cpu", True), lambda: torch.is_autocast_enabled("cpu")),
    "autocast on a GPU": (
        lambda: torch.set_autocast_enabled("cuda", True),
        lambda: torch.is_autocast_enabled("cuda"),
    ),
    "anomalies": (lambda: torch.autograd.set_detect_anomaly(True), torch.is_anomaly_enabled),
    "mkldnn": (lambda: setattr(torch.backends.mkldnn, "enabled", False), lambda: torch.backends.mkldnn.enabled),
    "type": (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
    "device": (lambda: torch.set_default_device("meta"), default_device),
    "determinism": (
        lambda: torch.use_deterministic_algorithms(True),
        torch.are_deterministic_algorithms_enabled,
    ),
    "generator": (lambda: torch.manual_seed(7), torch.initial_seed),
}


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
@pytest.mark.parametrize("name", CHANGES)
def test_what_a_plugin_changes_is_put_back(name):
    change, state = CHANGES[name]
    before = state()
    with contained():
        inside = state()
        change()
        assert state() != inside  # the change is one
    assert state() == before


def test_a_hook_of_the_users_own_stays():
    handle = modules.register_module_forward_hook(nothing)
    try:
        with contained():
            modules.register_module_forward_hook(nothing)
        assert list(modules._global_forward_hooks.values()) == [nothing]
    finally:
        handle.remove()


def test_a_plugins_interrupt_is_its_own_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(PluginError, match="nobody pressed Ctrl-C"), contained():
        raise KeyboardInterrupt
    assert signal.getsignal(signal.SIGINT) is before


def test_the_users_interrupt_passes():
    with pytest.raises(UserInterrupt), contained():
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(5)


@pytest.mark.parametrize("before", [None, "meta"])
def test_a_default_device_is_put_back(before):
    torch.set_default_device(before)
    try:
        wanted = default_device()
        for theirs in ("meta", "cpu", None):
            with contained():
                torch.set_default_device(theirs)
            assert default_device() == wanted
    finally:
        torch.set_default_device(None)
    assert default_device() == torch.device("cpu")


def test_a_default_device_set_and_taken_back_leaves_runs_alone(monkeypatch):
    """torch 2.6's `get_default_device` raises then, so that it must not be asked."""

    def raises():
        raise AttributeError("'NoneType' object has no attribute 'device'")

    torch.set_default_device("meta")
    torch.set_default_device(None)
    monkeypatch.setattr(torch, "get_default_device", raises)
    with contained():
        assert torch.empty(1).device.type == "cpu"
