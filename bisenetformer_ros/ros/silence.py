"""Why no images arrive: what to tell somebody who sees no output."""

import os
from difflib import SequenceMatcher

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.utilities import get_rmw_implementation_identifier

IMAGE_TYPE = "sensor_msgs/msg/Image"
TRANSPORT_VARIABLE = "FASTDDS_BUILTIN_TRANSPORTS"


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
    cause = _explain_reliability(fitting, qos) or ", or ".join(["the camera has stopped", *_other_transport()])
    return f"{names} publishes on {topic}, but nothing arrives: {cause}"


def explain_loss(publishers: list[TopicEndpointInfo], qos: QoSProfile) -> str:
    """Why some images of these publishers do not reach a subscription with `qos`, and what to do about it."""
    return _explain_reliability(publishers, qos) or "the camera, the network or this machine does not keep up"


def _explain_reliability(publishers: list[TopicEndpointInfo], qos: QoSProfile) -> str:
    """Fast DDS' default transport loses camera-sized images unless both sides are reliable. Empty if that is not it."""
    if not _is_fast_dds() or _transport().startswith("LARGE_DATA"):
        return ""
    if any(info.qos_profile.reliability != ReliabilityPolicy.RELIABLE for info in publishers):
        return (
            "the publisher is best effort over the default transport, which loses camera-sized images; make it "
            f"reliable, or set {TRANSPORT_VARIABLE}=LARGE_DATA for every process of the graph, the camera included"
        )
    if qos.reliability != ReliabilityPolicy.RELIABLE:
        return "the publisher is reliable but this subscription is not; set the parameter `reliability` to auto"
    return ""


def _other_transport() -> list[str]:
    """The transport as a possible cause of silence; empty for a middleware that has no such setting."""
    if not _is_fast_dds():
        return []
    return [
        f"{TRANSPORT_VARIABLE} is not the same for the camera and for this node ('{_transport()}'): processes with and "
        "without LARGE_DATA do not hear each other"
    ]


def _is_fast_dds() -> bool:
    return "fastrtps" in get_rmw_implementation_identifier()


def _transport() -> str:
    return os.environ.get(TRANSPORT_VARIABLE, "")


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
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        causes = ["the camera does not run", f"its ROS_DOMAIN_ID is not this node's ({domain})", *_other_transport()]
        return f"nobody publishes on {topic}, nor any image on another topic: " + ", or ".join(causes)
    images.sort(key=lambda name: SequenceMatcher(None, name, topic).ratio(), reverse=True)
    return (
        f"nobody publishes on {topic}; images are on {', '.join(images[:5])}: "
        f"start the node with `--ros-args -r image_raw:={images[0]}` or the launch argument `image_topic:={images[0]}`"
    )


def _node_name(info: TopicEndpointInfo) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
