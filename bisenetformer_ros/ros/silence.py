"""Why no images arrive: what to tell somebody who sees no output."""

import os
from difflib import SequenceMatcher

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.utilities import get_rmw_implementation_identifier

IMAGE_TYPE = "sensor_msgs/msg/Image"
LARGE_DATA = "FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA"


def explain_silence(node: Node, topic: str, qos: QoSProfile) -> str:
    """One sentence or two on why a subscription to `topic` with `qos` gets nothing, and what to do about it."""
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return _explain_absence(node, topic)
    reasons = [_explain_mismatch(info, qos) for info in publishers]
    if all(reasons):
        return f"no publisher on {topic} fits: " + "; ".join(reasons)
    fitting = [info for info, reason in zip(publishers, reasons, strict=True) if not reason]
    names = ", ".join(_node_name(info) for info in fitting)
    return f"{names} publishes on {topic}, but nothing arrives: " + explain_transport(fitting, qos)


def explain_transport(publishers: list[TopicEndpointInfo], qos: QoSProfile) -> str:
    """Which combination of transport and reliability is in use, and which one loses nothing."""
    if "fastrtps" not in get_rmw_implementation_identifier():
        return "look at the network and at the camera, and at the limits of this middleware for large messages"
    if os.environ.get("FASTDDS_BUILTIN_TRANSPORTS", "").startswith("LARGE_DATA"):
        return (
            f"this node runs with {LARGE_DATA} and hears only what runs with it too; set it for every process of the "
            "graph, the camera included, or for none"
        )
    if any(info.qos_profile.reliability != ReliabilityPolicy.RELIABLE for info in publishers):
        return (
            "the publisher is best effort over the default transport, which loses camera-sized images; make it "
            f"reliable, or set {LARGE_DATA} for every process of the graph, the camera included"
        )
    if qos.reliability != ReliabilityPolicy.RELIABLE:
        return "the publisher is reliable but this subscription is not; set the parameter `reliability` to auto"
    return (
        "publisher and subscription are both reliable over this node's default transport; the camera has stopped or "
        f"stalls, the network is full, or the camera runs with {LARGE_DATA} and this node has to as well"
    )


def _explain_mismatch(info: TopicEndpointInfo, qos: QoSProfile) -> str:
    """Empty if the publisher fits."""
    if info.topic_type != IMAGE_TYPE:
        return f"{_node_name(info)} publishes {info.topic_type}, expected {IMAGE_TYPE}"
    compatibility, reason = qos_check_compatible(info.qos_profile, qos)
    if compatibility != QoSCompatibility.ERROR:
        return ""
    advice = "set the parameter `reliability` to auto, or change the QoS overrides of this node"
    return f"{_node_name(info)} offers an incompatible QoS ({reason.strip().rstrip(';')}); {advice}"


def _explain_absence(node: Node, topic: str) -> str:
    own = node.get_fully_qualified_name() + "/"
    images = [
        name
        for name, types in node.get_topic_names_and_types()
        if IMAGE_TYPE in types and not name.startswith(own) and node.count_publishers(name)
    ]
    if not images:
        return (
            f"nobody publishes on {topic}, nor any image on another topic; start the camera, or compare its "
            f"ROS_DOMAIN_ID with this node's ({os.environ.get('ROS_DOMAIN_ID', '0')})"
        )
    images.sort(key=lambda name: SequenceMatcher(None, name, topic).ratio(), reverse=True)
    return (
        f"nobody publishes on {topic}; images are on {', '.join(images[:5])}: "
        f"start the node with `--ros-args -r image_raw:={images[0]}` or the launch argument `image_topic:={images[0]}`"
    )


def _node_name(info: TopicEndpointInfo) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
