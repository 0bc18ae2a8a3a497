"""A message in a bag is the message of the node, compared after rclpy has read it."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not sourced")

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from bisenetformer_ros import msg
from bisenetformer_ros.bags import messages as result_messages
from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult
from bisenetformer_ros.ros import messages as node
from bisenetformer_ros.ros.health.statistics import FrameLatency

STAMP_NS = 12_000_000_034
HEAD = result_messages.header(STAMP_NS, "front_camera")
NODE_HEAD = Header(stamp=Time(sec=12, nanosec=34), frame_id="front_camera")
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


def sent(message):
    """A message of the node as its subscribers get it: floats have fewer digits then."""
    return deserialize_message(serialize_message(message), type(message))


def read_by_rclpy(message, kind):
    return deserialize_message(bytes(message_types().serialize_cdr(message, message.__msgtype__)), kind)


@pytest.mark.parametrize(
    "pixels",
    [
        np.array([[1, 2, 3], [4, 5, 255]], np.uint8),
        np.array([[1, 258], [65535, 0]], np.uint16),
        np.arange(18, dtype=np.uint8).reshape(2, 3, 3),
        np.arange(24, dtype=np.uint8).reshape(4, 6)[:, ::2],
    ],
)
def test_images(pixels) -> None:
    assert read_by_rclpy(result_messages.image(HEAD, pixels), Image) == sent(node.image_message(NODE_HEAD, pixels))


def test_segments_and_detections() -> None:
    segments = read_by_rclpy(result_messages.segment_array(HEAD, RESULT), msg.SegmentArray)
    assert segments == sent(node.segment_array_message(NODE_HEAD, RESULT))
    detections = read_by_rclpy(result_messages.detection_array(HEAD, RESULT), Detection2DArray)
    assert len(detections.detections) == 1
    assert detections == sent(node.detections_message(NODE_HEAD, RESULT))


def test_labels() -> None:
    info = read_by_rclpy(result_messages.label_info(result_messages.header(STAMP_NS), LABELS), LabelInfo)
    assert info == sent(node.label_info_message(NODE_HEAD.stamp, LABELS))
    labels = read_by_rclpy(result_messages.label_map(result_messages.header(STAMP_NS), LABELS), msg.LabelMap)
    assert labels == sent(node.label_map_message(NODE_HEAD.stamp, LABELS))


def test_latency_has_no_transport_and_no_publishing() -> None:
    times = {"decode": 1.5, "preprocess": 2.0, "inference": 30.25, "postprocess": 4.0}
    latency = read_by_rclpy(result_messages.latency(HEAD, times, 3), msg.Latency)
    expected = FrameLatency(transport=0.0, publish=0.0, total=37.75, **times)
    assert latency == sent(node.latency_message(NODE_HEAD, expected, 3))


def test_camera_info_says_that_there_is_no_calibration() -> None:
    info = read_by_rclpy(result_messages.camera_info(HEAD, 480, 640), CameraInfo)
    assert info == CameraInfo(header=NODE_HEAD, height=480, width=640)


def test_compressed_image() -> None:
    message = read_by_rclpy(result_messages.compressed_image(HEAD, "jpeg", b"\x01\x02"), CompressedImage)
    assert message == CompressedImage(header=NODE_HEAD, format="jpeg", data=[1, 2])
