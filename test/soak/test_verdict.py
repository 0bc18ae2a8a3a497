"""Checks of synthetic soak runs."""

import copy

import pytest
from verdict import judge

TOPIC = "/front/image_raw"


BEFORE = 500
"""Frames received and dropped before the run."""


def sample(second: int, resident_mb: float = 300.0, age_ms: float = 150.0, threads: int = 20) -> dict:
    received = 20 * second
    counts = {
        "total_received_frames": received + BEFORE,
        "total_segmented_frames": received // 2,
        "total_dropped_frames": received - received // 2 + BEFORE,
        "dropped.replaced_by_newer": received - received // 2 - second + BEFORE,
    }
    if second:
        counts["dropped.bad_input.zero_size"] = second
    return {
        "time": float(second),
        "ages": [age_ms] * 10,
        "busy": [100.0] * 10,
        "counts": {TOPIC: counts},
        "resident_mb": resident_mb,
        "threads": threads,
        "files": 60,
    }


GOOD = [sample(second) for second in range(101)]
SENT = {TOPIC: 2000}


def failed(samples: list[dict], sent: dict[str, int] = SENT) -> set[str]:
    return {check.name for check in judge(samples, sent, period_ms=50.0) if not check.passed}


def test_a_good_run_passes_every_check():
    assert failed(GOOD) == set()
    figures = {check.name: check.figures for check in judge(GOOD, SENT, period_ms=50.0)}
    expected = "2000 in = 1000 segmented + 1000 dropped (100 bad_input.zero_size, 900 replaced_by_newer)"
    assert figures[f"{TOPIC}: frames in = out"] == expected
    assert figures["age of the masks"].startswith("p99 150 ms, bound 250 ms = 2 x 100 (all cameras, p99) + 50")


def test_one_unaccounted_frame_fails():
    samples = copy.deepcopy(GOOD)
    samples[-1]["counts"][TOPIC]["total_segmented_frames"] -= 1
    assert failed(samples) == {f"{TOPIC}: frames in = out"}


@pytest.mark.parametrize("sent", [1999, 2150])
def test_unsent_or_lost_frames_fail(sent):
    assert failed(GOOD, {TOPIC: sent}) == {f"{TOPIC}: frames sent = in"}


def test_a_tail_of_old_masks_fails():
    samples = [sample(second, age_ms=150.0 if second % 20 else 260.0) for second in range(101)]
    assert failed(samples) == {"age of the masks"}


def test_memory_may_grow_only_during_the_warm_up():
    assert failed([sample(second, resident_mb=300 + 0.2 * second) for second in range(101)]) == {"memory is flat"}
    assert failed([sample(second, resident_mb=300 + 5 * min(second, 18)) for second in range(101)]) == set()


def test_a_leaked_thread_fails():
    assert failed([sample(second, threads=20 + second // 50) for second in range(101)]) == {"threads are constant"}
