"""The subscription to the camera, which fits its reliability to the publishers that there are."""

from collections.abc import Callable

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import Image

from bisenetformer_ros.errors import ConfigError

TOPIC = "image_raw"
RELIABILITIES = ("auto", "reliable", "best_effort")


class ImageInput:
    """Subscribes to `image_raw`, keep last 1.

    Best effort hears every publisher, but loses camera-sized images on the way where a reliable pair loses none; so it
    is reliable as soon as every publisher is. `update` looks again and is to be called now and then.
    """

    def __init__(self, node: Node, callback: Callable[[Image], None], wanted_reliability: Callable[[], str]) -> None:
        """wanted_reliability: gives one of RELIABILITIES, asked again on every update.

        Raises ConfigError if the node was started with a QoS override that is none of them.
        """
        self._node = node
        self._callback = callback
        self._wanted_reliability = wanted_reliability
        self._subscription: Subscription | None = None
        self._qos = QoSProfile(depth=1)
        self.topic = node.resolve_topic_name(TOPIC)
        # The other policies are overridden by rclpy. It would keep the first value of this one for good, though, and
        # `auto` could no longer change it.
        name = f"qos_overrides.{self.topic}.subscription.reliability"
        self._override = node.declare_parameter(name, "auto", ParameterDescriptor(read_only=True)).value
        if self._override not in RELIABILITIES:
            raise ConfigError(f"{name}: expected one of {', '.join(RELIABILITIES)}, got '{self._override}'")

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
            Image,
            TOPIC,
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

    def _choose(self) -> ReliabilityPolicy:
        wanted = self._override if self._override != "auto" else self._wanted_reliability()
        if wanted != "auto":
            return ReliabilityPolicy[wanted.upper()]
        offered = {info.qos_profile.reliability for info in self.publishers()}
        return ReliabilityPolicy.RELIABLE if offered == {ReliabilityPolicy.RELIABLE} else ReliabilityPolicy.BEST_EFFORT
