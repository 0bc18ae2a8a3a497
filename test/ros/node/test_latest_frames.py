import threading
from collections.abc import Sequence

import pytest
from patience import LIMIT_S

from bisenetformer_ros.ros.node.latest_frames import LatestFramesWorker


class Bench:
    """A worker whose `process` waits for permission, so that a test decides when it is busy."""

    def __init__(self) -> None:
        self.begun: list[list[int]] = []
        self.threads: set[int] = set()
        self.busy = threading.Semaphore(0)
        self.permission = threading.Semaphore(0)
        self.worker = LatestFramesWorker(self._process, name="test")

    def _process(self, frames: Sequence[int]) -> None:
        self.begun.append(list(frames))
        self.threads.add(threading.get_ident())
        self.busy.release()
        assert self.permission.acquire(timeout=LIMIT_S)

    def wait_until_busy(self) -> None:
        assert self.busy.acquire(timeout=LIMIT_S)


def test_only_the_newest_waiting_frame_is_processed_and_every_other_is_handed_back():
    bench = Bench()
    assert bench.worker.put("front", 1) is None
    bench.wait_until_busy()
    assert [bench.worker.put("front", frame) for frame in (2, 3, 4)] == [None, 2, 3]
    bench.permission.release()
    bench.wait_until_busy()
    assert bench.begun == [[1], [4]]
    bench.permission.release()
    assert bench.worker.stop(LIMIT_S) == []


def test_every_camera_that_has_a_frame_is_in_the_next_round_however_many_frames_another_sends():
    bench = Bench()
    bench.worker.put("fast", 0)
    bench.wait_until_busy()
    for round_number in range(1, 4):
        handed_back = [bench.worker.put("fast", 100 * round_number + frame) for frame in range(20)]
        assert bench.worker.put("slow", -round_number) is None
        assert handed_back == [None, *range(100 * round_number, 100 * round_number + 19)]
        bench.permission.release()
        bench.wait_until_busy()
    assert bench.begun == [[0], [119, -1], [219, -2], [319, -3]]
    bench.permission.release()
    bench.worker.stop(LIMIT_S)


def test_all_frames_are_processed_in_one_thread_that_is_not_the_callers():
    bench = Bench()
    for frame in (1, 2, 3):
        bench.permission.release()
        bench.worker.put("front", frame)
        bench.wait_until_busy()
    bench.worker.stop(LIMIT_S)
    assert bench.begun == [[1], [2], [3]]
    assert len(bench.threads) == 1
    assert threading.get_ident() not in bench.threads


def test_stop_lets_the_round_in_work_finish_and_hands_back_the_frames_that_wait():
    bench = Bench()
    bench.worker.put("front", 1)
    bench.wait_until_busy()
    bench.worker.put("front", 2)
    bench.worker.put("rear", 3)
    bench.permission.release()
    threads_before = threading.active_count()
    # Which comes first, the end of the round or the stop, is left to the scheduler; no frame is lost track of.
    bench.permission.release()
    leftover = bench.worker.stop(LIMIT_S)
    assert (leftover, bench.begun) in [([2, 3], [[1]]), ([], [[1], [2, 3]])]
    assert threading.active_count() == threads_before - 1


def test_a_round_that_does_not_end_in_time_is_an_error_and_stopping_can_be_retried():
    bench = Bench()
    bench.worker.put("front", 1)
    bench.wait_until_busy()
    with pytest.raises(TimeoutError):
        bench.worker.stop(within_s=0.01)
    bench.worker.put("front", 2)
    bench.permission.release()
    assert bench.worker.stop(LIMIT_S) == [2]
