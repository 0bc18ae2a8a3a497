import numpy as np
import pytest

from bisenetformer_ros.images.stamps import Order
from bisenetformer_ros.ros.health.statistics import WINDOW_S, FrameLatency, FrameStatistics


class HandClock:
    """A monotonic clock in seconds, advanced by the test."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def statistics(clock):
    return FrameStatistics(clock)


def latency(total: float) -> FrameLatency:
    return FrameLatency(transport=0, decode=0, preprocess=0, inference=total / 2, postprocess=0, publish=0, total=total)


def test_report_before_the_first_frame(statistics):
    report = statistics.report()
    assert (report.received, report.segmented, dict(report.dropped)) == (0, 0, {})
    assert (report.arrival_rate, report.stamp_rate, report.output_rate) == (0, 0, 0)
    assert (report.delay_ms, report.seconds_since_frame, dict(report.latency_ms)) == (None, None, {})


def test_rates_by_clock_stamp_and_result(statistics, clock):
    for i in range(9):  # arrives every 0.25 s, stamped every 0.2 s, every other one segmented
        statistics.frame_received(stamp_s=5 + 0.2 * i)
        if i % 2 == 0:
            statistics.frame_segmented(latency(10), delay_ms=30.0)
        clock.now += 0.25
    report = statistics.report()
    assert report.arrival_rate == pytest.approx(4.0)
    assert report.stamp_rate == pytest.approx(5.0)
    assert report.output_rate == pytest.approx(2.0)
    assert (report.received, report.segmented, report.recent_received) == (9, 5, 9)
    assert (report.delay_ms, report.seconds_since_frame) == (30.0, pytest.approx(0.25))


def test_frames_before_a_pause_are_no_part_of_the_rates(statistics, clock):
    for begin, end in ((0, 20), (40, 60)):
        statistics.forget_arrivals()
        for number in range(begin, end):
            clock.now = 100 + 0.1 * number
            statistics.frame_received(stamp_s=5 + 0.1 * number)
    report = statistics.report()
    assert (report.received, report.missing) == (40, 0)
    assert (report.arrival_rate, report.stamp_rate) == (pytest.approx(10.0), pytest.approx(10.0))


def test_the_rate_of_the_camera_and_the_losses_are_told_by_the_stamps(statistics, clock):
    """10 Hz, of which three out of ten arrive."""
    for number in range(100):
        if number % 10 in (0, 3, 4):
            statistics.frame_received(stamp_s=5 + 0.1 * number, image_bytes=1000 + number)
        clock.now += 0.1
    report = statistics.report()
    assert report.camera_rate == pytest.approx(10.0)
    assert report.image_bytes == 1094
    assert report.recent_received == 15
    assert report.missing == 44 - 14  # between the frames of the window, numbers 50 to 94
    assert report.arrival_rate == pytest.approx(14 / 4.4)


def test_the_rate_of_a_camera_is_known_although_few_frames_arrive(statistics, clock):
    """10 Hz, of which a seventh arrives: too few in a window for a period."""
    random = np.random.default_rng(5)
    for number in range(200):
        if random.random() < 1 / 7:
            statistics.frame_received(stamp_s=5 + 0.1 * number)
        clock.now += 0.1
    report = statistics.report()
    assert report.recent_received < 9
    assert report.camera_rate == pytest.approx(10.0)


def test_a_camera_that_slows_down_is_believed(statistics, clock):
    """10 Hz, then 5 Hz for a window: nothing is lost."""
    for number in range(150):
        if number < 100 or number % 2 == 0:
            statistics.frame_received(stamp_s=5 + 0.1 * number)
        clock.now += 0.1
    report = statistics.report()
    assert report.camera_rate == pytest.approx(5.0)
    assert report.missing == 0


def test_recent_counts_expire_and_totals_stay(statistics, clock):
    statistics.frame_received(1.0)
    statistics.frame_dropped("too_old", "900 ms")
    clock.now += WINDOW_S + 1
    statistics.frame_received(2.0)
    statistics.frame_dropped("bad_input.zero_size")
    report = statistics.report()
    assert dict(report.recent_dropped) == {"bad_input.zero_size": 1}
    assert dict(report.dropped) == {"too_old": 1, "bad_input.zero_size": 1}
    assert report.details["too_old"] == "900 ms"
    assert (report.received, report.recent_received, statistics.total_dropped) == (2, 1, 2)


def test_stamps_that_do_not_increase_are_counted(statistics):
    orders = [statistics.frame_received(stamp) for stamp in (5.0, 6.0, 6.0, 4.0, 4.5)]
    assert orders == [Order.IN_ORDER, Order.IN_ORDER, Order.REPEATED, Order.WENT_BACK, Order.IN_ORDER]
    assert statistics.report().non_increasing == 2


def test_anomalies_and_published_topics_are_counted_by_name(statistics):
    statistics.note("stamp_leaps")
    for topics in (("mask", "overlay"), ("mask",), ()):
        statistics.frame_segmented(latency(1.0), delay_ms=0.0, published=topics)
    assert dict(statistics.report().noted) == {"stamp_leaps": 1}
    assert dict(statistics.report().published) == {"mask": 2, "overlay": 1}


def test_percentiles_of_a_hundred_frames(statistics):
    for total in range(101):
        statistics.frame_segmented(latency(float(total)), delay_ms=0.0)
    assert statistics.report().latency_ms["total"] == pytest.approx((50, 95, 99))
    assert statistics.report().latency_ms["inference"] == pytest.approx((25, 47.5, 49.5))
