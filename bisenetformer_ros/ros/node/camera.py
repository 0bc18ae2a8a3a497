"""One camera of the node: its input, its outputs, its calibration and its statistics."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from bisenetformer_ros.geometry.pinhole import fits_size
from bisenetformer_ros.images.raw import DecodingReport
from bisenetformer_ros.ros.health.connectivity import CameraInfoSubscription
from bisenetformer_ros.ros.health.diagnostics import CameraState
from bisenetformer_ros.ros.health.statistics import FrameStatistics
from bisenetformer_ros.ros.node.input import TOPIC, ImageInput
from bisenetformer_ros.ros.node.outputs import OutputPublishers
from bisenetformer_ros.ros.node.parameters import Parameters
from bisenetformer_ros.ros.qos import INFO_QOS


class Camera:
    """Topics are opened and closed by the node's transitions; statistics last as long as the camera.

    Attributes:
        name: First part of the names of its topics; empty for the only camera.
        statistics: Of its frames.
        input: Subscription to its images.
        outputs: None while the node is not configured.
        decoding: What decoding learned about the images of the current encoding.
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
        self._info_name = f"{self._prefix}camera_info"
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
        self._info_topic = self._choose_info_topic()
        self.decoding = DecodingReport()
        self.outputs: OutputPublishers | None = None
        self.camera_info: CameraInfo | None = None

    def state(self) -> CameraState:
        """Return what /diagnostics reports."""
        return CameraState(
            subscription=self.input.state(),
            report=self.statistics.report(),
            has_subscribers=self.has_subscribers(),
            decoding=self.decoding,
            bit_depth=self._settings["bit_depth"],
            camera_info=CameraInfoSubscription(
                name=self._info_name,
                topic=self._info_topic,
                arrived=self._info_arrived,
                is_wanted=self.outputs is not None and self.outputs.is_subscribed("camera_info"),
            ),
        )

    def has_subscribers(self) -> bool:
        """Return whether any of its outputs has a subscriber."""
        return self.outputs is not None and self.outputs.have_subscribers()

    def open_outputs(self, task: str) -> None:
        self.outputs = OutputPublishers(self._node, self._prefix, task)

    def close_outputs(self) -> None:
        if self.outputs is not None:
            self.outputs.close()
        self.outputs = None

    def update(self, needs_image: bool) -> None:
        """Subscribe as far as the outputs have subscribers, and follow the publishers. Call it periodically.

        Args:
            needs_image: Whether the node needs an image without subscribers, too.
        """
        if self.input.update(needs_image or self.has_subscribers()):
            self.statistics.forget_arrivals()
        topic = self._choose_info_topic()
        if self._info_subscription is None or topic != self._info_topic:
            self._close_info()
            self._info_topic = topic
            self._info_subscription = self._node.create_subscription(CameraInfo, topic, self._on_camera_info, INFO_QOS)

    def unsubscribe(self) -> None:
        self.input.close()
        self._close_info()
        self.decoding = DecodingReport()

    def check_calibration(self, image_size: tuple[int, int]) -> None:
        """Count a calibration for another (height, width). It is republished all the same: either may be right."""
        info = self.camera_info  # which the executor's thread may change
        if info is not None and not fits_size(info, image_size):
            self.statistics.note("other_camera_info")

    def _choose_info_topic(self) -> str:
        """Return `camera_info` if it is remapped, else image_transport's choice, which is beside the images.

        If only the former is published, it is that one: a name that is remapped to itself looks like one that is not.
        """
        named = self._node.resolve_topic_name(self._info_name)
        if named != self._node.resolve_topic_name(self._info_name, only_expand=True):
            return named
        beside = f"{self.input.base_topic.rpartition('/')[0]}/camera_info"
        if self._node.count_publishers(beside):
            return beside
        if self._info_arrived:
            return self._info_topic  # whose camera may have stopped for a while
        return named if self._node.count_publishers(named) else beside

    def _close_info(self) -> None:
        if self._info_subscription is not None:
            self._node.destroy_subscription(self._info_subscription)
        self._info_subscription = self.camera_info = None
        self._info_arrived = False

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._info_arrived = True
        if _is_finite([*message.d, *message.k, *message.r, *message.p]):
            self.camera_info = message
        else:
            self.statistics.note("bad_camera_info")


def _is_finite(values: Iterable[float]) -> bool:
    return all(math.isfinite(value) for value in values)
