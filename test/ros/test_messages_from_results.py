import array

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult
from bisenetformer_ros.ros.health.statistics import FrameLatency
from bisenetformer_ros.ros.messages import (
    ImageCanvas,
    detections_message,
    image_message,
    label_info_message,
    label_map_message,
    latency_message,
    segment_array_message,
)

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id="front_camera")
LABELS = LabelMap("two", (Label(0, "road", False, (51, 0, 255)), Label(1, "car", True, (0, 102, 0))))
RESULT = SegmentationResult(
    label_map=np.zeros((6, 8), np.uint8),
    confidence=np.zeros((6, 8), np.uint8),
    panoptic_map=np.zeros((6, 8), np.uint16),
    segments=(
        Segment(1, 0, "road", False, 0.75, 20, (0, 2, 8, 6), (3.5, 4.25)),
        Segment(2, 1, "car", True, 0.5, 6, (1, 2, 4, 7), (2.0, 4.0)),
    ),
)


@pytest.mark.parametrize(
    ("pixels", "encoding", "step", "data"),
    [
        (np.array([[1, 2, 3], [4, 5, 255]], np.uint8), "mono8", 3, [1, 2, 3, 4, 5, 255]),
        (np.array([[1, 258]], np.uint16), "mono16", 4, [1, 0, 2, 1]),
        (np.array([[[1, 2, 3]], [[4, 5, 6]]], np.uint8), "rgb8", 3, [1, 2, 3, 4, 5, 6]),
        (np.array([[1, 9], [2, 9], [3, 9]], np.uint8)[:, :1], "mono8", 1, [1, 2, 3]),  # a view, not contiguous
    ],
)
def test_image_message_holds_the_pixels_row_by_row(pixels, encoding, step, data):
    message = image_message(HEADER, pixels)
    assert (message.height, message.width) == pixels.shape[:2]
    assert (message.encoding, message.step, message.header) == (encoding, step, HEADER)
    assert isinstance(message.data, array.array)
    assert list(message.data) == data


def test_canvas_becomes_the_message_that_would_be_made_of_its_pixels():
    canvas = ImageCanvas()
    for pixels in (
        np.array([[1, 2, 3], [4, 5, 255]], np.uint8),
        np.array([[6, 7, 8], [9, 0, 1]], np.uint8),  # of the same size
        np.array([[1, 258]], np.uint16),
        np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
    ):
        canvas.pixels(pixels.shape, pixels.dtype)[...] = pixels
        assert canvas.message(HEADER) == image_message(HEADER, pixels)


def test_segment_message_says_everything_about_its_segment():
    message = segment_array_message(HEADER, RESULT)
    assert message.header == HEADER
    car = message.segments[1]
    assert (car.id, car.class_id, car.class_name, car.is_thing) == (2, 1, "car", True)
    assert (car.score, car.area, car.centroid_x, car.centroid_y) == (0.5, 6, 2.0, 4.0)
    assert (car.box.x_offset, car.box.y_offset, car.box.width, car.box.height) == (1, 2, 3, 5)
    assert [segment.id for segment in message.segments] == [1, 2]


def test_detections_are_the_things_alone_with_the_class_id_as_a_string():
    message = detections_message(HEADER, RESULT)
    (car,) = message.detections
    assert message.header == car.header == HEADER
    assert (car.id, car.results[0].hypothesis.class_id, car.results[0].hypothesis.score) == ("2", "1", 0.5)
    assert (car.bbox.center.position.x, car.bbox.center.position.y) == (2.5, 4.5)
    assert (car.bbox.size_x, car.bbox.size_y) == (3.0, 5.0)


def test_label_info_names_every_value_of_the_mask():
    message = label_info_message(HEADER.stamp, LABELS)
    assert [(c.class_id, c.class_name) for c in message.class_map] == [(0, "road"), (1, "car"), (255, "unlabeled")]
    assert message.header == Header(stamp=HEADER.stamp)


def test_label_map_has_colours_between_0_and_1():
    message = label_map_message(HEADER.stamp, LABELS)
    assert (list(message.class_ids), message.class_names, list(message.is_thing)) == (
        [0, 1],
        ["road", "car"],
        [False, True],
    )
    assert [(c.r, c.g, c.b, c.a) for c in message.colors] == [
        (pytest.approx(0.2), 0.0, 1.0, 1.0),
        (0.0, pytest.approx(0.4), 0.0, 1.0),
    ]


def test_latency_message_keeps_the_stages_apart():
    stages = FrameLatency(
        transport=1.0, decode=2.0, preprocess=3.0, inference=4.0, postprocess=5.0, publish=6.0, total=7.0
    )
    message = latency_message(HEADER, stages, dropped_frames=8)
    assert message.header == HEADER
    assert (message.transport_ms, message.decode_ms, message.preprocess_ms, message.inference_ms) == (1, 2, 3, 4)
    assert (message.postprocess_ms, message.publish_ms, message.total_ms, message.dropped_frames) == (5, 6, 7, 8)
