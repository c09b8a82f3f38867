"""The order of a CUDA graph's capture, on a machine without a GPU: a stand-in for `torch.cuda` notes what is asked."""

import contextlib

import pytest
import torch

from bench.throughput import timing
from bench.train.replay import cudagraph


class Device:
    """What `captured` asks of `torch.cuda`, noted in order in `asked`."""

    def __init__(self, monkeypatch):
        self.asked, self.capturing = [], False
        note = self.asked.append

        class Stream:
            def __init__(self, name="side"):
                self.name = name

            def wait_stream(self, other):
                note(f"{self.name} waits for {other.name}")

        class Graph:
            def register_generator_state(self, generator):
                note(f"draws from {generator}")

            def replay(self):
                note("replay")

        @contextlib.contextmanager
        def stream(side):
            note(f"on {side.name}")
            yield

        @contextlib.contextmanager
        def graph(graph, stream):
            note(f"capture on {stream.name}")
            self.capturing = True
            yield
            self.capturing = False

        main = Stream("main")
        for name, value in {"Stream": Stream, "CUDAGraph": Graph, "stream": stream, "graph": graph}.items():
            monkeypatch.setattr(torch.cuda, name, value)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: main)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda: note("wait"))


@pytest.fixture
def device(monkeypatch):
    return Device(monkeypatch)


def test_warm_up_generators_and_capture_come_in_order(device):
    def work():
        device.asked.append("captured work" if device.capturing else "work")
        return "result"

    result, replay = cudagraph.captured(work, ["a generator"])
    assert result == "result"
    assert device.asked == [
        "side waits for main", "on side", *["work"] * cudagraph.WARM_UP, "main waits for side", "wait",
        "draws from a generator", "capture on side", "captured work",
    ]  # fmt: skip
    replay()
    assert device.asked[-1] == "replay"


def test_what_cannot_be_captured_says_so_once_the_device_is_quiet(device):
    def work():
        if device.capturing:
            raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        cudagraph.captured(work)
    assert device.asked[-2:] == ["capture on side", "wait"]
    assert timing._graph(work) is work  # then it is timed call by call


def test_a_timed_method_draws_from_the_generators_of_its_object(device):
    class Work:
        generators = ("its generator",)

        def draw(self):
            pass

    timing._graph(Work().draw)()
    assert "draws from its generator" in device.asked and device.asked[-1] == "replay"
