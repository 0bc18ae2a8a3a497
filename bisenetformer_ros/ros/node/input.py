"""The subscription to a camera's images, which fits its reliability to the publishers that there are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage, Image

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.images.compressed import decode_compressed
from bisenetformer_ros.ros.node.cv_bridge_decoder import decode
from bisenetformer_ros.ros.node.settings import RELIABILITIES

TOPIC = "image_raw"


@dataclass(frozen=True)
class Transport:
    """A way that images come: the message, the end of its topic's name, and how it becomes (H, W, 3) uint8 RGB."""

    kind: type
    suffix: str
    decode: Callable[[Any], np.ndarray]

    @property
    def type_name(self) -> str:
        return f"sensor_msgs/msg/{self.kind.__name__}"


TRANSPORTS = {
    "raw": Transport(Image, "", decode),
    "compressed": Transport(CompressedImage, "/compressed", decode_compressed),
}


class ImageInput:
    """Subscribes to the images of one camera, keep last 1.

    Best effort hears every publisher, but loses camera-sized images on the way where a reliable pair loses none; so it
    is reliable as soon as every publisher is. `update` looks again and is to be called now and then.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        transport: str,
        callback: Callable[[Any], None],
        wanted_reliability: Callable[[], str],
    ) -> None:
        """name: of the topic without the transport's suffix, which is what a user remaps; relative.

        transport: one of TRANSPORTS. wanted_reliability: gives one of RELIABILITIES, asked again on every update.
        Raises ConfigError if the node was started with a QoS override that is none of them.
        """
        self._node = node
        self._callback = callback
        self._wanted_reliability = wanted_reliability
        self._subscription: Subscription | None = None
        self._qos = QoSProfile(depth=1)
        self.name = name
        self.transport = TRANSPORTS[transport]
        self.topic = node.resolve_topic_name(node.resolve_topic_name(name) + self.transport.suffix)
        self._override = self._read_override()

    @property
    def qos(self) -> QoSProfile | None:
        """Of the open subscription; None while closed."""
        return self._qos if self._subscription else None

    def publishers(self) -> list[TopicEndpointInfo]:
        """Everyone who publishes on the topic now, whatever the type."""
        return self._node.get_publishers_info_by_topic(self.topic)

    def update(self) -> None:
        """Opens the subscription, or opens it again if another reliability has become the right one."""
        reliability = self._choose()
        if self._subscription is not None and reliability == self._qos.reliability:
            return
        self.close()
        self._qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability)
        self._subscription = self._node.create_subscription(
            self.transport.kind,
            self.topic,
            self._callback,
            self._qos,
            qos_overriding_options=QoSOverridingOptions(
                (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.DURABILITY)
            ),
        )

    def close(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _read_override(self) -> str:
        """The standard QoS override of the reliability, `auto` if there is none.

        The other policies are overridden by rclpy. It would keep the first value of this one for good, though, and
        `auto` could no longer change it.
        """
        name = f"qos_overrides.{self.topic}.subscription.reliability"
        if not self._node.has_parameter(name):  # a camera that comes back finds its own
            self._node.declare_parameter(name, "auto", ParameterDescriptor(read_only=True))
        override = self._node.get_parameter(name).value
        if override not in RELIABILITIES:
            raise ConfigError(f"{name}: expected one of {', '.join(RELIABILITIES)}, got '{override}'")
        return override

    def _choose(self) -> ReliabilityPolicy:
        wanted = self._override if self._override != "auto" else self._wanted_reliability()
        if wanted != "auto":
            return ReliabilityPolicy[wanted.upper()]
        offered = {info.qos_profile.reliability for info in self.publishers()}
        return ReliabilityPolicy.RELIABLE if offered == {ReliabilityPolicy.RELIABLE} else ReliabilityPolicy.BEST_EFFORT
