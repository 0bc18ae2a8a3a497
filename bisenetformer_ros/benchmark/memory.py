"""The memory that a contestant takes, measured in a process of its own."""

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from bisenetformer_ros.benchmark.contestants import Contestant
from bisenetformer_ros.errors import EngineError

FRAMES = 3
"""The first frame makes plans and caches; after the third nothing grows any more."""


def measure_peak_mib(contestant: Contestant, frame: np.ndarray) -> float:
    """The most that a fresh process held in memory, in MiB, libraries included: opened, and a few frames segmented.

    Of the GPU's memory nothing is counted. Raises EngineError if the process ends without a result.
    """
    context = multiprocessing.get_context("spawn")  # a forked one would begin with this process's memory
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_segment_and_report, args=(contestant, frame, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        raise EngineError(
            f"{contestant.name}: the process that measures memory ended early, exit code {process.exitcode}"
        ) from None
    finally:
        process.join()


def _segment_and_report(contestant: Contestant, frame: np.ndarray, sender: Connection) -> None:
    segment = contestant.open()
    for _ in range(FRAMES):
        segment(frame)
    sender.send(peak_mib())


def peak_mib() -> float:
    """The most resident memory that this process has had, in MiB, from the kernel's books."""
    # Not getrusage: its maximum survives exec, so a child would report its parent's.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
