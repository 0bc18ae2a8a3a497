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

TRANSPORT_VARIABLE = "FASTDDS_BUILTIN_TRANSPORTS"


@dataclass(frozen=True)
class ImageSubscription:
    """A subscription to images and the publishers that discovery has found."""

    name: str  # that users remap, without the transport's suffix
    topic: str  # full name
    transport: Transport
    qos: QoSProfile
    publishers: Sequence[TopicEndpointInfo]  # on `topic`, of any type


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


def _no_publisher(node: Node, subscription: ImageSubscription) -> str:
    topic, own = subscription.topic, node.get_fully_qualified_name() + "/"
    images = [
        name
        for name, types in node.get_topic_names_and_types()
        if subscription.transport.type_name in types and not name.startswith(own) and node.count_publishers(name)
    ]
    if not images:
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        causes = ["the camera is not running", f"its ROS_DOMAIN_ID differs from this node's ({domain})"]
        return f"no publisher on {topic}, and no images on any other topic: {', or '.join(causes + _other_transport())}"
    images.sort(key=lambda name: SequenceMatcher(None, name, topic).ratio(), reverse=True)
    wanted = images[0].removesuffix(subscription.transport.suffix)
    return (
        f"no publisher on {topic}; images are published on {', '.join(images[:5])}: "
        f"start the node with `--ros-args -r {subscription.name}:={wanted}`"
    )


def node_name(info: TopicEndpointInfo) -> str:
    """Return the full name of an endpoint's node."""
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
