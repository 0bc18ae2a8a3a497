import math

import numpy as np
import pytest

from bisenetformer_ros.metrics.latency import LatencyWindow


def test_no_measurements() -> None:
    summary = LatencyWindow().summary()
    assert summary.count == 0
    assert all(math.isnan(value) for value in (summary.p50_ms, summary.p95_ms, summary.p99_ms, summary.max_ms))


def test_percentiles_of_1_to_101() -> None:
    window = LatencyWindow()
    for value in np.random.default_rng(0).permutation(np.arange(1, 102)):
        window.add(float(value))
    assert vars(window.summary()) == {"count": 101, "p50_ms": 51, "p95_ms": 96, "p99_ms": 100, "max_ms": 101}


@pytest.mark.parametrize("size", [1, 3, 10])
def test_only_the_window_counts(size: int) -> None:
    window = LatencyWindow(size)
    for value in [1000.0] * 7 + [5.0] * size:
        window.add(value)
    summary = window.summary()
    assert (summary.count, summary.p99_ms, summary.max_ms) == (7 + size, 5.0, 5.0)
