"""Latency percentiles over the most recent measurements."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LatencySummary:
    """Percentiles in milliseconds, nan without measurements; `count` includes measurements that left the window."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class LatencyWindow:
    """Keeps the last `size` measurements; adding one takes constant time."""

    def __init__(self, size: int = 1000) -> None:
        self._values = np.zeros(size)
        self._count = 0

    def add(self, milliseconds: float) -> None:
        """Add a measurement."""
        self._values[self._count % len(self._values)] = milliseconds
        self._count += 1

    def summary(self) -> LatencySummary:
        """Compute percentiles over the window, interpolated linearly between measurements."""
        recent = self._values[: self._count]
        if not recent.size:
            return LatencySummary(0, *[float("nan")] * 4)
        p50, p95, p99 = np.percentile(recent, (50, 95, 99))
        return LatencySummary(self._count, float(p50), float(p95), float(p99), float(recent.max()))


def summarize(milliseconds: Iterable[float]) -> LatencySummary:
    """Compute percentiles over all measurements."""
    values = list(milliseconds)
    window = LatencyWindow(max(1, len(values)))
    for value in values:
        window.add(value)
    return window.summary()
