import numpy as np
import pytest

from bisenetformer_ros.bags.topics import Topic
from bisenetformer_ros.evaluation.bag_frames import BAG_STAGES, BagEvaluation, FrameRecord
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.temporal_consistency import ConsistencyResult
from bisenetformer_ros.reports.bag_timeline import MAX_MOMENTS, Timeline, condense

LABELS = LabelMap.anonymous(2)
NO_CONSISTENCY = ConsistencyResult(float("nan"), float("nan"), float("nan"), 0)


def frame(number: int, total_ms: float = 10.0, **values) -> FrameRecord:
    """At 10 Hz; every stage takes its share of `total_ms`."""
    time_ns = 5_000_000_000 + number * 100_000_000
    if "dropped" in values:
        return FrameRecord(str(number), time_ns, time_ns, **values)
    times_ms = dict.fromkeys(BAG_STAGES, total_ms / len(BAG_STAGES))
    shares = np.array([0.5, 0.25, 0.25]) if number % 2 else np.array([1.0, 0.0, 0.0])
    return FrameRecord(str(number), time_ns, time_ns, times_ms=times_ms, class_shares=shares, **values)


def timeline(frames: list[FrameRecord]) -> Timeline:
    topic = Topic("/camera", "sensor_msgs/msg/Image", len(frames))
    return Timeline(BagEvaluation(topic, LABELS, frames, None, None, NO_CONSISTENCY, None, 0, False))


def test_few_frames_are_a_moment_each() -> None:
    drive = timeline([frame(0, 40.0, miou=0.5), frame(1, dropped="bad_input.zero_size"), frame(2, 20.0)])
    assert (len(drive), drive.axis_s) == (3, None)
    assert drive.duration_s == pytest.approx(0.3)
    assert drive.latency() == [dict.fromkeys(BAG_STAGES, 10.0), None, dict.fromkeys(BAG_STAGES, 5.0)]
    assert drive.drops() == {"bad_input.zero_size": [0, 1, 0]}
    assert drive.mean("miou") == [0.5, None, None]
    assert drive.class_shares() == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]


def test_many_frames_share_moments_of_equal_duration() -> None:
    frames = [frame(number, 40.0 if number == 7 else 20.0, miou=0.25 if number % 2 else 0.75) for number in range(1000)]
    drive = timeline(frames)
    assert len(drive) == MAX_MOMENTS
    assert drive.axis_s == pytest.approx(100.0)
    assert all(column == dict.fromkeys(BAG_STAGES, 5.0) for column in drive.latency())  # a median is not moved by one
    assert sum(map(sum, drive.drops().values())) == 0
    np.testing.assert_allclose(drive.mean("miou"), 0.5, atol=0.11)
    np.testing.assert_allclose(np.sum(drive.class_shares(), axis=1), 1.0)


def test_a_gap_in_the_recording_is_a_gap_in_the_timeline() -> None:
    drive = timeline([frame(number) for number in range(1000) if not 400 <= number < 500])
    missing = [index for index, column in enumerate(drive.latency()) if column is None]
    assert len(missing) == pytest.approx(0.1 * len(drive), abs=1)
    assert missing == list(range(missing[0], missing[0] + len(missing)))
    assert missing[0] == pytest.approx(0.4 * len(drive), abs=1)


def test_frames_with_equal_times() -> None:
    one = timeline([frame(0)])
    assert (len(one), one.duration_s) == (1, 0.0)
    stuck = [FrameRecord("stuck", 5, 5, dropped="bad_input.zero_size")] * (MAX_MOMENTS + 1)
    assert timeline(stuck).drops() == {"bad_input.zero_size": [1] * (MAX_MOMENTS + 1)}


def test_columns_are_condensed_to_a_readable_number() -> None:
    few = [{0: 1.0}, None, {0: 3.0}]
    assert condense(few) == (few, 1)
    assert condense([]) == ([], 1)
    columns = [None if number < 6 else {0: float(number), 1: 1.0} for number in range(3 * MAX_MOMENTS - 1)]
    condensed, together = condense(columns)
    assert (len(condensed), together) == (MAX_MOMENTS, 3)
    assert condensed[:3] == [None, None, {0: 7.0, 1: 1.0}]
