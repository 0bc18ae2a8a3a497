"""Counts frames and keeps the times of the last few seconds. Knows no ROS; safe to use from several threads."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from bisenetformer_ros.images.stamps import Order, StampOrder, count_missing

WINDOW_S = 5.0
"""Rates, percentiles and `recent` counts are of this many seconds."""


@dataclass(frozen=True)
class FrameLatency:
    """Where the time of one frame went, in milliseconds.

    transport: age by its stamp when it arrived; negative if the camera's clock is ahead.
    total: arrival to the last output published, waiting included.
    """

    transport: float
    decode: float
    preprocess: float
    inference: float
    postprocess: float
    publish: float
    total: float


@dataclass(frozen=True)
class FrameReport:
    """What is known at one moment. `received` = `segmented` + the sum of `dropped` + the frames still in work.

    arrival_rate, stamp_rate, output_rate: Hz, by the node's clock, by the stamps, of the results; 0 if unknown.
    missing: frames that gaps in the stamps tell of, within the window. `recent_*` are counts within the window.
    details: reason → the newest explanation that came with it.
    noted: peculiarity → how often it was met; such frames are segmented all the same.
    published: topic → messages of it that were built and sent.
    delay_ms: age by its stamp of the last result when it was published; None before the first one.
    seconds_since_frame: None before the first frame. latency_ms: stage → (p50, p95, p99), empty without results.
    """

    received: int
    segmented: int
    dropped: Mapping[str, int]
    details: Mapping[str, str]
    noted: Mapping[str, int]
    published: Mapping[str, int]
    non_increasing: int
    arrival_rate: float
    stamp_rate: float
    output_rate: float
    missing: int
    recent_received: int
    recent_dropped: Mapping[str, int]
    delay_ms: float | None
    seconds_since_frame: float | None
    latency_ms: Mapping[str, tuple[float, float, float]]


class FrameStatistics:
    """One counter for every frame: it was segmented, or it was dropped for a named reason."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds, steady."""
        self._clock = clock
        self._lock = threading.Lock()
        self._received = self._segmented = self._non_increasing = 0
        self._dropped: Counter[str] = Counter()
        self._details: dict[str, str] = {}
        self._noted: Counter[str] = Counter()
        self._published: Counter[str] = Counter()
        self._arrivals: deque[tuple[float, float]] = deque()  # (arrival, stamp) in s
        self._drops: deque[tuple[float, str]] = deque()
        self._results: deque[tuple[float, FrameLatency]] = deque()
        self._last_arrival: float | None = None
        self._stamp_order = StampOrder()
        self._delay_ms: float | None = None

    @property
    def total_dropped(self) -> int:
        with self._lock:
            return self._dropped.total()

    def frame_received(self, stamp_s: float | None) -> Order:
        """stamp_s: None if it is no valid time. Returns how it follows those before it."""
        with self._lock:
            self._last_arrival = self._clock()
            self._received += 1
            if stamp_s is not None:
                self._arrivals.append((self._last_arrival, stamp_s))
            order = self._stamp_order.judge(stamp_s, self._last_arrival)
            self._non_increasing += order in (Order.REPEATED, Order.WENT_BACK)
            return order

    def note(self, peculiarity: str) -> None:
        """Counts something odd that costs no frame."""
        with self._lock:
            self._noted[peculiarity] += 1

    def frame_dropped(self, reason: str, detail: str = "") -> None:
        """reason: a short name, the key it is counted under. detail: what was wrong with this frame, for people."""
        with self._lock:
            self._dropped[reason] += 1
            self._details[reason] = detail
            self._drops.append((self._clock(), reason))

    def frame_segmented(self, latency: FrameLatency, delay_ms: float, published: Iterable[str] = ()) -> None:
        """published: the topics that somebody listened to."""
        with self._lock:
            self._segmented += 1
            self._published.update(published)
            self._delay_ms = delay_ms
            self._results.append((self._clock(), latency))

    def report(self) -> FrameReport:
        with self._lock:
            now = self._clock()
            for events in (self._arrivals, self._drops, self._results):
                while events and events[0][0] < now - WINDOW_S:
                    events.popleft()
            stamps = [stamp for _, stamp in self._arrivals]
            return FrameReport(
                received=self._received,
                segmented=self._segmented,
                dropped=dict(self._dropped),
                details=dict(self._details),
                noted=dict(self._noted),
                published=dict(self._published),
                non_increasing=self._non_increasing,
                arrival_rate=_rate([arrival for arrival, _ in self._arrivals]),
                stamp_rate=_rate(stamps),
                output_rate=_rate([end for end, _ in self._results]),
                missing=count_missing(stamps),
                recent_received=len(self._arrivals),
                recent_dropped=Counter(reason for _, reason in self._drops),
                delay_ms=self._delay_ms,
                seconds_since_frame=None if self._last_arrival is None else now - self._last_arrival,
                latency_ms=_percentiles([latency for _, latency in self._results]),
            )


def _rate(times_s: list[float]) -> float:
    if len(times_s) < 2 or times_s[-1] <= times_s[0]:
        return 0.0
    return (len(times_s) - 1) / (times_s[-1] - times_s[0])


def _percentiles(latencies: list[FrameLatency]) -> dict[str, tuple[float, float, float]]:
    if not latencies:
        return {}
    stages = [field.name for field in fields(FrameLatency)]
    table = np.array([[getattr(latency, stage) for stage in stages] for latency in latencies])
    p50, p95, p99 = np.percentile(table, (50, 95, 99), axis=0)
    return {stage: (float(p50[i]), float(p95[i]), float(p99[i])) for i, stage in enumerate(stages)}
