"""The subscriptions of the projection node, open while somebody subscribes to its outputs."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from bisenetformer_ros import msg
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED
from bisenetformer_ros.ros.health.connectivity import CameraInfoSubscription
from bisenetformer_ros.ros.node.input import ImageInput
from bisenetformer_ros.ros.projection.pairing import DEPTH, MASK
from bisenetformer_ros.ros.qos import INFO_QOS, LATCHED_QOS

SEGMENTATION_NODE = "bisenetformer"
INFO = "depth/camera_info"
QUEUE_DEPTH = 10
"""Messages that wait for the executor, which only stores them."""


class ProjectionInputs:
    """Passes on every message of `mask`, `panoptic`, `segments` and `depth`, and keeps the latest of the others.

    Attributes:
        images: mask, panoptic and depth → subscription.
        camera_info: Latest calibration of the depth image; None before the first one.
        palette: (256, 3) uint8 RGB by class id; arbitrary colours until ~/label_map has arrived.
    """

    def __init__(self, node: Node, on_message: Callable[[str, Any], None]) -> None:
        """on_message: Called with the topic, such as `mask`, and the message."""
        self._node = node
        self._on_message = on_message
        self._others: list[Subscription] = []
        names = {MASK: f"{SEGMENTATION_NODE}/mask", "panoptic": f"{SEGMENTATION_NODE}/panoptic", DEPTH: "depth/image"}
        self.images: Mapping[str, ImageInput] = {
            topic: ImageInput(node, name, "raw", self._passing(topic), lambda: "auto", QUEUE_DEPTH)
            for topic, name in names.items()
        }
        self.camera_info: CameraInfo | None = None
        self.palette = LabelMap.anonymous(UNLABELED).palette
        node.create_subscription(msg.LabelMap, f"{SEGMENTATION_NODE}/label_map", self._on_label_map, LATCHED_QOS)

    @property
    def info_topic(self) -> str:
        """Full name of `depth/camera_info` if it is remapped, else that beside the depth images."""
        named = self._node.resolve_topic_name(INFO)
        if named != self._node.resolve_topic_name(INFO, only_expand=True):
            return named
        return f"{self.images[DEPTH].topic.rpartition('/')[0]}/camera_info"

    def info_state(self) -> CameraInfoSubscription:
        """Return what /diagnostics needs to explain a missing calibration."""
        return CameraInfoSubscription(INFO, self.info_topic, self.camera_info is not None, is_wanted=True)

    def needed(self) -> set[str]:
        """Return the topics that make up a result: with the semantic task, nobody publishes instances."""
        if self._node.count_publishers(self.images["panoptic"].topic):
            return {MASK, "panoptic", "segments"}
        return {MASK}

    def update(self) -> None:
        """Open the subscriptions, or reopen those that have to follow their publishers."""
        for image in self.images.values():
            image.update()
        if not self._others:
            create, qos = self._node.create_subscription, QoSProfile(depth=QUEUE_DEPTH)
            self._others = [
                create(msg.SegmentArray, f"{SEGMENTATION_NODE}/segments", self._passing("segments"), qos),
                create(CameraInfo, self.info_topic, self._on_camera_info, INFO_QOS),
            ]

    def close(self) -> None:
        for image in self.images.values():
            image.close()
        for subscription in self._others:
            self._node.destroy_subscription(subscription)
        self._others = []
        self.camera_info = None

    def _passing(self, topic: str) -> Callable[[Any], None]:
        return lambda message: self._on_message(topic, message)

    def _on_camera_info(self, message: CameraInfo) -> None:
        self.camera_info = message

    def _on_label_map(self, message: msg.LabelMap) -> None:
        palette = np.zeros((256, 3), np.uint8)
        for class_id, color in zip(message.class_ids, message.colors, strict=False):
            palette[class_id] = np.clip([color.r, color.g, color.b], 0, 1) * 255 + 0.5
        self.palette = palette
