"""Work on a GPU as one CUDA graph: launched once for capture, replayed as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

#: Calls before the capture, in which libraries set themselves up.
WARM_UP = 3


def captured(function: Callable[[], Any], generators: Iterable[torch.Generator] = ()) -> tuple[Any, Callable[[], None]]:
    """What `function` returns, whose tensors every replay fills anew, and the replay.

    Args:
        function: launches the same work whenever it is called.
        generators: on the device, from which it draws.

    Raises:
        RuntimeError: `function` does something that cannot be captured, such as waiting for the device.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            function()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    try:
        with torch.cuda.graph(graph, stream=side):
            result = function()
    except RuntimeError:
        torch.cuda.synchronize()
        raise
    return result, graph.replay
