"""What the stamps of a camera tell about its frames."""

from collections.abc import Iterable

import numpy as np

LEAP_S = 5.0
"""After so long a gap it is another recording."""


def count_missing(stamps: Iterable[float]) -> int:
    """How many frames fell out between those that arrived, judged by their stamps in seconds.

    The period is sought among the shortest intervals, so that it is found even if half of the frames are lost. 0 if
    most intervals are not small multiples of it, as of a camera that is triggered now and then. Time that goes back or
    takes a leap of LEAP_S is another recording, not a loss.
    """
    intervals = np.diff(np.fromiter(stamps, float))
    intervals = intervals[(intervals > 0) & (intervals < LEAP_S)]
    if len(intervals) < 5:
        return 0
    short = np.percentile(intervals, 20, method="lower")
    multiples = np.rint(intervals / intervals[intervals < 1.6 * short].mean()).clip(min=1)
    periods = intervals * (multiples.sum() / intervals.sum())  # all intervals together give the period best
    multiples = np.rint(periods).clip(min=1)
    fits = (np.abs(periods - multiples) < 0.2) & (multiples <= 5)
    return int((multiples - 1).sum()) if fits.mean() > 0.7 else 0
