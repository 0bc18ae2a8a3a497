"""Events of camera, node and listener, in every order in which they can arrive."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.messages import FRAME_STAGES
from bisenetformer_ros.replay.recording import INPUT_TOPIC, FrameCount, Recording

FRAME_ID = "camera"


def recording_of(sent: int, masks: list[int], **counters: int) -> Recording:
    """Stamps are 1, 2, … seconds; `counters` are the node's, if given."""
    recording = Recording(Path("nowhere"))
    recording.add({"event": "opened", "height": 2, "width": 2, "frames": sent, "frame_id": FRAME_ID})
    for number in range(1, sent + 1):
        recording.add({"event": "sent", "stamp": number * 10**9, "name": f"f{number}"})
    for number in masks:
        recording.add({"event": "mask", "stamp": number * 10**9, "frame_id": FRAME_ID, "age_ms": 100.0 + number})
    if counters:
        values = {key.replace("__", "."): str(value) for key, value in counters.items()}
        status = {"name": f"bisenetformer: {INPUT_TOPIC}", "level": 0, "message": "", "values": values}
        recording.add({"event": "diagnostics", "statuses": [status]})
    return recording


def test_every_lost_frame_has_a_reason() -> None:
    recording = recording_of(
        10,
        [1, 2, 3],
        total_received_frames=9,
        total_segmented_frames=4,
        total_dropped_frames=3,
        dropped__replaced_by_newer=2,
        dropped__too_old=1,
    )
    count = recording.count()
    assert (count.sent, count.received) == (10, 3)
    assert count.dropped == {
        "replaced_by_newer": 2,
        "too_old": 1,
        "lost between camera and node": 1,
        "not finished by the node": 2,
        "lost between node and listener": 1,
    }
    assert not recording.all_accounted_for()


def test_received_frames_count_although_the_nodes_counters_lag() -> None:
    late = {"total_received_frames": 2, "total_segmented_frames": 1, "total_dropped_frames": 0}
    assert recording_of(5, [1, 2, 3, 4, 5], **late).count() == FrameCount(5, 5, {})


def test_without_diagnostics_lost_frames_never_reached_the_node() -> None:
    assert recording_of(3, [2]).count() == FrameCount(3, 1, {"lost between camera and node": 2})


def test_dropped_frames_are_accounted_for() -> None:
    counters = {"total_received_frames": 3, "total_segmented_frames": 2, "total_dropped_frames": 1}
    assert recording_of(3, [1, 3], **counters, dropped__too_old=1).all_accounted_for()


def test_outputs_with_an_unknown_header_are_strays() -> None:
    recording = recording_of(2, [1, 2])
    assert recording.strays() == []
    recording.add({"event": "latency", "stamp": 77, "frame_id": FRAME_ID, "age_ms": 0.0, "stages": {}})
    recording.add({"event": "confidence", "stamp": 10**9, "frame_id": "other", "age_ms": 0.0})
    assert recording.strays() == [
        "confidence with stamp 1000000000 and frame_id 'other'",
        "latency with stamp 77 and frame_id 'camera'",
    ]


def test_rate_and_age_are_those_at_the_listener() -> None:
    recording = recording_of(4, [1, 2, 4])
    assert recording.rate_hz() == pytest.approx(2 / 3.003)
    age = recording.latencies()["age"]
    assert (age.count, age.p50_ms, age.max_ms) == (3, 102.0, 104.0)
    assert recording_of(1, [1]).rate_hz() == 0


def test_latency_is_by_stage() -> None:
    recording = recording_of(2, [])
    for number, milliseconds in ((1, 3.0), (2, 5.0)):
        stages = dict.fromkeys((*FRAME_STAGES, "total"), milliseconds)
        recording.add({"event": "latency", "stamp": number, "frame_id": FRAME_ID, "age_ms": 0.0, "stages": stages})
    assert recording.latencies()["inference"].p50_ms == 4.0
    assert recording.latencies()["age"].count == 0


def test_a_result_is_assembled_from_its_topics(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    panoptic = np.array([[0, 300]], np.uint16)
    for topic, pixels in (("mask", np.array([[255, 8]], np.uint8)), ("panoptic", panoptic)):
        cv2.imwrite(str(tmp_path / f"5.{topic}.png"), pixels)
        recording.add({"event": topic, "stamp": 5, "frame_id": FRAME_ID, "age_ms": 1.0})
    assert recording.result(5).panoptic_map is None  # the segments are still on their way
    segment = {"id": 300, "class_id": 8, "class_name": "car", "is_thing": True, "score": 0.5, "area": 1}
    segment |= {"box_xyxy": [1, 0, 2, 1], "centroid_xy": [1.0, 0.0]}
    recording.add({"event": "segments", "stamp": 5, "frame_id": FRAME_ID, "age_ms": 1.0, "segments": [segment]})
    result = recording.result(5)
    np.testing.assert_array_equal(result.panoptic_map, panoptic)
    assert result.label_map.tolist() == [[255, 8]]
    assert result.segments[0].box_xyxy == (1, 0, 2, 1)
    assert not result.confidence.any()
