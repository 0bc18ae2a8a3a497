"""Why images do not arrive, as text for diagnostics."""

import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.utilities import get_rmw_implementation_identifier

from bisenetformer_ros.commands import quoted
from bisenetformer_ros.ros.health.middleware import (
    CYCLONE_DDS,
    FAST_DDS,
    TRANSPORT_VARIABLE,
    explain_no_router,
    explain_other_vendor,
    explain_receive_buffer,
    receive_buffer,
)
from bisenetformer_ros.ros.health.peers import (
    Segment,
    command_of,
    is_local,
    other_users,
    segment_of,
    user_name,
    users_without_files,
)
from bisenetformer_ros.ros.shared_memory import (
    SEGMENT_BYTES,
    SHARED_MEMORY,
    VARIABLE,
    is_localhost_only,
    profile_for,
)
from bisenetformer_ros.ros.transports import TRANSPORTS, Transport

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
VIDEO = {"ffmpeg_image_transport_msgs/msg/FFMPEGPacket": "ffmpeg", "theora_image_transport/msg/Packet": "theora"}
"""Types of messages with a packet of a video, and the image_transport that unpacks them."""
UNKNOWN = {
    "_NODE_NAME_UNKNOWN_": "a node whose name has not arrived",
    "_CREATED_BY_BARE_DDS_APP_": "a process without ROS or with another middleware",
}
"""Names that rclpy gives to what it cannot name, and what they mean."""


@dataclass(frozen=True)
class ImageSubscription:
    """A subscription to images, which may be closed, and the publishers that discovery has found."""

    name: str  # that users remap, without the transport's suffix
    topic: str  # full name
    transport: Transport
    qos: QoSProfile
    forced_by: str  # parameter by which users chose the reliability; empty if the node did
    publishers: Sequence[TopicEndpointInfo]  # on `topic`, of any type
    is_open: bool  # closed while nobody needs images
    since: float  # time.monotonic() of the opening or closing

    @property
    def base_topic(self) -> str:
        """Full name of the topic without the transport's suffix."""
        return self.topic.removesuffix(self.transport.suffix)


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
        f"start the node with {quoted(('--ros-args', '-r', f'{subscription.name}:={others[0]}'))}"
    )


def explain_no_images(node: Node, subscription: ImageSubscription) -> str:
    """Explain why a subscription receives nothing, and how to fix it.

    Returns:
        An empty string for a closed one that finds a compatible publisher.
    """
    topic, publishers = subscription.topic, subscription.publishers
    if not publishers:
        return _no_publisher(node, subscription)
    mismatches = [_mismatch(node, info, subscription) for info in publishers]
    if all(mismatches):
        return f"no compatible publisher on {topic}: " + "; ".join(mismatches)
    if not subscription.is_open:
        return ""
    compatible = [info for info, mismatch in zip(publishers, mismatches, strict=True) if not mismatch]
    names = ", ".join(node_name(info) for info in compatible)
    cause = explain_deleted_files(users_without_files(node.context.get_domain_id()))
    cause = cause or _transport_loss(node, compatible, subscription)
    cause = cause or ", or ".join(["the camera has stopped", *_other_transport(), *_receive_buffer()])
    return f"{names} publishes on {topic}, but nothing arrives: {cause}"


def explain_lost_images(node: Node, subscription: ImageSubscription, image_bytes: int) -> str:
    """Explain why transport loses some of the published images, of `image_bytes` each, and how to fix it.

    Returns:
        An empty string if nothing speaks for a loss in transport but the gaps themselves.
    """
    return _transport_loss(node, subscription.publishers, subscription, image_bytes)


def loses_images(subscription: ImageSubscription, image_bytes: int) -> bool:
    """Return whether the middleware loses images of `image_bytes` each, whatever their rate.

    With Fast DDS, best effort ones that exceed the shared memory of a publisher; with Cyclone DDS, those that exceed
    the receive buffer of this process twice, which is the room that Linux makes for it.
    """
    if _uses(CYCLONE_DDS):
        return 2 * receive_buffer() < image_bytes
    segments = [
        segment_of(info)
        for info in subscription.publishers
        if ReliabilityPolicy.BEST_EFFORT in (info.qos_profile.reliability, subscription.qos.reliability)
    ]
    return any(segment is not None and segment.size < image_bytes for segment in segments)


