"""Why no images arrive: what to tell somebody who sees no output."""

import os
from difflib import SequenceMatcher

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.utilities import get_rmw_implementation_identifier

from bisenetformer_ros.resources import share_dir
from bisenetformer_ros.ros.node.input import TRANSPORTS, ImageInput
from bisenetformer_ros.ros.shared_memory import LARGE_IMAGES, VARIABLE

TRANSPORT_VARIABLE = "FASTDDS_BUILTIN_TRANSPORTS"


def explain_silence(node: Node, image_input: ImageInput) -> str:
    """One sentence or two on why an open input gets nothing, and what to do about it."""
    topic, publishers = image_input.topic, image_input.publishers()
    if not publishers:
        return _explain_absence(node, image_input)
    reasons = [_explain_mismatch(info, image_input) for info in publishers]
    if all(reasons):
        return f"no publisher on {topic} fits: " + "; ".join(reasons)
    fitting = [info for info, reason in zip(publishers, reasons, strict=True) if not reason]
    names = ", ".join(node_name(info) for info in fitting)
    cause = _explain_reliability(fitting, image_input.qos)
    cause = cause or ", or ".join(["the camera has stopped", *_other_transport()])
    return f"{names} publishes on {topic}, but nothing arrives: {cause}"


def explain_loss(publishers: list[TopicEndpointInfo], qos: QoSProfile) -> str:
    """Why some images of these publishers do not reach a subscription with `qos`, and what to do about it."""
    return _explain_reliability(publishers, qos) or "the camera, the network or this machine does not keep up"


def _explain_reliability(publishers: list[TopicEndpointInfo], qos: QoSProfile) -> str:
    """Fast DDS' shared memory loses images that are larger than it, best effort ones first. Empty if that is not it."""
    if not _is_fast_dds() or _transport().startswith("LARGE_DATA"):
        return ""
    if any(info.qos_profile.reliability != ReliabilityPolicy.RELIABLE for info in publishers):
        return (
            "the publisher is best effort, and its shared memory may be smaller than an image, which is lost then: "
            f"start it with {VARIABLE}={share_dir() / LARGE_IMAGES}, "
            f"or make it reliable, or set {TRANSPORT_VARIABLE}=LARGE_DATA for every process of the graph"
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


def _explain_mismatch(info: TopicEndpointInfo, image_input: ImageInput) -> str:
    """Empty if the publisher fits."""
    expected = image_input.transport.type_name
    if info.topic_type != expected:
        other = next((name for name, transport in TRANSPORTS.items() if transport.type_name == info.topic_type), None)
        advice = f"; set the parameter image_transport to {other}" if other else ""
        return f"{node_name(info)} publishes {info.topic_type}, expected {expected}{advice}"
    compatibility, reason = qos_check_compatible(info.qos_profile, image_input.qos)
    if compatibility != QoSCompatibility.ERROR:
        return ""
    overrides = " ".join(
        f"-p qos_overrides.{image_input.topic}.subscription.{policy}:={value}"
        for policy, value in fitting_policies(info.qos_profile, image_input.qos).items()
    )
    advice = f"start this node with `--ros-args {overrides}`" if overrides else "change the QoS of either"
    return f"{node_name(info)} offers an incompatible QoS ({reason_for_people(reason)}); {advice}"


def reason_for_people(reason: str) -> str:
    """What qos_check_compatible says, without what it says it with."""
    return reason.replace("ERROR: ", "").strip().rstrip(";").lower()


def fitting_policies(offered: QoSProfile, requested: QoSProfile) -> dict[str, str]:
    """The policies of a subscription that ask for more than a publisher offers, with the values that would fit.

    By their names in QoS overrides; those that may be overridden for the image topics.
    """
    policies = {}
    if requested.reliability == ReliabilityPolicy.RELIABLE and offered.reliability == ReliabilityPolicy.BEST_EFFORT:
        policies["reliability"] = "best_effort"
    if requested.durability == DurabilityPolicy.TRANSIENT_LOCAL and offered.durability == DurabilityPolicy.VOLATILE:
        policies["durability"] = "volatile"
    return policies


def _explain_absence(node: Node, image_input: ImageInput) -> str:
    topic, own = image_input.topic, node.get_fully_qualified_name() + "/"
    images = [
        name
        for name, types in node.get_topic_names_and_types()
        if image_input.transport.type_name in types and not name.startswith(own) and node.count_publishers(name)
    ]
    if not images:
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        causes = ["the camera does not run", f"its ROS_DOMAIN_ID is not this node's ({domain})", *_other_transport()]
        return f"nobody publishes on {topic}, nor any image on another topic: " + ", or ".join(causes)
    images.sort(key=lambda name: SequenceMatcher(None, name, topic).ratio(), reverse=True)
    wanted = images[0].removesuffix(image_input.transport.suffix)
    return (
        f"nobody publishes on {topic}; images are on {', '.join(images[:5])}: "
        f"start the node with `--ros-args -r {image_input.name}:={wanted}`"
    )


def node_name(info: TopicEndpointInfo) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
