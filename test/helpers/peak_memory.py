"""The memory that a function takes, without that of its inputs."""

import tracemalloc
from collections.abc import Callable

import numpy as np
from torch.profiler import ProfilerActivity, profile


def peak_bytes(function: Callable[[], object]) -> int:
    """The most memory that tensors and arrays made by `function` take, as their two allocators report it."""
    function()  # what is set up once per process is not what a frame takes
    tracemalloc.start()
    function()
    arrays = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recording:
        function()
    allocations = [event for event in recording.profiler.kineto_results.events() if event.name() == "[memory]"]
    allocations.sort(key=lambda event: event.start_ns())
    tensors = np.cumsum([event.nbytes() for event in allocations])
    return int(tensors.max()) + arrays