def _transport_loss(
    node: Node, publishers: Sequence[TopicEndpointInfo], subscription: ImageSubscription, image_bytes: int = 0
) -> str:
    """What loses images in the middleware; empty if nothing is known to. `image_bytes` is 0 if unknown."""
    for info in publishers:
        if problem := explain_other_vendor(get_rmw_implementation_identifier(), info.endpoint_gid, "this node"):
            return problem
    if _uses(CYCLONE_DDS) and image_bytes:
        return explain_receive_buffer(image_bytes, receive_buffer())
    if not _uses(FAST_DDS) or _transport().startswith("UDP"):
        return ""
    if users := other_users(node, publishers):
        return explain_users(users, "this node", os.geteuid())
    if _transport().startswith("LARGE_DATA"):
        return ""
    release = _release_reliability(node, subscription)
    best_effort = [info for info in publishers if info.qos_profile.reliability != ReliabilityPolicy.RELIABLE]
    is_best_effort = subscription.qos.reliability != ReliabilityPolicy.RELIABLE
    if publishers and not best_effort and is_best_effort and release:
        return f"the publisher is reliable but this subscription is not: {release}"
    for info in publishers:
        is_reliable, segment = info not in best_effort, segment_of(info)
        if is_reliable and not (segment and image_bytes):
            continue
        if is_local(node, info) and (problem := _room_problem(segment, image_bytes)):
            kind = "reliable, but" if is_reliable else "best effort, and"
            return f"the publisher is {kind} {problem}: {_restart_advice(segment)}"
    return ""


