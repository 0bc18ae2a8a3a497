"""The topics that the node publishes, drawn and built only for those who listen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from bisenetformer_ros import msg
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.ros import messages
from bisenetformer_ros.ros.frame_statistics import FrameLatency
from bisenetformer_ros.visualize import colorize, overlay

# Reliable, so that RViz's default subscriber gets the images; depth 1, since only the newest is of use.
FRAME_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@dataclass(frozen=True)
class SegmentedFrame:
    """One camera image with everything that the outputs are made of. rgb: (H, W, 3) uint8. alpha: 0..1."""

    header: Header
    rgb: np.ndarray
    result: SegmentationResult
    labels: LabelMap
    overlay_alpha: float
    camera_info: CameraInfo | None


def _restamped(frame: SegmentedFrame) -> CameraInfo | None:
    if frame.camera_info is not None:
        frame.camera_info.header = frame.header
    return frame.camera_info


# topic → type and how its message is made; None means there is nothing to publish.
_Build = Callable[[SegmentedFrame], Any]
SEMANTIC_OUTPUTS: dict[str, tuple[type, _Build]] = {
    "mask": (Image, lambda f: messages.image_message(f.header, f.result.label_map)),
    "confidence": (Image, lambda f: messages.image_message(f.header, f.result.confidence)),
    "color_mask": (Image, lambda f: messages.image_message(f.header, colorize(f.result.label_map, f.labels))),
    "overlay": (
        Image,
        lambda f: messages.image_message(f.header, overlay(f.rgb, f.result, f.labels, f.overlay_alpha)),
    ),
    "camera_info": (CameraInfo, _restamped),
}
PANOPTIC_OUTPUTS: dict[str, tuple[type, _Build]] = {
    "panoptic": (Image, lambda f: messages.image_message(f.header, f.result.panoptic_map)),
    "segments": (msg.SegmentArray, lambda f: messages.segment_array_message(f.header, f.result)),
    "detections": (Detection2DArray, lambda f: messages.detections_message(f.header, f.result)),
}


class Outputs:
    """The publishers of one camera. With `semantic` the panoptic topics do not exist, rather than stay silent."""

    def __init__(self, node: Node, prefix: str, task: str) -> None:
        """prefix: of every topic's name, after the node's own."""
        self._node = node
        self._builds = SEMANTIC_OUTPUTS | (PANOPTIC_OUTPUTS if task == "panoptic" else {})
        self._publishers: dict[str, Publisher] = {
            topic: node.create_publisher(kind, f"~/{prefix}{topic}", FRAME_QOS)
            for topic, (kind, _) in self._builds.items()
        }
        self._latency = node.create_publisher(msg.Latency, f"~/{prefix}latency", FRAME_QOS)

    def have_listeners(self) -> bool:
        """Whether anybody listens to a topic that comes once per frame, ~/latency included."""
        return any(p.get_subscription_count() for p in (*self._publishers.values(), self._latency))

    def publish(self, frame: SegmentedFrame) -> list[str]:
        """Builds and publishes what has a listener at this moment; returns the topics."""
        published = []
        for topic, publisher in self._publishers.items():
            if publisher.get_subscription_count():
                message = self._builds[topic][1](frame)
                if message is not None:
                    publisher.publish(message)
                    published.append(topic)
        return published

    def publish_latency(self, header: Header, latency: FrameLatency, dropped_frames: int) -> None:
        self._latency.publish(messages.latency_message(header, latency, dropped_frames))

    def close(self) -> None:
        for publisher in (*self._publishers.values(), self._latency):
            self._node.destroy_publisher(publisher)


class LabelOutputs:
    """What the values of all masks mean; latched, so that it is sent once and those who come late get it."""

    def __init__(self, node: Node, labels: LabelMap) -> None:
        self._node = node
        self._label_info = node.create_publisher(LabelInfo, "~/label_info", LATCHED_QOS)
        self._label_map = node.create_publisher(msg.LabelMap, "~/label_map", LATCHED_QOS)
        stamp = node.get_clock().now().to_msg()
        self._label_info.publish(messages.label_info_message(stamp, labels))
        self._label_map.publish(messages.label_map_message(stamp, labels))

    def close(self) -> None:
        self._node.destroy_publisher(self._label_info)
        self._node.destroy_publisher(self._label_map)
