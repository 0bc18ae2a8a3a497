"""Peak memory of a contestant, measured in a process of its own."""

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from bisenetformer_ros.benchmark.contestants import Contestant
from bisenetformer_ros.errors import EngineError

FRAMES = 3
"""The first frame creates plans and caches; after the third, memory no longer grows."""


def measure_peak_mib(contestant: Contestant, frame: np.ndarray) -> float:
    """Measure the peak memory, in MiB, of a new process that opens the contestant and segments FRAMES frames.

    This is resident memory with libraries, without GPU memory.

    Raises:
        EngineError: The process ended without a result.
    """
    context = multiprocessing.get_context("spawn")  # a forked process would start with this one's memory
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_segment_and_report, args=(contestant, frame, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        raise EngineError(
            f"{contestant.name}: the process that measures memory exited early, exit code {process.exitcode}"
        ) from None
    finally:
        process.join()


def _segment_and_report(contestant: Contestant, frame: np.ndarray, sender: Connection) -> None:
    segment = contestant.open()
    for _ in range(FRAMES):
        segment(frame)
    sender.send(peak_mib())


def peak_mib() -> float:
    """Return the peak resident memory of this process, in MiB."""
    # Not by getrusage, whose maximum survives exec: a child would report its parent's.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