def _restart_advice(segment: Segment | None) -> str:
    """The command that starts a camera with room for images."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    setting = f"{VARIABLE}={profile_for(environment)}"
    command = command_of(segment.pid) if segment else []
    return f"restart it as `{setting} {shlex.join(command)}`" if command else f"start it with {setting}"


def _room_problem(segment: Segment | None, image_bytes: int) -> str:
    """Why the shared memory of a publisher loses images; empty if it has room for two, one to send and one to read."""
    if segment is None:
        return "images larger than its shared memory segment are lost"
    if segment.size >= (2 * image_bytes or SEGMENT_BYTES):
        return ""
    size = f"its shared memory segment of {segment.size / 1e6:.1f} MB"
    if not image_bytes:
        return f"images larger than {size} are lost"
    return f"{size} has no room for two images of {image_bytes / 1e6:.1f} MB"


def _release_reliability(node: Node, subscription: ImageSubscription) -> str:
    """How to have the node choose the reliability; empty if it does."""
    if subscription.forced_by == "reliability":
        return f"run `ros2 param set {node.get_fully_qualified_name()} reliability auto`"
    return f"start this node without `{subscription.forced_by}`" if subscription.forced_by else ""


def _other_transport() -> list[str]:
    """The possible cause that Fast DDS uses different transports; empty for other middleware."""
    if not _uses(FAST_DDS):
        return []
    return [
        f"{TRANSPORT_VARIABLE} differs between the camera and this node ('{_transport()}'): processes with and without "
        "LARGE_DATA cannot communicate"
    ]


def _receive_buffer() -> list[str]:
    """The possible cause that Cyclone DDS loses large images; empty for other middleware."""
    problem = explain_receive_buffer(0, receive_buffer()) if _uses(CYCLONE_DDS) else ""
    return [problem] if problem else []


def _uses(middleware: str) -> bool:
    return get_rmw_implementation_identifier().startswith(middleware)


def _transport() -> str:
    return os.environ.get(TRANSPORT_VARIABLE, "")


def _mismatch(node: Node, info: TopicEndpointInfo, subscription: ImageSubscription) -> str:
    """Why a publisher is incompatible; empty if it is compatible."""
    expected = subscription.transport.type_name
    if info.topic_type != expected:
        other = next((name for name, transport in TRANSPORTS.items() if transport.type_name == info.topic_type), None)
        advice = f"; {_start_advice(subscription, other, subscription.topic)}" if other else ""
        if info.topic_type in VIDEO:
            advice = f", a packet of a video: {_republish(VIDEO[info.topic_type])}"
        return f"{node_name(info)} publishes {info.topic_type}, expected {expected}{advice}"
    compatibility, reason = qos_check_compatible(info.qos_profile, subscription.qos)
    if compatibility != QoSCompatibility.ERROR:
        return ""
    causes = _overridden_policies(node, info.qos_profile, subscription)
    advice = ", and ".join(causes) or "change the QoS of one of them"
    return f"{node_name(info)} offers an incompatible QoS ({qos_reason(reason)}): {advice}"


def qos_reason(reason: str) -> str:
    """Return the reason of qos_check_compatible without its prefix and punctuation."""
    return reason.replace("ERROR: ", "").strip().rstrip(";").lower()


def _overridden_policies(node: Node, offered: QoSProfile, subscription: ImageSubscription) -> list[str]:
    """How to undo each setting of the user that makes the subscription incompatible with a publisher."""
    requested, advice = subscription.qos, []
    if requested.reliability == ReliabilityPolicy.RELIABLE and offered.reliability == ReliabilityPolicy.BEST_EFFORT:
        advice.append(_release_reliability(node, subscription))
    if requested.durability == DurabilityPolicy.TRANSIENT_LOCAL and offered.durability == DurabilityPolicy.VOLATILE:
        advice.append(f"start this node without `qos_overrides.{subscription.topic}.subscription.durability`")
    return advice


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
    topic, base = subscription.topic, subscription.base_topic

    def similarity(candidate: tuple[str, str]) -> tuple[float, bool]:
        name, transport = candidate[0], TRANSPORTS[candidate[1]]
        similarity = SequenceMatcher(None, name.removesuffix(transport.suffix), base).ratio()
        return similarity, transport is subscription.transport

    candidates = [
        (name, key) for key, transport in TRANSPORTS.items() for name in _other_topics(node, transport.type_name, base)
    ]
    videos = [(name, key) for type_name, key in VIDEO.items() for name in _other_topics(node, type_name, base)]
    if videos and not candidates:
        video, key = videos[0]
        return f"no publisher on {topic}, but packets of a video on {video}: {_republish(key)}"
    if not candidates:
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        rmw = get_rmw_implementation_identifier()
        causes = [
            "the camera is not running",
            *([router] if (router := explain_no_router(rmw, len(node.get_node_names()) - 1)) else []),
            f"its ROS_DOMAIN_ID differs from this node's ({domain})",
            f"its RMW_IMPLEMENTATION differs from this node's ({rmw})",
            *_other_transport(),
        ]
        return f"no publisher on {topic}, and no images on any other topic: {', or '.join(causes)}"
    candidates.sort(key=similarity, reverse=True)
    best, transport = candidates[0]
    images = ", ".join(f"{name} ({key})" for name, key in candidates[:5])
    advice = _start_advice(subscription, transport, best)
    return f"no publisher on {topic}; images are published on {images}: {advice}"


def _republish(transport: str) -> str:
    return f"run image_transport's `republish` from {transport} to raw and subscribe to its output"


def _start_advice(subscription: ImageSubscription, transport: str, topic: str) -> str:
    """How to subscribe to `topic` by one of TRANSPORTS instead."""
    suffix, arguments = TRANSPORTS[transport].suffix, []
    if TRANSPORTS[transport] is not subscription.transport:
        arguments += ["-p", f"image_transport:={transport}"]
    if not topic.endswith(suffix):
        arguments += ["-r", f"{subscription.base_topic}{suffix}:={topic}"]
    elif topic.removesuffix(suffix) != subscription.base_topic:
        arguments += ["-r", f"{subscription.name}:={topic.removesuffix(suffix)}"]
    return f"start the node with {quoted(('--ros-args', *arguments))}"


def explain_users(users: Iterable[int], other: str, uid: int) -> str:
    """Explain that a process of one of `users` and the process `other` of `uid` cannot share memory, and the fix."""
    remedies = ["run both as the same user"]
    if not is_localhost_only(os.environ):
        remedies.append(f"start {other} with {TRANSPORT_VARIABLE}=UDPv4")
    names = " or ".join(map(user_name, sorted(users)))
    return (
        f"it is run by {names} but {other} by {user_name(uid)}, and Fast DDS keeps shared memory from other users: "
        f"{', or '.join(remedies)}"
    )


def explain_deleted_files(users: Iterable[int]) -> str:
    """Explain that processes of `users` lack their files in shared memory, and the fix; empty without users."""
    return "; ".join(
        f"files in {SHARED_MEMORY} of a running process of {user_name(uid)} have been deleted, so Fast DDS does not "
        "reach it; logind deletes them when the user logs out of the last session: run "
        f"`sudo loginctl enable-linger {uid}`, or set RemoveIPC=no in logind.conf, and restart camera and node"
        for uid in sorted(users)
    )


def node_name(info: TopicEndpointInfo) -> str:
    """Return the full name of an endpoint's node."""
    if info.node_name in UNKNOWN:
        return UNKNOWN[info.node_name]
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
