"""One camera of the node: where its images come in, its results go out, and its frames are counted."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from bisenetformer_ros.ros.health.statistics import FrameStatistics
from bisenetformer_ros.ros.node.input import TOPIC, ImageInput
from bisenetformer_ros.ros.node.outputs import Outputs
from bisenetformer_ros.ros.node.parameters import Parameters

# Best effort hears every publisher, and these messages are small.
INFO_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class Camera:
    """Its statistics last as long as it does; topics are opened and closed with the node's transitions.

    camera_info: the latest usable calibration, None before the first one. outputs: None while not configured.
    """

    def __init__(self, node: Node, name: str, settings: Parameters, on_image: Callable[["Camera", Any], None]) -> None:
        """name: the first part of all its topics' names; empty for the only camera.

        Raises ConfigError for a wrong QoS override.
        """
        self._node = node
        self._prefix = f"{name}/" if name else ""
        self._info_subscription: Subscription | None = None
        self.name = name
        self.statistics = FrameStatistics()
        self.input = ImageInput(
            node,
            self._prefix + TOPIC,
            settings["image_transport"],
            callback=lambda message: on_image(self, message),
            wanted_reliability=lambda: settings["reliability"],
        )
        self.outputs: Outputs | None = None
        self.camera_info: CameraInfo | None = None

    def open_outputs(self, task: str) -> None:
        self.outputs = Outputs(self._node, self._prefix, task)

    def close_outputs(self) -> None:
        if self.outputs is not None:
            self.outputs.close()
        self.outputs = None

    def listen(self) -> None:
        topic = f"{self._prefix}camera_info"
        self._info_subscription = self._node.create_subscription(CameraInfo, topic, self._on_camera_info, INFO_QOS)
        self.input.update()

    def stop_listening(self) -> None:
        self.input.close()
        if self._info_subscription is not None:
            self._node.destroy_subscription(self._info_subscription)
        self._info_subscription = self.camera_info = None

    def check_calibration(self, image_size: tuple[int, int]) -> None:
        """Counts a calibration that is of another (height, width). It is passed on: either of the two may be right."""
        if self.camera_info is not None and not _is_of(self.camera_info, image_size):
            self.statistics.note("other_camera_info")

    def _on_camera_info(self, message: CameraInfo) -> None:
        if _is_finite([*message.d, *message.k, *message.r, *message.p]):
            self.camera_info = message
        else:
            self.statistics.note("bad_camera_info")


def _is_of(info: CameraInfo, image_size: tuple[int, int]) -> bool:
    """A region of interest and binning make the image smaller than the sensor. 0 stands for unknown, and for none."""
    sides = (info.height, info.roi.height, info.binning_y), (info.width, info.roi.width, info.binning_x)
    sizes = [(part or whole) // max(binning, 1) for whole, part, binning in sides]
    return all(expected in (0, side) for expected, side in zip(sizes, image_size, strict=True))


def _is_finite(values: Iterable[float]) -> bool:
    return all(math.isfinite(value) for value in values)
