"""One camera of the node: its input, its outputs, its calibration and its statistics."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from bisenetformer_ros.images.raw import DecodingReport
from bisenetformer_ros.ros.health.connectivity import CameraInfoSubscription
from bisenetformer_ros.ros.health.diagnostics import CameraState
from bisenetformer_ros.ros.health.statistics import FrameStatistics
from bisenetformer_ros.ros.node.input import TOPIC, ImageInput
from bisenetformer_ros.ros.node.outputs import OutputPublishers
from bisenetformer_ros.ros.node.parameters import Parameters

# Best effort is compatible with every publisher, and these messages are too small to be lost.
INFO_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class Camera:
    """Topics are opened and closed by the node's transitions; statistics last as long as the camera.

    Attributes:
        name: First part of the names of its topics; empty for the only camera.
        statistics: Of its frames.
        input: Subscription to its images.
        outputs: None while the node is not configured.
        decoding: What decoding learned about the images of the current encoding.
        info_topic: Full name of the topic of the calibration.
        camera_info: Latest finite calibration; None before the first one.
    """

    def __init__(self, node: Node, name: str, settings: Parameters, on_image: Callable[["Camera", Any], None]) -> None:
        """Declare the QoS override of the image topic.

        Args:
            node: Owner of the topics.
            name: First part of the topics' names; empty for the only camera.
            settings: Parameters of the node.
            on_image: Called with the camera and every image message.

        Raises:
            ConfigError: Invalid QoS override.
        """
        self._node = node
        self._prefix = f"{name}/" if name else ""
        self._info_subscription: Subscription | None = None
        self._info_arrived = False
        self._settings = settings
        self.name = name
        self.statistics = FrameStatistics()
        self.input = ImageInput(
            node,
            self._prefix + TOPIC,
            settings["image_transport"],
            callback=lambda message: on_image(self, message),
            wanted_reliability=lambda: settings["reliability"],
        )
        self.decoding = DecodingReport()
        self.outputs: OutputPublishers | None = None
        self.info_topic = self._find_info_topic()
        self.camera_info: CameraInfo | None = None

    def state(self) -> CameraState:
        """Return what /diagnostics reports."""
        has_subscribers = self.outputs is not None and self.outputs.have_subscribers()
        return CameraState(
            subscription=self.input.state(),
            report=self.statistics.report(),
            has_subscribers=has_subscribers,
            decoding=self.decoding,
            bit_depth=self._settings["bit_depth"],
            camera_info=CameraInfoSubscription(
                name=f"{self._prefix}camera_info",
                topic=self.info_topic,
                arrived=self._info_arrived,
                is_wanted=self.outputs is not None and self.outputs.is_subscribed("camera_info"),
            ),
        )

    def open_outputs(self, task: str) -> None:
        self.outputs = OutputPublishers(self._node, self._prefix, task)

    def close_outputs(self) -> None:
        if self.outputs is not None:
            self.outputs.close()
        self.outputs = None

    def subscribe(self) -> None:
        self._info_subscription = self._node.create_subscription(
            CameraInfo, self.info_topic, self._on_camera_info, INFO_QOS
        )
        self.input.update()

    def unsubscribe(self) -> None:
        self.input.close()
        if self._info_subscription is not None:
            self._node.destroy_subscription(self._info_subscription)
        self._info_subscription = self.camera_info = None
        self._info_arrived = False
        self.decoding = DecodingReport()

    def check_calibration(self, image_size: tuple[int, int]) -> None:
        """Count a calibration for another (height, width). It is republished all the same: either may be right."""
        if self.camera_info is not None and not _has_size(self.camera_info, image_size):
            self.statistics.note("other_camera_info")

    def _find_info_topic(self) -> str:
        """`camera_info` if that is remapped, else the topic beside the images', as of image_transport."""
        name = f"{self._prefix}camera_info"
        resolved = self._node.resolve_topic_name(name)
        if resolved != self._node.resolve_topic_name(name, only_expand=True):
            return resolved
        return f"{self.input.base_topic.rpartition('/')[0]}/camera_info"

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._info_arrived = True
        if _is_finite([*message.d, *message.k, *message.r, *message.p]):
            self.camera_info = message
        else:
            self.statistics.note("bad_camera_info")


def _has_size(info: CameraInfo, image_size: tuple[int, int]) -> bool:
    """Whether the size fits after region of interest and binning; a size of 0 is unknown, a binning of 0 is none."""
    sides = (info.height, info.roi.height, info.binning_y), (info.width, info.roi.width, info.binning_x)
    sizes = [(part or whole) // max(binning, 1) for whole, part, binning in sides]
    return all(expected in (0, side) for expected, side in zip(sizes, image_size, strict=True))


def _is_finite(values: Iterable[float]) -> bool:
    return all(math.isfinite(value) for value in values)
