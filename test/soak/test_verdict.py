"""The judgement on a soak run, on runs that are made up."""

import copy

import pytest
from verdict import judge

TOPIC = "/front/image_raw"


def sample(second: int, resident_mb: float = 300.0, age_ms: float = 150.0, threads: int = 20) -> dict:
    received = 20 * (second + 1)
    counts = {
        "total_received_frames": received,
        "total_segmented_frames": received // 2,
        "total_dropped_frames": received - received // 2,
        "dropped.replaced_by_newer": received - received // 2 - 1,
        "dropped.bad_input.zero_size": 1,
    }
    return {
        "time": float(second),
        "ages": [age_ms] * 10,
        "busy": [100.0] * 10,
        "counts": {TOPIC: counts},
        "resident_mb": resident_mb,
        "threads": threads,
        "files": 60,
    }


GOOD = [sample(second) for second in range(100)]
SENT = {TOPIC: {"sent": 2000}}


def failed(samples: list[dict], sent: dict = SENT) -> set[str]:
    return {check.name for check in judge(samples, sent, period_ms=50.0) if not check.passed}


def test_a_good_run_passes_every_check():
    assert failed(GOOD) == set()
    figures = {check.name: check.figures for check in judge(GOOD, SENT, period_ms=50.0)}
    expected = "2000 in = 1000 segmented + 1000 dropped (1 bad_input.zero_size, 999 replaced_by_newer)"
    assert figures[f"{TOPIC}: frames in = out"] == expected
    assert figures["age of the masks"].startswith("p99 150 ms, bound 250 ms = 2 x 100 (all cameras, p99) + 50")


def test_one_frame_that_is_not_accounted_for_fails():
    samples = copy.deepcopy(GOOD)
    samples[-1]["counts"][TOPIC]["total_segmented_frames"] -= 1
    assert failed(samples) == {f"{TOPIC}: frames in = out"}


@pytest.mark.parametrize("sent", [1999, 2100])
def test_frames_that_came_from_nowhere_or_were_lost_on_the_way_fail(sent):
    assert failed(GOOD, {TOPIC: {"sent": sent}}) == {f"{TOPIC}: frames sent = in"}


def test_a_tail_of_old_masks_fails():
    samples = [sample(second, age_ms=150.0 if second % 20 else 260.0) for second in range(100)]
    assert failed(samples) == {"age of the masks"}


def test_memory_that_grows_after_the_warm_up_fails_and_before_it_does_not():
    assert failed([sample(second, resident_mb=300 + 0.2 * second) for second in range(100)]) == {"memory is flat"}
    assert failed([sample(second, resident_mb=300 + 5 * min(second, 18)) for second in range(100)]) == set()


def test_a_thread_that_is_left_behind_fails():
    assert failed([sample(second, threads=20 + second // 50) for second in range(100)]) == {"threads are constant"}
