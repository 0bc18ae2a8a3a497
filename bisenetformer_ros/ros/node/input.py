"""The subscription to a camera's images, whose reliability follows the publishers."""

import time
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.ros.health.connectivity import ImageSubscription
from bisenetformer_ros.ros.node.settings import RELIABILITIES
from bisenetformer_ros.ros.qos import reliability_for
from bisenetformer_ros.ros.transports import TRANSPORTS

TOPIC = "image_raw"


class ImageInput:
    """Subscribes to the images of one camera, keep last.

    A best-effort subscription is compatible with every publisher but loses large images where a reliable one does not.
    So it is reliable while every publisher is. Call `update` periodically to follow the publishers.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        transport: str,
        callback: Callable[[Any], None],
        wanted_reliability: Callable[[], str],
        depth: int = 1,
    ) -> None:
        """Declare the QoS override of the topic.

        Args:
            node: Owner of the subscription.
            name: Relative name of the topic without the transport's suffix, which users remap.
            transport: Key of TRANSPORTS.
            callback: Called with every message.
            wanted_reliability: Returns one of RELIABILITIES; called by every `update`.
            depth: Number of images that wait for the callback at most.

        Raises:
            ConfigError: The node was started with an invalid QoS override.
        """
        self._node = node
        self._callback = callback
        self._wanted_reliability = wanted_reliability
        self._subscription: Subscription | None = None
        self._depth = depth
        self._qos = QoSProfile(depth=depth)
        self._since = time.monotonic()
        self.name = name
        self.transport = TRANSPORTS[transport]
        self.topic = node.resolve_topic_name(node.resolve_topic_name(name) + self.transport.suffix)
        self._override_name = f"qos_overrides.{self.topic}.subscription.reliability"
        self._override = self._read_override()

    @property
    def base_topic(self) -> str:
        """Full name of the topic without the transport's suffix."""
        return self.topic.removesuffix(self.transport.suffix)

    def state(self) -> ImageSubscription:
        """Return what /diagnostics needs to explain missing images."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        return ImageSubscription(
            self.name,
            self.topic,
            self.transport,
            self._qos,
            self._forced_by(),
            publishers,
            self._subscription is not None,
            self._since,
        )

    def update(self, is_wanted: bool = True) -> bool:
        """Open or close the subscription, or reopen it if the reliability has to change.

        Args:
            is_wanted: Whether images are needed.

        Returns:
            Whether a subscription was opened.
        """
        reliability = self._choose()
        if not is_wanted or reliability != self._qos.reliability:
            self.close()
        if reliability != self._qos.reliability:
            self._qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=self._depth, reliability=reliability)
        if not is_wanted or self._subscription is not None:
            return False
        self._since = time.monotonic()
        self._subscription = self._node.create_subscription(
            self.transport.kind,
            self.topic,
            self._callback,
            self._qos,
            qos_overriding_options=QoSOverridingOptions(
                (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.DURABILITY)
            ),
        )
        return True

    def close(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self._since = time.monotonic()

    def _forced_by(self) -> str:
        """Name of the parameter by which users chose the reliability; empty if the publishers decide."""
        if self._override != "auto":
            return self._override_name
        return "reliability" if self._wanted_reliability() != "auto" else ""

    def _read_override(self) -> str:
        """The standard QoS override of the reliability; `auto` if there is none.

        rclpy handles the overrides of the other policies. This one it would fix at its first value, so that `auto`
        could not change it any more.
        """
        name = self._override_name
        if not self._node.has_parameter(name):  # declared before if the camera was removed and added again
            self._node.declare_parameter(name, "auto", ParameterDescriptor(read_only=True))
        override = self._node.get_parameter(name).value
        if override not in RELIABILITIES:
            raise ConfigError(f"{name}: expected one of {', '.join(RELIABILITIES)}, got '{override}'")
        return override

    def _choose(self) -> ReliabilityPolicy:
        wanted = self._override if self._override != "auto" else self._wanted_reliability()
        if wanted != "auto":
            return ReliabilityPolicy[wanted.upper()]
        return reliability_for(self._node.get_publishers_info_by_topic(self.topic))
