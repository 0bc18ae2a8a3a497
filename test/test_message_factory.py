"""Messages built with rclpy's types, and that a message in a bag is the one that the node publishes."""

import array

import numpy as np
import pytest

pytest.importorskip("bisenetformer_ros.msg", reason="ROS 2 is not sourced: source tools/env.sh")

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from bisenetformer_ros import msg
from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.bags.message_types import messages as bag
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult
from bisenetformer_ros.ros.message_types import messages as node

STAMP_NS = 12_000_000_034
HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id="front_camera")
BAG_HEADER = bag.header(STAMP_NS, "front_camera")
LABELS = LabelMap("two", (Label(0, "road", False, (51, 0, 255)), Label(1, "car", True, (0, 102, 0))))
RESULT = SegmentationResult(
    label_map=np.zeros((6, 8), np.uint8),
    confidence=np.zeros((6, 8), np.uint8),
    panoptic_map=np.zeros((6, 8), np.uint16),
    segments=(
        Segment(1, 0, "road", False, 0.75, 20, (0, 2, 8, 6), (3.5, 4.25)),
        Segment(2, 1, "car", True, 0.3, 6, (1, 2, 4, 7), (2.1, 4.0)),
    ),
)
IMAGES = [
    (np.array([[1, 2, 3], [4, 5, 255]], np.uint8), "mono8", 3, [1, 2, 3, 4, 5, 255]),
    (np.array([[1, 258]], np.uint16), "mono16", 4, [1, 0, 2, 1]),
    (np.array([[[1, 2, 3]], [[4, 5, 6]]], np.uint8), "rgb8", 3, [1, 2, 3, 4, 5, 6]),
    (np.array([[1, 9], [2, 9], [3, 9]], np.uint8)[:, :1], "mono8", 1, [1, 2, 3]),  # a view, not contiguous
    (np.array([[1.5, np.inf]], np.float32), "32FC1", 8, [0, 0, 0xC0, 0x3F, 0, 0, 0x80, 0x7F]),
]


def received(message):
    """A message of the node as a subscriber gets it, with floats rounded to the precision of their type."""
    return deserialize_message(serialize_message(message), type(message))


def read_by_rclpy(message, kind):
    return deserialize_message(bytes(message_types().serialize_cdr(message, message.__msgtype__)), kind)


def test_header():
    assert node.header(STAMP_NS, "front_camera") == HEADER
    assert read_by_rclpy(BAG_HEADER, Header) == HEADER


@pytest.mark.parametrize(("pixels", "encoding", "step", "data"), IMAGES)
def test_image_holds_the_pixels_row_by_row(pixels, encoding, step, data):
    message = node.image(HEADER, pixels)
    assert (message.height, message.width) == pixels.shape[:2]
    assert (message.encoding, message.step, message.header) == (encoding, step, HEADER)
    assert isinstance(message.data, array.array)
    assert list(message.data) == data


@pytest.mark.parametrize(
    "pixels", [*(image[0] for image in IMAGES), np.arange(24, dtype=np.uint8).reshape(4, 6)[:, ::2]]
)
def test_image_in_a_bag(pixels):
    assert read_by_rclpy(bag.image(BAG_HEADER, pixels), Image) == received(node.image(HEADER, pixels))


def test_segments():
    message = node.segment_array(HEADER, RESULT)
    assert message.header == HEADER
    car = message.segments[1]
    assert (car.id, car.class_id, car.class_name, car.is_thing) == (2, 1, "car", True)
    assert (car.score, car.area, car.centroid_x, car.centroid_y) == (0.3, 6, 2.1, 4.0)
    assert (car.box.x_offset, car.box.y_offset, car.box.width, car.box.height) == (1, 2, 3, 5)
    assert [segment.id for segment in message.segments] == [1, 2]
    assert read_by_rclpy(bag.segment_array(BAG_HEADER, RESULT), msg.SegmentArray) == received(message)


