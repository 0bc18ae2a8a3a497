"""Quality of service of the nodes' topics."""

from collections.abc import Iterable

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

# Reliable, so that RViz's default subscriber gets the images; depth 1, since only the newest is of use.
FRAME_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# Best effort is compatible with every publisher, and camera_info is too small to be lost.
INFO_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def reliability_for(publishers: Iterable[TopicEndpointInfo]) -> ReliabilityPolicy:
    """Return reliable if every publisher is, which loses no large images; else best effort, which suits all."""
    offered = {info.qos_profile.reliability for info in publishers}
    return ReliabilityPolicy.RELIABLE if offered == {ReliabilityPolicy.RELIABLE} else ReliabilityPolicy.BEST_EFFORT
