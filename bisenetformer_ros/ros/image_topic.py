"""Images of a topic of the running graph, for a command."""

import time
from collections.abc import Iterator

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.images.raw import DecodingReport
from bisenetformer_ros.images.stamps import Spacing
from bisenetformer_ros.ros.initialization import initialize_ros
from bisenetformer_ros.ros.qos import reliability_for
from bisenetformer_ros.ros.transports import TRANSPORTS, Transport

SILENCE_S = 10.0
"""Time without an image after which no more are expected."""


def receive_images(topic: str, most: int, spacing_s: float, bit_depth: int) -> Iterator[np.ndarray]:
    """Yield `most` images of a topic, (H, W, 3) uint8 RGB, at least `spacing_s` apart by their stamps or arrival.

    Args:
        topic: Full name; images raw or compressed.
        most: See above.
        spacing_s: See above.
        bit_depth: Significant bits of 16-bit images, one of `images.raw.BIT_DEPTHS`.

    Raises:
        InputError: No image arrives for SILENCE_S, or one cannot be decoded.
        ConfigError: ROS cannot start.
    """
    context = rclpy.Context()
    initialize_ros([], context=context)
    node = rclpy.create_node("image_receiver", context=context, start_parameter_services=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    arrived: list = []
    spacing, transport, count = Spacing(spacing_s), None, 0
    try:
        last = time.monotonic()
        while count < most:
            transport = transport or _subscribe(node, topic, arrived)
            executor.spin_once(timeout_sec=0.1)
            now = time.monotonic()
            if not arrived and now - last > SILENCE_S:
                raise InputError(_explain_silence(node, topic, count, most))
            while transport and arrived and count < most:
                message, last = arrived.pop(0), now
                stamp = message.header.stamp
                if spacing.is_due(stamp.sec + stamp.nanosec * 1e-9, now):
                    yield transport.decode(message, bit_depth, DecodingReport(), None)
                    count += 1
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


def _subscribe(node: Node, topic: str, arrived: list) -> Transport | None:
    """Subscribe as the publishers of images offer it; return how they are sent, None before there are any."""
    publishers = node.get_publishers_info_by_topic(topic)
    for transport in TRANSPORTS.values():
        if fitting := [info for info in publishers if info.topic_type == transport.type_name]:
            qos = QoSProfile(depth=1, reliability=reliability_for(fitting))
            node.create_subscription(transport.kind, topic, arrived.append, qos)
            return transport
    return None


def _explain_silence(node: Node, topic: str, count: int, most: int) -> str:
    text = f"{topic}: {count or 'no'} of {most} images arrived, none in the last {SILENCE_S:g} s"
    expected = {transport.type_name for transport in TRANSPORTS.values()}
    found = sorted({info.topic_type for info in node.get_publishers_info_by_topic(topic)})
    if found and not expected.intersection(found):
        return f"{text}: it is of type {', '.join(found)}, expected {' or '.join(sorted(expected))}"
    if found:
        return (
            f"{text}: its camera has stopped, or its images are lost; `bisenetformer doctor` on a running node says why"
        )
    names = [name for name, types in node.get_topic_names_and_types() if expected.intersection(types)]
    return f"{text}: nobody publishes it; topics with images: {', '.join(names) or 'none'}"