def test_detections_are_the_things_with_the_class_id_as_a_string():
    message = node.detection_array(HEADER, RESULT)
    (car,) = message.detections
    assert message.header == car.header == HEADER
    assert (car.id, car.results[0].hypothesis.class_id, car.results[0].hypothesis.score) == ("2", "1", 0.3)
    assert (car.bbox.center.position.x, car.bbox.center.position.y) == (2.5, 4.5)
    assert (car.bbox.size_x, car.bbox.size_y) == (3.0, 5.0)
    assert read_by_rclpy(bag.detection_array(BAG_HEADER, RESULT), Detection2DArray) == received(message)


def test_label_info_names_every_value_of_the_mask():
    header = Header(stamp=HEADER.stamp)
    message = node.label_info(header, LABELS)
    assert [(c.class_id, c.class_name) for c in message.class_map] == [(0, "road"), (1, "car"), (255, "unlabeled")]
    assert message.header == header
    assert read_by_rclpy(bag.label_info(bag.header(STAMP_NS), LABELS), LabelInfo) == received(message)


def test_label_map_has_colors_between_0_and_1():
    header = Header(stamp=HEADER.stamp)
    message = node.label_map(header, LABELS)
    assert (list(message.class_ids), message.class_names, list(message.is_thing)) == (
        [0, 1],
        ["road", "car"],
        [False, True],
    )
    assert [(c.r, c.g, c.b, c.a) for c in message.colors] == [
        (pytest.approx(0.2), 0.0, 1.0, 1.0),
        (0.0, pytest.approx(0.4), 0.0, 1.0),
    ]
    assert read_by_rclpy(bag.label_map(bag.header(STAMP_NS), LABELS), msg.LabelMap) == received(message)


def test_latency_keeps_the_stages_apart():
    names = ("transport", "decode", "preprocess", "inference", "postprocess", "publish", "total")
    message = node.latency(HEADER, dict(zip(names, range(1, 8), strict=True)), dropped_frames=8)
    assert message.header == HEADER
    assert (message.transport_ms, message.decode_ms, message.preprocess_ms, message.inference_ms) == (1, 2, 3, 4)
    assert (message.postprocess_ms, message.publish_ms, message.total_ms, message.dropped_frames) == (5, 6, 7, 8)


def test_latency_in_a_bag_has_neither_transport_nor_publishing():
    times = {"decode": 1.5, "preprocess": 2.0, "inference": 30.25, "postprocess": 4.0}
    message = read_by_rclpy(bag.latency(BAG_HEADER, times, 3), msg.Latency)
    expected = {"transport": 0.0, "publish": 0.0, "total": 37.75, **times}
    assert message == received(node.latency(HEADER, expected, 3))


def test_camera_info_of_an_uncalibrated_camera():
    expected = CameraInfo(header=HEADER, height=480, width=640)
    assert node.camera_info(HEADER, 480, 640) == expected
    assert read_by_rclpy(bag.camera_info(BAG_HEADER, 480, 640), CameraInfo) == expected


def test_camera_info_of_a_calibrated_camera_without_distortion():
    matrix = np.array([[500.0, 0.0, 320.5], [0.0, 510.0, 240.25], [0.0, 0.0, 1.0]])
    k = [500.0, 0.0, 320.5, 0.0, 510.0, 240.25, 0.0, 0.0, 1.0]
    p = [500.0, 0.0, 320.5, 0.0, 0.0, 510.0, 240.25, 0.0, 0.0, 0.0, 1.0, 0.0]
    r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    calibration = {"distortion_model": "plumb_bob", "d": [0.0] * 5, "k": k, "r": r, "p": p}
    expected = CameraInfo(header=HEADER, height=480, width=640, **calibration)
    assert node.camera_info(HEADER, 480, 640, matrix) == expected
    assert read_by_rclpy(bag.camera_info(BAG_HEADER, 480, 640, matrix), CameraInfo) == expected


def test_compressed_image():
    expected = CompressedImage(header=HEADER, format="jpeg", data=[1, 2])
    assert node.compressed_image(HEADER, "jpeg", b"\x01\x02") == expected
    assert read_by_rclpy(bag.compressed_image(BAG_HEADER, "jpeg", b"\x01\x02"), CompressedImage) == expected
