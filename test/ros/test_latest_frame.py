import threading

from bisenetformer_ros.ros.latest_frame import LatestFrameWorker

LIMIT_S = 10


class Bench:
    """A worker whose `process` waits for permission, so that a test decides when it is busy."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.threads: set[int] = set()
        self.busy = threading.Semaphore(0)
        self.permission = threading.Semaphore(0)
        self.worker = LatestFrameWorker(self._process, name="test")

    def _process(self, frame: int) -> None:
        self.begun.append(frame)
        self.threads.add(threading.get_ident())
        self.busy.release()
        assert self.permission.acquire(timeout=LIMIT_S)

    def wait_until_busy(self) -> None:
        assert self.busy.acquire(timeout=LIMIT_S)


def test_only_the_newest_waiting_frame_is_processed_and_every_other_is_handed_back():
    bench = Bench()
    assert bench.worker.put(1) is None
    bench.wait_until_busy()
    assert [bench.worker.put(frame) for frame in (2, 3, 4)] == [None, 2, 3]
    bench.permission.release()
    bench.wait_until_busy()
    assert bench.begun == [1, 4]
    bench.permission.release()
    assert bench.worker.stop() is None


def test_all_frames_are_processed_in_one_thread_that_is_not_the_callers():
    bench = Bench()
    for frame in (1, 2, 3):
        bench.permission.release()
        bench.worker.put(frame)
        bench.wait_until_busy()
    bench.worker.stop()
    assert bench.begun == [1, 2, 3]
    assert len(bench.threads) == 1
    assert threading.get_ident() not in bench.threads


def test_stop_lets_the_frame_in_work_finish_and_hands_back_the_one_that_waits():
    bench = Bench()
    bench.worker.put(1)
    bench.wait_until_busy()
    bench.worker.put(2)
    bench.permission.release()
    threads_before = threading.active_count()
    # Which comes first, the end of frame 1 or the stop, is left to the scheduler; no frame is lost track of.
    bench.permission.release()
    leftover = bench.worker.stop()
    assert (leftover, bench.begun) in [(2, [1]), (None, [1, 2])]
    assert threading.active_count() == threads_before - 1
