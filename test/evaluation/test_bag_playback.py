"""The comparison of live and offline results, with a recording made by hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.evaluation.bag_frames import FrameRecord
from bisenetformer_ros.evaluation.bag_playback import Difference, RouteComparison
from bisenetformer_ros.replay.recording import Recording
from bisenetformer_ros.results import SegmentationResult

MASK = np.arange(12, dtype=np.uint8).reshape(3, 4)
RESULT = SegmentationResult(MASK, MASK + 1, MASK.astype(np.uint16) + 300)


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """Frames a and b were sent; of a all three maps came back, of b the mask."""
    made = Recording(tmp_path)
    made.add({"event": "opened", "height": 3, "width": 4, "frames": 2, "frame_id": "front"})
    for stamp, name in ((1, "a"), (2, "b")):
        made.add({"event": "sent", "stamp": stamp, "name": name})
    maps = {"1.mask": MASK, "1.confidence": MASK + 1, "1.panoptic": MASK.astype(np.uint16) + 300, "2.mask": MASK}
    for name, pixels in maps.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
        stamp, topic = name.split(".")
        made.add({"event": topic, "stamp": int(stamp), "frame_id": "front", "age_ms": 1.0})
    return made


def frame(name: str) -> FrameRecord:
    return FrameRecord(name, 0, 0)


def test_equal_results_are_identical(recording) -> None:
    comparison = RouteComparison(recording, 1.0)
    for name in ("a", "b", "never sent"):
        comparison.add(frame(name), RESULT)
    assert comparison.identical
    assert comparison.compared == {"mask": 2, "confidence": 1, "panoptic": 1}
    content = comparison.to_dict()
    assert (content["identical"], content["differences"], content["rate"]) == (True, [], 1.0)
    assert content["frames"] == {"sent": 2, "received": 2, "dropped": {}}


def test_a_single_pixel_is_a_difference(recording) -> None:
    other = MASK.copy()
    other[1, 2] = 99
    comparison = RouteComparison(recording, "lockstep")
    comparison.add(frame("a"), RESULT)
    comparison.add(frame("b"), SegmentationResult(other, MASK))
    assert not comparison.identical
    assert comparison.differences == [Difference("b", "mask", 1)]


def test_another_size_is_a_difference_in_every_pixel(recording) -> None:
    comparison = RouteComparison(recording, 1.0)
    comparison.add(frame("b"), SegmentationResult(MASK[:2], MASK[:2]))
    assert comparison.differences == [Difference("b", "mask", 8)]


def test_nothing_compared_is_not_identical(recording) -> None:
    comparison = RouteComparison(recording, 1.0)
    comparison.add(frame("c"), RESULT)
    assert not comparison.identical
