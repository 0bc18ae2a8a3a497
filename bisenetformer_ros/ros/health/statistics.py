"""Frame counts, and timing of the last few seconds. Independent of ROS; thread-safe."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from bisenetformer_ros.images.stamps import Order, StampOrder, count_missing, frame_period

WINDOW_S = 5.0
"""Window of rates, percentiles and `recent` counts."""
PERIOD_FRAMES = 20
"""Minimum number of stamps to find the camera's period by, as far as the last MAX_PERIOD_WINDOW_S have as many."""
MAX_PERIOD_WINDOW_S = 30.0


@dataclass(frozen=True)
class FrameLatency:
    """Latency of one frame by stage, in milliseconds."""

    transport: float  # age on arrival, by the stamp; negative if the camera's clock is ahead
    decode: float
    preprocess: float
    inference: float
    postprocess: float
    publish: float  # building and publishing the outputs
    total: float  # arrival to the last output, including the wait for the worker


@dataclass(frozen=True)
class FrameReport:
    """Statistics of one camera, since the start or, where noted, within the window of WINDOW_S.

    `received` = `segmented` + the sum of `dropped` + frames in progress.
    """

    received: int
    segmented: int
    dropped: Mapping[str, int]  # reason → frames
    details: Mapping[str, str]  # reason → explanation of the latest frame dropped for it
    noted: Mapping[str, int]  # anomaly that does not cost the frame → occurrences
    published: Mapping[str, int]  # topic → messages
    non_increasing: int  # stamps that did not increase
    arrival_rate: float  # Hz by the node's clock, within the window; 0 if unknown
    stamp_rate: float  # Hz by the stamps, within the window; 0 if unknown
    camera_rate: float  # Hz by the period of the stamps, lost frames included; 0 if unknown
    output_rate: float  # Hz of the results, within the window; 0 if unknown
    missing: int  # frames that gaps in the stamps reveal, within the window
    recent_received: int  # frames within the window
    image_bytes: int  # of the pixel data of the latest frame
    recent_dropped: Mapping[str, int]  # reason → frames within the window
    delay_ms: float | None  # age of the latest result when published, by its stamp; None before the first
    seconds_since_frame: float | None  # None before the first frame
    latency_ms: Mapping[str, tuple[float, float, float]]  # stage → (p50, p95, p99) within the window


class FrameStatistics:
    """Counts every frame once: as segmented, or as dropped for a named reason."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: Monotonic, in seconds."""
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
        self._image_bytes = 0
        self._stamp_order = StampOrder()
        self._delay_ms: float | None = None

    @property
    def total_dropped(self) -> int:
        with self._lock:
            return self._dropped.total()

    def frame_received(self, stamp_s: float | None, image_bytes: int = 0) -> Order:
        """Count a frame.

        Args:
            stamp_s: Its stamp in seconds; None if invalid.
            image_bytes: Size of its pixel data.

        Returns:
            The order of its stamp.
        """
        with self._lock:
            self._last_arrival = self._clock()
            self._received += 1
            self._image_bytes = image_bytes
            if stamp_s is not None:
                self._arrivals.append((self._last_arrival, stamp_s))
            order = self._stamp_order.judge(stamp_s, self._last_arrival)
            self._non_increasing += order in (Order.REPEATED, Order.WENT_BACK)
            return order

    def forget_arrivals(self) -> None:
        """Restart the rates of the images: what was published before now was not to arrive."""
        with self._lock:
            self._arrivals.clear()

    def note(self, anomaly: str) -> None:
        """Count an anomaly that does not cost the frame."""
        with self._lock:
            self._noted[anomaly] += 1

    def frame_dropped(self, reason: str, detail: str = "") -> None:
        """Count a dropped frame.

        Args:
            reason: Key that it is counted under.
            detail: Explanation for users.
        """
        with self._lock:
            self._dropped[reason] += 1
            self._details[reason] = detail
            self._drops.append((self._clock(), reason))

    def frame_segmented(self, latency: FrameLatency, delay_ms: float, published: Iterable[str] = ()) -> None:
        """Count a segmented frame, and one message on each of the `published` topics."""
        with self._lock:
            self._segmented += 1
            self._published.update(published)
            self._delay_ms = delay_ms
            self._results.append((self._clock(), latency))

    def report(self) -> FrameReport:
        with self._lock:
            now = self._clock()
            for events, window_s in (
                (self._arrivals, MAX_PERIOD_WINDOW_S),
                (self._drops, WINDOW_S),
                (self._results, WINDOW_S),
            ):
                while events and events[0][0] < now - window_s:
                    events.popleft()
            recent = [(arrival, stamp) for arrival, stamp in self._arrivals if arrival >= now - WINDOW_S]
            stamps = [stamp for _, stamp in recent]
            period_s = frame_period([stamp for _, stamp in self._arrivals][-max(len(recent), PERIOD_FRAMES) :])
            return FrameReport(
                received=self._received,
                segmented=self._segmented,
                dropped=dict(self._dropped),
                details=dict(self._details),
                noted=dict(self._noted),
                published=dict(self._published),
                non_increasing=self._non_increasing,
                arrival_rate=_rate([arrival for arrival, _ in recent]),
                stamp_rate=_rate(stamps),
                camera_rate=1 / period_s if period_s else 0.0,
                output_rate=_rate([end for end, _ in self._results]),
                missing=count_missing(stamps, period_s) if period_s else 0,
                recent_received=len(recent),
                image_bytes=self._image_bytes,
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
