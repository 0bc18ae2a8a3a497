"""Timing several contestants in turn, so that whatever disturbs the machine disturbs them alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, sleep

import numpy as np

from bisenetformer_ros.benchmark.contestants import Segment
from bisenetformer_ros.results import SegmentationResult, StageTimes

WARM_UPS = 3
PAUSE_S = 0.05
"""Between two contestants: the threads of the one before spin for a while, waiting for more work."""


@dataclass(frozen=True)
class Timing:
    """One frame: from the uint8 image to the result, and what of it the contestant assigns to its stages."""

    total_ms: float
    stages_ms: StageTimes


def run_rounds(
    contestants: Mapping[str, Segment],
    frames: Sequence[np.ndarray],
    num_rounds: int,
    after_round: Callable[[int], None] = lambda number: None,
) -> dict[str, list[Timing]]:
    """Each round gives every contestant one frame, the same to all; who is first changes from round to round.

    after_round is called with the number of rounds done, from 1.
    """
    for segment in contestants.values():
        for _ in range(WARM_UPS):
            segment(frames[0])
    timings: dict[str, list[Timing]] = {name: [] for name in contestants}
    order = list(contestants)
    for number in range(num_rounds):
        for name in order:
            sleep(PAUSE_S)
            timings[name].append(time_frame(contestants[name], frames[number % len(frames)])[0])
        order = order[1:] + order[:1]
        after_round(number + 1)
    return timings


def time_frame(segment: Segment, frame: np.ndarray) -> tuple[Timing, SegmentationResult]:
    start = perf_counter()
    result = segment(frame)
    total_ms = 1e3 * (perf_counter() - start)
    return Timing(total_ms, result.times_ms or StageTimes(0.0, total_ms, 0.0)), result
