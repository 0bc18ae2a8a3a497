"""Tracks compared with the ground truth, with association qualities computed by hand.

The AQ of a true thing g is the sum of TPA / |g| · TPA / (|g| + |p| - TPA) over the tracks p that share pixels with it.
"""

import numpy as np
import pytest

from bisenetformer_ros.evaluation.quality import TrackingMeter
from bisenetformer_ros.inference.tracking import Tracker
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult

LABELS = LabelMap.load("camvid11")
ROAD, CAR = (next(label.id for label in LABELS if label.name == name) for name in ("road", "car"))
IS_CAR = np.zeros((40, 60), bool)
IS_CAR[10:30, 20:50] = True
CLASSES = np.where(IS_CAR, CAR, ROAD).astype(np.uint8)
TRUTH = CLASSES, np.where(IS_CAR, 7, 0).astype(np.int32)


def frame(id_: int) -> SegmentationResult:
    """A car that stands still, segmented without an error, with this id."""
    car = Segment(id_, CAR, "car", True, 0.9, int(IS_CAR.sum()), (20, 10, 50, 30), (34.5, 19.5))
    road = Segment(99, ROAD, "road", False, 0.9, int((~IS_CAR).sum()), (0, 0, 60, 40), (30.0, 20.0))
    return SegmentationResult(CLASSES, CLASSES, np.where(IS_CAR, id_, 99).astype(np.uint16), (car, road))


def test_ids_of_the_results_are_those_of_tracks() -> None:
    """Half of the frames have another id: 1/2 · 1/2 for each of both tracks. A new video is a new thing."""
    meter = TrackingMeter(LABELS)
    for id_ in (1, 1, 2, 2):
        meter.update(frame(id_), TRUTH, "first")
    assert meter.result().aq == pytest.approx(2 * 1 / 4)
    meter.update(frame(1), TRUTH, "second")
    assert meter.result().aq == pytest.approx((1 / 2 + 1) / 2)


def test_a_tracker_gives_the_ids() -> None:
    meter = TrackingMeter(LABELS, Tracker())
    for id_ in (5, 3, 5, 8):
        meter.update(frame(id_), TRUTH, "first")
    assert meter.result().aq == pytest.approx(1)


def test_tracks_end_with_a_video() -> None:
    """Within a video, the car that stands still would keep its id."""
    tracker = Tracker()
    meter = TrackingMeter(LABELS, tracker)
    meter.update(frame(1), TRUTH, "first")
    kept = tracker.update(frame(1)).segments[0].id
    meter.update(frame(1), TRUTH, "second")
    assert tracker.update(frame(1)).segments[0].id != kept


@pytest.mark.parametrize(("gap_s", "expected"), [(1.9, 2 * 1 / 4), (2.1, 1.0), (-0.1, 1.0)])
def test_a_gap_begins_another_video(gap_s: float, expected: float) -> None:
    """Within one video the change of the id halves the AQ; a thing of another video may have another id."""
    meter = TrackingMeter(LABELS)
    meter.update(frame(1), TRUTH, stamp_ns=10**10)
    meter.update(frame(2), TRUTH, stamp_ns=10**10 + round(gap_s * 1e9))
    assert meter.result().aq == pytest.approx(expected)


def test_nothing_to_compare() -> None:
    meter = TrackingMeter(LABELS, Tracker())
    meter.update(SegmentationResult(CLASSES, CLASSES), TRUTH)  # semantic
    meter.update(frame(1), None)
    assert meter.result() is None
