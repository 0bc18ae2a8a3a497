import numpy as np
import pytest

from bisenetformer_ros.images.stamps import LEAP_S, Order, Spacing, StampOrder, by_stamp, count_missing, frame_period

OK, REPEATED, BACK, LEAPT = Order.IN_ORDER, Order.REPEATED, Order.WENT_BACK, Order.LEAPT
INVALID = Order.INVALID
FAR = 10 * LEAP_S


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        pytest.param([5.0, 5.1, 5.2], [OK, OK, OK], id="a camera"),
        pytest.param([5.0, 5.0, 5.1], [OK, REPEATED, OK], id="one twice"),
        pytest.param([0.0, 0.0, 0.0], [OK, REPEATED, REPEATED], id="a camera that does not stamp"),
        pytest.param([5.0, 1.0, 5.1, 5.2], [OK, BACK, OK, OK], id="one from the past"),
        pytest.param([5.0, 5.0 + FAR, 5.1, 5.2], [OK, LEAPT, OK, OK], id="one from the future"),
        pytest.param([5.0, 5.2, 5.1, 5.3], [OK, OK, BACK, OK], id="two in the wrong order"),
        pytest.param([50.0, 5.0, 5.1, 5.2], [OK, BACK, OK, OK], id="a recording that begins anew"),
        pytest.param([5.0, 5 + FAR, 5.1 + FAR, 5.2 + FAR], [OK, LEAPT, OK, OK], id="a clock that was set"),
        pytest.param([5.0, 5 + FAR, 5.1 + FAR, 5.1], [OK, LEAPT, OK, BACK], id="set, and a frame from before"),
        pytest.param([5.0, None, 5.1], [OK, INVALID, OK], id="one that is no time"),
        pytest.param([FAR, 2 * FAR, 3 * FAR], [OK, LEAPT, LEAPT], id="a time-lapse recording played fast"),
        pytest.param([9.0, 8.0, 7.0], [OK, BACK, BACK], id="a recording played backwards"),
        pytest.param([90.0, 5.0, 90.1, 5.1, 90.2], [OK, BACK, OK, BACK, OK], id="two cameras with different clocks"),
    ],
)
def test_order_of_stamps_arriving_at_10_hz(stamps, expected):
    order = StampOrder()
    assert [order.judge(stamp, 0.1 * number) for number, stamp in enumerate(stamps)] == expected


def test_pauses_of_a_camera_are_in_order():
    order = StampOrder()
    assert [order.judge(time, time) for time in (1.0, 1.1, 7200.0)] == [OK, OK, OK]


def test_slow_playback_is_in_order():
    order = StampOrder()
    assert [order.judge(0.1 * number, 20.0 * number) for number in range(3)] == [OK, OK, OK]


@pytest.mark.parametrize(
    ("stamps", "missing"),
    [
        ([0.1 * i for i in range(20)], 0),
        ([0.1 * i for i in range(20) if i not in (5, 6, 11)], 3),
        ([0.1 * i for i in (0, 4, 5, 9, 12, 13, 17, 20)], 13),  # most are lost, the period is still found
        ([0.1 * i + 0.015 * (i % 2) for i in range(20)], 0),  # jitter is no loss
        ([0.1 * i + 0.008 * (i % 3) for i in range(20) if i not in (5, 6, 11)], 3),  # loss and jitter
        ([0.01 * i * i for i in range(20)], 0),  # there is no period
        ([0.2 * i + delay for i in range(8) for delay in (0.0, 0.023)], 0),  # two at a time
        ([0.0, 0.5, 0.6], 0),  # too few to tell
        ([0.0] * 20, 0),  # a camera that does not stamp
        ([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 0.2, 0.3, 0.4], 0),  # a recording that begins anew
        ([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1e9, 1e9 + 0.1], 0),  # another recording
        ([0.1 * i for i in (1, 0, 2, 4, 3, 5, 6, 8, 7, 9, 10, 11)], 0),  # neighbours in swapped order
        ([0.1 * i for i in (0, 1, 2, 6, 3, 4, 5, 8, 7, 12, 11, 10)], 1),  # of 9 nothing was recorded
        ([0.1 * (i % 12) for i in range(36)], 0),  # a drive played in a loop
    ],
)
def test_count_missing(stamps, missing):
    assert count_missing(stamps) == missing


@pytest.mark.parametrize("arriving", [1.0, 0.6, 0.36, 0.25, 0.15])
def test_the_period_is_found_however_many_frames_are_lost(arriving):
    """A camera of 10 Hz, its stamps 3 ms off, for 40 frames."""
    random = np.random.default_rng(0)
    sent = 0.1 * np.arange(1000) + random.normal(0, 0.003, 1000)
    arrived = np.flatnonzero(random.random(1000) < arriving)[:40]
    assert frame_period(sent[arrived]) == pytest.approx(0.1, rel=0.02)
    assert count_missing(sent[arrived]) == pytest.approx(arrived[-1] - arrived[0] - 39, abs=1)


@pytest.mark.parametrize(
    "stamps",
    [
        pytest.param([0.1 * i for i in range(7)], id="too few"),
        pytest.param(np.cumsum(np.random.default_rng(0).exponential(0.1, 60)), id="triggered at random"),
        pytest.param([0.3 * i + delay for i in range(30) for delay in (0.0, 0.02)], id="two at a time"),
        pytest.param([5.0] * 20, id="not stamped"),
    ],
)
def test_the_period_is_unknown(stamps):
    assert frame_period(stamps) is None


def test_losses_are_counted_by_a_known_period():
    assert count_missing([0.0, 0.1, 0.5], period_s=0.1) == 3


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        pytest.param([1, 0, 2, 4, 3], [0, 1, 2, 3, 4], id="neighbours in swapped order"),
        pytest.param([*range(5, -1, -1), 6], [*range(7)], id="the greatest displacement"),
        pytest.param([*range(9)] * 3, [*range(9)] * 3, id="a loop"),
        pytest.param([0, 1, 0, 1, 0, 1], [0, 1, 0, 1, 0, 1], id="a short loop"),
        pytest.param([*range(90, 97), *range(3)], [*range(90, 97), *range(3)], id="a recording that begins anew"),
        pytest.param([2, 1, None, 4, 3], [1, 2, None, 3, 4], id="one without a stamp"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_by_stamp(recorded, expected):
    assert list(by_stamp(recorded, lambda stamp: stamp)) == expected


@pytest.mark.parametrize(
    ("frames", "picked"),
    [
        ([(0, 0), (1, 0.1), (2, 0.2), (3.9, 0.3), (4, 0.4)], [0, 2, 4]),  # played fast
        ([(0, 0), (0.1, 1), (0.2, 2), (0.3, 3.9), (0.4, 4)], [0, 2, 4]),  # played slowly
        ([(7, 0), (7, 1), (7, 2), (7, 3)], [0, 2]),  # not stamped
        ([(9, 0), (0, 0.1), (1, 0.2)], [0, 1]),  # started again
    ],
)
def test_frames_are_spaced_by_their_stamps_or_their_arrival(
    frames: list[tuple[float, float]], picked: list[int]
) -> None:
    spacing = Spacing(2.0)
    assert [number for number, times in enumerate(frames) if spacing.is_due(*times)] == picked
