"""Camera stamps: whether they are in order, and which frames are missing between them."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np

LEAP_S = 5.0
"""A gap this long starts another recording."""
MAX_DISPLACEMENT = 5
"""Maximum number of places by which an image is recorded too early. rosbag2 swaps neighbours on a busy machine."""

_T = TypeVar("_T")


class Order(Enum):
    """How a stamp follows those before it."""

    IN_ORDER = "in order"
    REPEATED = "repeated"
    WENT_BACK = "went back"
    LEAPT = "leapt"
    INVALID = "invalid"


@dataclass(frozen=True)
class _Moment:
    stamp_s: float
    arrival_s: float

    def leads_to(self, later: "_Moment") -> bool:
        """Return whether `later` may be the next frame, however long the camera paused.

        Stamps that run ahead of the arrivals by more than LEAP_S come from another clock or another recording.
        """
        stamps, arrivals = later.stamp_s - self.stamp_s, later.arrival_s - self.arrival_s
        return 0 <= stamps <= arrivals + LEAP_S


class StampOrder:
    """Judges stamps one by one; one wrong stamp does not discredit the good ones after it.

    A stamp is in order if it follows the last stamp that was in order, or its immediate predecessor. So a restarted
    recording or a clock that was set is out of order only once.
    """

    def __init__(self) -> None:
        self._trusted: _Moment | None = None
        self._previous: _Moment | None = None

    def judge(self, stamp_s: float | None, arrival_s: float) -> Order:
        """Judge the next stamp.

        Args:
            stamp_s: Seconds on the camera's clock; None for an invalid time.
            arrival_s: Seconds on a monotonic clock.
        """
        if stamp_s is None:
            return Order.INVALID
        moment = _Moment(stamp_s, arrival_s)
        previous, self._previous = self._previous, moment
        if self._trusted is None or previous is None:
            self._trusted = moment
            return Order.IN_ORDER
        if self._trusted.leads_to(moment) or previous.leads_to(moment):
            self._trusted = moment
            return Order.REPEATED if stamp_s == previous.stamp_s else Order.IN_ORDER
        return Order.WENT_BACK if stamp_s < self._trusted.stamp_s else Order.LEAPT


def by_stamp(items: Iterable[_T], stamp: Callable[[_T], float | None]) -> Iterator[_T]:
    """Sort items by stamp that are recorded up to MAX_DISPLACEMENT places too early.

    A stamp that is repeated, or that goes back further, starts another recording, as in a drive that is played in a
    loop. Recordings are not mixed.

    Args:
        items: In order of recording.
        stamp: Returns the stamp of an item; None for an item without one, which keeps its place.
    """
    waiting: list[tuple[float, int, _T]] = []
    seen: set[float] = set()
    last: float | None = None
    for number, item in enumerate(items):
        time = stamp(item)
        if time is None or time in seen or (last is not None and time <= last):
            yield from (entry[-1] for entry in sorted(waiting, key=lambda entry: entry[0]))
            waiting, seen, last = [], set(), None
        if time is None:
            yield item
            continue
        heapq.heappush(waiting, (time, number, item))
        seen.add(time)
        if len(waiting) > MAX_DISPLACEMENT:
            last, _, first = heapq.heappop(waiting)
            seen.remove(last)
            yield first
    yield from (entry[-1] for entry in sorted(waiting, key=lambda entry: entry[0]))


def count_missing(stamps: Iterable[float]) -> int:
    """Estimate how many frames were lost between those that arrived.

    The period is taken from the shortest intervals, so it is found even if half of the frames are lost. Intervals of
    LEAP_S or more, and time that goes back (see `by_stamp`), start another recording and are not losses.

    Args:
        stamps: Seconds, in the order of arrival.

    Returns:
        0 if most intervals are not small multiples of one period, as with a camera that is triggered irregularly.
    """
    intervals = np.diff(np.fromiter(by_stamp(stamps, float), float))
    intervals = intervals[(intervals > 0) & (intervals < LEAP_S)]
    if len(intervals) < 5:
        return 0
    short = np.sort(intervals)[(len(intervals) - 1) // 5]  # percentile(…, 20, method="lower"), from numpy 1.22 on
    multiples = np.rint(intervals / intervals[intervals < 1.6 * short].mean()).clip(min=1)
    periods = intervals * (multiples.sum() / intervals.sum())  # the mean over all intervals is the best period
    multiples = np.rint(periods).clip(min=1)
    fits = (np.abs(periods - multiples) < 0.2) & (multiples <= 5)
    return int((multiples - 1).sum()) if fits.mean() > 0.7 else 0
