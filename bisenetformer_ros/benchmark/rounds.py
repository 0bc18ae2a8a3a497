"""Times contestants in turn, so that load on the machine affects all of them alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, sleep

import numpy as np

from bisenetformer_ros.benchmark.contestants import SegmentFrame
from bisenetformer_ros.results import StageTimes

WARM_UPS = 3
PAUSE_S = 0.05
"""Pause between contestants: the previous one's threads spin for a while, waiting for work."""


@dataclass(frozen=True)
class Timing:
    """Time of one frame, from the uint8 image to the result, and its share per stage."""

    total_ms: float
    stages_ms: StageTimes


def run_rounds(
    contestants: Mapping[str, SegmentFrame],
    frames: Sequence[np.ndarray],
    num_rounds: int,
    after_round: Callable[[int], None] = lambda number: None,
) -> dict[str, list[Timing]]:
    """Give every contestant the same frame in each round; the order rotates.

    Args:
        contestants: Opened contestants by name.
        frames: (H, W, 3) uint8 RGB, used in turn.
        num_rounds: Frames per contestant.
        after_round: Called with the number of completed rounds, from 1.

    Returns:
        Timings by name, one per round.
    """
    for segment in contestants.values():
        for _ in range(WARM_UPS):
            segment(frames[0])
    timings: dict[str, list[Timing]] = {name: [] for name in contestants}
    order = list(contestants)
    for number in range(num_rounds):
        for name in order:
            sleep(PAUSE_S)
            timings[name].append(time_frame(contestants[name], frames[number % len(frames)]))
        order = order[1:] + order[:1]
        after_round(number + 1)
    return timings


def time_frame(segment: SegmentFrame, frame: np.ndarray) -> Timing:
    """Time one call; without stage times, all of it counts as inference."""
    start = perf_counter()
    result = segment(frame)
    total_ms = 1e3 * (perf_counter() - start)
    return Timing(total_ms, result.times_ms or StageTimes(0.0, total_ms, 0.0))
