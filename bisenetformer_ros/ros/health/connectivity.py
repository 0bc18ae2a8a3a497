"""Why images do not arrive, as text for diagnostics."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.utilities import get_rmw_implementation_identifier

from bisenetformer_ros.resources import share_dir
from bisenetformer_ros.ros.shared_memory import LARGE_IMAGES, VARIABLE
from bisenetformer_ros.ros.transports import TRANSPORTS, Transport

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
TRANSPORT_VARIABLE = "FASTDDS_BUILTIN_TRANSPORTS"


@dataclass(frozen=True)
class ImageSubscription:
    """A subscription to images and the publishers that discovery has found."""

    name: str  # that users remap, without the transport's suffix
    topic: str  # full name
    transport: Transport
    qos: QoSProfile
    publishers: Sequence[TopicEndpointInfo]  # on `topic`, of any type


@dataclass(frozen=True)
class CameraInfoSubscription:
    """A subscription to the calibration of a camera."""

    name: str  # that users remap
    topic: str  # full name
    arrived: bool  # whether a message has
    is_wanted: bool  # whether the republished topic has a subscriber


def explain_no_camera_info(node: Node, subscription: CameraInfoSubscription) -> str:
    """Explain why no calibration has arrived, and how to fix it."""
    topic = subscription.topic
    if publishers := node.get_publishers_info_by_topic(topic):
        return f"{', '.join(map(node_name, publishers))} has published nothing on {topic}"
    others = _other_topics(node, CAMERA_INFO, topic)
    if not others:
        return f"no publisher on {topic} nor on any other topic of camera_info"
    return (
        f"no publisher on {topic}; camera_info is published on {', '.join(others[:5])}: "
        f"start the node with `--ros-args -r {subscription.name}:={others[0]}`"
    )


def explain_no_images(node: Node, subscription: ImageSubscription) -> str:
    """Explain why an open subscription receives nothing, and how to fix it."""
    topic, publishers = subscription.topic, subscription.publishers
    if not publishers:
        return _no_publisher(node, subscription)
    mismatches = [_mismatch(info, subscription) for info in publishers]
    if all(mismatches):
        return f"no compatible publisher on {topic}: " + "; ".join(mismatches)
    compatible = [info for info, mismatch in zip(publishers, mismatches, strict=True) if not mismatch]
    names = ", ".join(node_name(info) for info in compatible)
    cause = _shared_memory_loss(compatible, subscription.qos)
    cause = cause or ", or ".join(["the camera has stopped", *_other_transport()])
    return f"{names} publishes on {topic}, but nothing arrives: {cause}"


def explain_lost_images(subscription: ImageSubscription) -> str:
    """Explain why some of the published images do not arrive, and how to fix it."""
    cause = _shared_memory_loss(subscription.publishers, subscription.qos)
    return cause or "the camera, the network or this machine cannot keep up"


def _shared_memory_loss(publishers: Sequence[TopicEndpointInfo], qos: QoSProfile) -> str:
    """Fast DDS loses images larger than its shared memory, best-effort ones first; empty if that is ruled out."""
    if not _is_fast_dds() or _transport().startswith("LARGE_DATA"):
        return ""
    if any(info.qos_profile.reliability != ReliabilityPolicy.RELIABLE for info in publishers):
        return (
            "the publisher is best effort, and images larger than its shared memory segment are lost: "
            f"start it with {VARIABLE}={share_dir() / LARGE_IMAGES}, "
            f"or make it reliable, or set {TRANSPORT_VARIABLE}=LARGE_DATA for every process of the graph"
        )
    if qos.reliability != ReliabilityPolicy.RELIABLE:
        return "the publisher is reliable but this subscription is not; set the parameter `reliability` to auto"
    return ""


def _other_transport() -> list[str]:
    """The possible cause that Fast DDS uses different transports; empty for other middleware."""
    if not _is_fast_dds():
        return []
    return [
        f"{TRANSPORT_VARIABLE} differs between the camera and this node ('{_transport()}'): processes with and without "
        "LARGE_DATA cannot communicate"
    ]


def _is_fast_dds() -> bool:
    return "fastrtps" in get_rmw_implementation_identifier()


def _transport() -> str:
    return os.environ.get(TRANSPORT_VARIABLE, "")


def _mismatch(info: TopicEndpointInfo, subscription: ImageSubscription) -> str:
    """Why a publisher is incompatible; empty if it is compatible."""
    expected = subscription.transport.type_name
    if info.topic_type != expected:
        other = next((name for name, transport in TRANSPORTS.items() if transport.type_name == info.topic_type), None)
        advice = f"; set the parameter image_transport to {other}" if other else ""
        return f"{node_name(info)} publishes {info.topic_type}, expected {expected}{advice}"
    compatibility, reason = qos_check_compatible(info.qos_profile, subscription.qos)
    if compatibility != QoSCompatibility.ERROR:
        return ""
    overrides = " ".join(
        f"-p qos_overrides.{subscription.topic}.subscription.{policy}:={value}"
        for policy, value in compatible_policies(info.qos_profile, subscription.qos).items()
    )
    advice = f"start this node with `--ros-args {overrides}`" if overrides else "change the QoS of one of them"
    return f"{node_name(info)} offers an incompatible QoS ({qos_reason(reason)}); {advice}"


def qos_reason(reason: str) -> str:
    """Return the reason of qos_check_compatible without its prefix and punctuation."""
    return reason.replace("ERROR: ", "").strip().rstrip(";").lower()


def compatible_policies(offered: QoSProfile, requested: QoSProfile) -> dict[str, str]:
    """Return the QoS overrides that make a subscription compatible with a publisher: policy → value.

    Only policies that the image subscription lets users override.
    """
    policies = {}
    if requested.reliability == ReliabilityPolicy.RELIABLE and offered.reliability == ReliabilityPolicy.BEST_EFFORT:
        policies["reliability"] = "best_effort"
    if requested.durability == DurabilityPolicy.TRANSIENT_LOCAL and offered.durability == DurabilityPolicy.VOLATILE:
        policies["durability"] = "volatile"
    return policies


def _other_topics(node: Node, type_name: str, topic: str) -> list[str]:
    """The topics of other nodes that have a publisher of this type, the most similar to `topic` first."""
    own = node.get_fully_qualified_name() + "/"
    names = [
        name
        for name, types in node.get_topic_names_and_types()
        if type_name in types and not name.startswith(own) and node.count_publishers(name)
    ]
    return sorted(names, key=lambda name: SequenceMatcher(None, name, topic).ratio(), reverse=True)


def _no_publisher(node: Node, subscription: ImageSubscription) -> str:
    topic = subscription.topic
    images = _other_topics(node, subscription.transport.type_name, topic)
    if not images:
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        causes = ["the camera is not running", f"its ROS_DOMAIN_ID differs from this node's ({domain})"]
        return f"no publisher on {topic}, and no images on any other topic: {', or '.join(causes + _other_transport())}"
    wanted = images[0].removesuffix(subscription.transport.suffix)
    return (
        f"no publisher on {topic}; images are published on {', '.join(images[:5])}: "
        f"start the node with `--ros-args -r {subscription.name}:={wanted}`"
    )


def node_name(info: TopicEndpointInfo) -> str:
    """Return the full name of an endpoint's node."""
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
