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
MAX_PERIODS_PER_FRAME = 15
"""If more of the frames are lost, the period is unknown."""

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


class Spacing:
    """Picks frames of a camera that are at least `period_s` apart, by their stamps or by their arrival.

    Either counts, as recordings are played faster than they were made, and some cameras do not stamp.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._picked: tuple[float, float] | None = None

    def is_due(self, stamp_s: float, arrival_s: float) -> bool:
        """Return whether to pick this frame; the next one is then due `period_s` later.

        Args:
            stamp_s: Seconds on the camera's clock.
            arrival_s: Seconds on a monotonic clock.
        """
        times = stamp_s, arrival_s
        if self._picked and all(abs(a - b) < self._period_s for a, b in zip(times, self._picked, strict=True)):
            return False
        self._picked = times
        return True


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


def count_missing(stamps: Iterable[float], period_s: float | None = None) -> int:
    """Estimate how many frames were lost between those that arrived.

    Intervals of LEAP_S or more, and time that goes back (see `by_stamp`), start another recording and are not losses.

    Args:
        stamps: Seconds, in the order of arrival.
        period_s: Period of the camera; None to estimate it by `frame_period`.

    Returns:
        0 if the period is unknown.
    """
    stamps = list(stamps)
    period_s = period_s or frame_period(stamps)
    return int((_multiples(_intervals(stamps), period_s) - 1).sum()) if period_s else 0


def frame_period(stamps: Iterable[float]) -> float | None:
    """Estimate the period of a camera of which most frames may be lost.

    The estimate is the longest period, among those of the shortest intervals, of which the intervals are multiples.

    Args:
        stamps: Seconds, in the order of arrival.

    Returns:
        Seconds; None if most intervals are not multiples of one period, as with a camera that is triggered irregularly
        or sends images in pairs, and for fewer than 8 stamps.
    """
    intervals = _intervals(stamps)
    place = (len(intervals) - 1) // 5
    while place >= 0:
        short = np.sort(intervals)[place]
        period = float(intervals[intervals < 1.6 * short].mean())
        for _ in range(2):  # the mean over all intervals is the best period
            period = float(intervals.sum() / _multiples(intervals, period).sum())
        if _fit(intervals, period):
            return period
        place = place // 2 if place else -1
    return None


def _intervals(stamps: Iterable[float]) -> np.ndarray:
    intervals = np.diff(np.fromiter(by_stamp(stamps, float), float))
    return intervals[(intervals > 0) & (intervals < LEAP_S)]


def _multiples(intervals: np.ndarray, period_s: float) -> np.ndarray:
    return np.rint(intervals / period_s).clip(min=1)


def _fit(intervals: np.ndarray, period_s: float) -> bool:
    """Whether the intervals are multiples of the period beyond chance, by which 40 % deviate by less than 0.2."""
    multiples = _multiples(intervals, period_s)
    fits = np.abs(intervals / period_s - multiples) < 0.2
    # Random losses leave single periods in proportion to the frames. Images in pairs leave more, and long gaps.
    if (multiples == 1).mean() * multiples.mean() > 2:
        fits &= multiples <= 5
    by_chance = 0.4 + 1.5 / np.sqrt(len(intervals))  # plus 3 standard deviations
    return bool(fits.mean() > by_chance and multiples.mean() < MAX_PERIODS_PER_FRAME)
