"""What a plugin changes in the process is put back."""

import pytest
import torch

from bench.runs.cells.isolation import contained, default_device


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
