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
from bisenetformer_ros.images.draw import colorize, overlay
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.ros import messages
from bisenetformer_ros.ros.health.statistics import FrameLatency

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


_Build = Callable[[SegmentedFrame], Any]
"""Makes the message of a topic; None if there is nothing to publish."""
_Draw = Callable[[SegmentedFrame, np.ndarray], Any]
"""Draws into an array of the frame's height and width."""


def _image(draw: _Draw, dtype: type = np.uint8, channels: tuple[int, ...] = ()) -> Callable[[], _Build]:
    def prepare() -> _Build:
        canvas = messages.ImageCanvas()

        def build(frame: SegmentedFrame) -> Image:
            draw(frame, canvas.pixels(frame.rgb.shape[:2] + channels, dtype))
            return canvas.message(frame.header)

        return build

    return prepare


def _restamped(frame: SegmentedFrame) -> CameraInfo | None:
    if frame.camera_info is not None:
        frame.camera_info.header = frame.header
    return frame.camera_info


# topic → type, and what gives its builder. In this order they are published: those that are cheap come first.
_Outputs = dict[str, tuple[type, Callable[[], _Build]]]
SEMANTIC_OUTPUTS: _Outputs = {
    "camera_info": (CameraInfo, lambda: _restamped),
    "mask": (Image, _image(lambda f, out: np.copyto(out, f.result.label_map))),
    "confidence": (Image, _image(lambda f, out: np.copyto(out, f.result.confidence))),
    "color_mask": (Image, _image(lambda f, out: colorize(f.result.label_map, f.labels, out), channels=(3,))),
    "overlay": (
        Image,
        _image(lambda f, out: overlay(f.rgb, f.result, f.labels, f.overlay_alpha, out), channels=(3,)),
    ),
}
PANOPTIC_OUTPUTS: _Outputs = {
    "segments": (msg.SegmentArray, lambda: lambda f: messages.segment_array_message(f.header, f.result)),
    "detections": (Detection2DArray, lambda: lambda f: messages.detections_message(f.header, f.result)),
    "panoptic": (Image, _image(lambda f, out: np.copyto(out, f.result.panoptic_map), np.uint16)),
}


class Outputs:
    """The publishers of one camera. With `semantic` the panoptic topics do not exist, rather than stay silent."""

    def __init__(self, node: Node, prefix: str, task: str) -> None:
        """prefix: of every topic's name, after the node's own."""
        self._node = node
        outputs = (PANOPTIC_OUTPUTS if task == "panoptic" else {}) | SEMANTIC_OUTPUTS
        self._builds = {topic: prepare() for topic, (_, prepare) in outputs.items()}
        self._publishers: dict[str, Publisher] = {
            topic: node.create_publisher(kind, f"~/{prefix}{topic}", FRAME_QOS) for topic, (kind, _) in outputs.items()
        }
        self._latency = node.create_publisher(msg.Latency, f"~/{prefix}latency", FRAME_QOS)

    def have_listeners(self) -> bool:
        """Whether anybody listens to a topic that comes once per frame, ~/latency included."""
        return any(p.get_subscription_count() for p in (*self._publishers.values(), self._latency))

    def publish(self, frame: SegmentedFrame) -> list[str]:
        """Builds and publishes what has a listener at this moment; returns the topics.

        The middleware has its own copy of a message when `publish` comes back, so that the next frame may be drawn into
        the same one.
        """
        published = []
        for topic, publisher in self._publishers.items():
            if publisher.get_subscription_count():
                message = self._builds[topic](frame)
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
